"""The steps: each is one hop to a thread, which opens, works and closes.

One hop and not one for each call of the file, as aiofiles' file objects make them: a page costs a third, and
a request that is cancelled leaves no open file behind. The threads are our own, few, and those that write are
not those that read: a sender may wait for a lock, and no reader, nor the loop's other work, waits with it.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiofiles.os
from aiohttp_steps import step

from aiohttp_steps_chat.append import append_message
from aiohttp_steps_chat.history import read_history
from aiohttp_steps_chat.inputs import DEFAULT_LIMIT
from aiohttp_steps_chat.messages import History, SentMessage, Session, encode_message
from aiohttp_steps_chat.sessions import scan_sessions

# Threads start when they are first needed.
_readers = ThreadPoolExecutor(4, thread_name_prefix="aiohttp-steps-chat-read")
_senders = ThreadPoolExecutor(4, thread_name_prefix="aiohttp-steps-chat-send")


class _Sends:
    """Counts the messages that this process wrote, so that no page from before them is given after them."""

    def __init__(self) -> None:
        self.count = 0
        self._lock = threading.Lock()

    def note(self) -> None:
        """Count one more."""
        with self._lock:
            self.count += 1


_sends = _Sends()


def _encode_and_append(chat_folder: Path, session_id: str, message: Mapping[str, Any]) -> SentMessage:
    try:
        return append_message(chat_folder, session_id, encode_message(message, datetime.now(UTC)))
    finally:
        _sends.note()


def _make_page_key(**arguments: Hashable) -> Hashable:
    """Pages that are asked for at the same time are read once, but who has sent a message will see it."""
    return (_sends.count, *sorted(arguments.items()))


_read_history = aiofiles.os.wrap(read_history)
_scan_sessions = aiofiles.os.wrap(scan_sessions)
_send = aiofiles.os.wrap(_encode_and_append)


@step(concurrency="parallel", views=["project"], share=_make_page_key)
async def chat_history(
    *, chat_folder: Path, session_id: str | None = None, limit: int = DEFAULT_LIMIT, before: str | None = None
) -> History:
    """Return a page of the newest messages of a session, or of those before a cursor.

    Reads from the end, so that the page costs the same whatever the size of the transcript. Takes no lock:
    a line that is just being written may be reported as torn. A page has fewer messages than `limit` if it
    reaches the first line, 17 MiB of the file or 1000 bad lines; `next_before` goes on from there. A line of
    more than 8 MiB is a bad line. Cancelled, a thread reads the page to its end and drops it. Any number may
    run at once. Requests under way that want the same page share it: its messages are not to be changed.

    Args:
        chat_folder: where the transcripts are; it need not exist.
        session_id: `None` for the session of `before`, or else the newest one; none there: an empty page.
        limit: the most messages, 1 to 1000.
        before: `next_before` of a page: it stays valid when messages are sent meanwhile. `None` for the
            newest page.

    Raises:
        BadSessionIdError, BadLimitError, BadCursorError: an argument is wrong.
        SessionNotFoundError: there is no such session.
        SessionUnreadableError: the system refused.
    """
    return await _read_history(chat_folder, session_id, limit, before, executor=_readers)


@step(concurrency="parallel", views=["project"])
async def chat_sessions(*, chat_folder: Path) -> list[Session]:
    """Return the sessions in the chat folder, the one written to last first; none if it does not exist.

    Cancelled, a thread reads the folder to its end. Any number may run at once.

    Args:
        chat_folder: where the transcripts are; other files in it are passed over.

    Raises:
        SessionUnreadableError: the system refused.
    """
    return await _scan_sessions(chat_folder, executor=_readers)


@step(concurrency="sequential", views=["chat_send"])
async def send_chat_message(*, chat_folder: Path, session_id: str, message: Mapping[str, Any]) -> SentMessage:
    """Append a message to a session, which is made if it is new; the message is on disk on return.

    A torn last line that a crash left is moved to `<session>.torn`, reported in the result and in the log.
    Cancelled, the message is written or not, whole in either case. Any number may run at once, also in other
    processes: their lines do not mix.

    Args:
        chat_folder: where the transcripts are; made if it does not exist.
        session_id: which one.
        message: `role` (text), `content` (text or a list of parts), `timestamp` (RFC 3339 with a time zone;
            now if it has none) and further fields, which are kept.

    Raises:
        BadSessionIdError, BadMessageError, MessageTooLongError: an argument is wrong.
        SessionBusyError: another sender held the session for 5 s.
        NotSavedError: the system refused; `StorageFullError` if for want of room.
    """
    return await _send(chat_folder, session_id, message, executor=_senders)
