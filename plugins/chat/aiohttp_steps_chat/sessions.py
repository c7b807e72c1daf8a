"""Sessions and their files: which names are allowed, how they are opened, which there are."""

from __future__ import annotations

import os
import re
import stat
from contextlib import contextmanager
from datetime import UTC, datetime
from errno import EISDIR, ELOOP, ENXIO
from operator import attrgetter
from typing import TYPE_CHECKING

from aiohttp_steps_chat.errors import BadSessionIdError, not_regular, reading
from aiohttp_steps_chat.messages import Session
from aiohttp_steps_chat.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUFFIX = ".jsonl"
TORN_SUFFIX = ".torn"

# A link, a folder, a socket: what O_NOFOLLOW, O_RDWR and O_NONBLOCK make of them.
_NOT_REGULAR = frozenset({EISDIR, ELOOP, ENXIO})
_ID = re.compile(r"[A-Za-z0-9_-](?:[A-Za-z0-9_.-]{0,126}[A-Za-z0-9_-])?")
# Names of devices on Windows, with any ending: a folder of transcripts may be copied there.
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)


def check_session_id(session_id: object) -> str:
    """Return `session_id` if it is one.

    Raises:
        BadSessionIdError: it is no text, or could name something else than a plain file on some system.
    """
    if session_id is None:
        raise BadSessionIdError("session_id is missing; name the session to write to")
    if not isinstance(session_id, str) or not _ID.fullmatch(session_id):
        raise BadSessionIdError(
            f"session_id {_shorten(session_id)} is no name of a session; use 1 to 128 of the characters "
            "a-z A-Z 0-9 _ - and dots, but no dot at the start or the end"
        )
    if _RESERVED.fullmatch(session_id):
        raise BadSessionIdError(
            f"session_id {session_id!r} is the name of a device on Windows; use another name"
        )
    return session_id


def open_regular(folder: Path, name: str, flags: int) -> int:
    """Open a regular file of `folder` and return its descriptor, to be closed by the caller.

    Never follows a link in the last place, never waits (as a pipe would), never opens a device.

    Args:
        folder: the chat folder.
        name: name of the file: a checked session id with its suffix.
        flags: of `os.open`. A file that is made is the user's alone.

    Raises:
        BadSessionIdError: it is no regular file.
        OSError: the system refused.
    """
    flags |= os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
    try:
        descriptor = os.open(folder / name, flags, 0o600)
    except OSError as error:
        if error.errno in _NOT_REGULAR:
            raise not_regular(name.removesuffix(SUFFIX)) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise not_regular(name.removesuffix(SUFFIX))
    return descriptor


@contextmanager
def opened(folder: Path, name: str, flags: int = os.O_RDONLY) -> Iterator[int]:
    """Do as `open_regular`, for the time of a `with` block."""
    descriptor = open_regular(folder, name, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def scan_sessions(folder: Path) -> list[Session]:
    """Return the sessions in `folder`, the newest first; none if the folder is not there.

    Blocks: one look at the folder, and one at each file. Files with other names, links and folders are
    passed over, and so is a session that is removed meanwhile.

    Raises:
        SessionUnreadableError: the system refused.
    """
    pace, found = Pace(), []
    with reading("the chat folder"):
        try:
            entries = os.scandir(folder)
        except FileNotFoundError:
            return []
        with entries:
            for entry in entries:
                if session := _look(entry):
                    found.append(session)
                pace.keep()
    # Two sorts by plain keys make no tuples for the garbage collector to follow.
    found.sort(key=attrgetter("session_id"))
    found.sort(key=attrgetter("modified"), reverse=True)
    return found


def _look(entry: os.DirEntry[str]) -> Session | None:
    session_id = entry.name.removesuffix(SUFFIX)
    if session_id == entry.name or not _ID.fullmatch(session_id) or _RESERVED.fullmatch(session_id):
        return None
    try:
        if not entry.is_file(follow_symlinks=False):
            return None
        facts = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    modified = datetime.fromtimestamp(facts.st_mtime, tz=UTC)
    return Session(session_id=session_id, size_bytes=facts.st_size, modified=modified)


def _shorten(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:80]}..."  # noqa: PLR2004 - a line of a terminal
