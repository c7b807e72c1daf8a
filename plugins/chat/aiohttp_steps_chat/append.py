"""Appending one line to a transcript, durably, among other senders and after crashes.

Order under the lock, so that a crash at any point loses nothing that was there or was acknowledged:
a new file's name is synced; a torn last line is synced into its own file, then cut; the line is written by
one call and synced. What fails half-way is cut off again.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from aiohttp_steps_chat.errors import MessageTooLongError, SessionBusyError, writing
from aiohttp_steps_chat.messages import SentMessage, SetAside, parse_message
from aiohttp_steps_chat.sessions import SUFFIX, check_session_id, opened
from aiohttp_steps_chat.tail import MAX_LINE_BYTES
from aiohttp_steps_chat.torn import find_tail, is_whole, set_aside, sync_folder, write_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK_WAIT_S = 5.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.001, 0.016


def append_message(
    folder: Path, session_id: str, line: bytes, *, lock_wait_s: float = LOCK_WAIT_S
) -> SentMessage:
    """Append `line`, which has no newline yet, to a session; it is on disk when this returns. Blocks.

    Raises:
        StepError: as `send_chat_message` says.
    """
    check_session_id(session_id)
    if len(line) > MAX_LINE_BYTES:
        raise MessageTooLongError(len(line), MAX_LINE_BYTES)
    with writing(session_id):
        make_folder(folder)
        with _locked(folder, session_id, lock_wait_s) as descriptor:
            aside, completed = _mend(descriptor, folder, session_id)
            offset = _append(descriptor, b"\n" if completed else b"", line + b"\n")
    return SentMessage(
        session_id=session_id,
        message=parse_message(line),
        offset=offset,
        size_bytes=len(line) + 1,
        set_aside=aside,
        completed=completed,
    )


def make_folder(folder: Path) -> None:
    """Make the chat folder, for the user alone, and what is missing above it; their names are on disk.

    Raises:
        OSError: the system refused.
    """
    if folder.is_dir():
        return
    if not folder.parent.is_dir():
        make_folder(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    sync_folder(folder.parent)


def _mend(descriptor: int, folder: Path, session_id: str) -> tuple[SetAside | None, bool]:
    size = os.fstat(descriptor).st_size
    if size == 0:
        # By size, not by who made the file: its maker may have died before it got here.
        sync_folder(folder)
    tail = find_tail(descriptor, size)
    if tail is None:
        return None, False
    if is_whole(tail):
        return None, True
    return set_aside(descriptor, folder, session_id, tail), False


def _append(descriptor: int, before: bytes, line: bytes) -> int:
    end = os.fstat(descriptor).st_size
    try:
        write_all(descriptor, before + line)
        os.fsync(descriptor)
    except OSError:
        # If not even this is possible, the next sender finds a torn line.
        with suppress(OSError):
            os.ftruncate(descriptor, end)
        raise
    return end + len(before)


@contextmanager
def _locked(folder: Path, session_id: str, wait_s: float) -> Iterator[int]:
    # flock belongs to the opened file: it keeps out other threads as well as other processes, and a
    # process that dies gives it back.
    deadline = time.monotonic() + wait_s
    while True:
        with opened(folder, session_id + SUFFIX, os.O_RDWR | os.O_APPEND | os.O_CREAT) as descriptor:
            if not _lock(descriptor, deadline):
                raise SessionBusyError(session_id, wait_s)
            if _is_named(descriptor, folder, session_id):
                yield descriptor
                return


def _lock(descriptor: int, deadline: float) -> bool:
    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        else:
            return True


def _is_named(descriptor: int, folder: Path, session_id: str) -> bool:
    # Removed or replaced while we waited: a line written here would be lost.
    with suppress(FileNotFoundError):
        named = (folder / (session_id + SUFFIX)).lstat()
        return os.path.samestat(named, os.fstat(descriptor))
    return False
