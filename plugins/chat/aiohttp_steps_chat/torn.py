"""What a crash leaves at the end of a transcript: finds it, completes it, or sets it aside.

A torn line is copied to `<session>.torn` and is on disk there before it is cut from the transcript: a crash
between the two leaves it in both. Each record of that file is two lines: a JSON object that says what and
when, and the torn bytes as they were. Called by the one sender that holds the session's lock.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from aiohttp_steps_chat.errors import BadMessageError
from aiohttp_steps_chat.messages import SetAside, decode_object
from aiohttp_steps_chat.sessions import TORN_SUFFIX, opened
from aiohttp_steps_chat.tail import Bounds, Line, lines_from_end, read_exactly

if TYPE_CHECKING:
    from pathlib import Path

_COPY_BYTES = 1024 * 1024
_logger = logging.getLogger(__name__)
# However long a torn line is, its start must be found.
_BOUNDS = Bounds(page_bytes=sys.maxsize)


def find_tail(descriptor: int, size: int) -> Line | None:
    """Return what stands behind the last newline of a transcript of `size` bytes, `None` if nothing."""
    if size == 0 or os.pread(descriptor, 1, size - 1) == b"\n":
        return None
    return next(lines_from_end(partial(read_exactly, descriptor), size, _BOUNDS))


def is_whole(tail: Line) -> bool:
    """Return whether a tail is a JSON object that lacks its newline only."""
    if tail.raw is None:
        return False
    try:
        decode_object(tail.raw)
    except BadMessageError:
        return False
    return True


def set_aside(descriptor: int, folder: Path, session_id: str, tail: Line) -> SetAside:
    """Move a torn line out of a transcript; it is on disk in its new place before it leaves the old one.

    Raises:
        OSError: the system refused; the transcript is as it was.
    """
    record = SetAside(
        file=session_id + TORN_SUFFIX,
        offset=tail.start,
        size_bytes=tail.end - tail.start,
        at=datetime.now(UTC),
    )
    with opened(folder, record.file, os.O_RDWR | os.O_APPEND | os.O_CREAT) as kept:
        undo_bytes = os.fstat(kept).st_size
        try:
            _copy(descriptor, kept, tail, record, at_start=find_tail(kept, undo_bytes) is None)
            os.fsync(kept)
            sync_folder(folder)
        except OSError:
            with suppress(OSError):
                os.ftruncate(kept, undo_bytes)
            raise
    os.ftruncate(descriptor, tail.start)
    # The message that comes after it may fail: then no result tells of this.
    _logger.warning("a torn line was taken from session %r: %s", session_id, record)
    return record


def _copy(source: int, target: int, tail: Line, record: SetAside, *, at_start: bool) -> None:
    write_all(target, (b"" if at_start else b"\n") + msgspec.json.encode(record) + b"\n")
    for offset in range(tail.start, tail.end, _COPY_BYTES):
        write_all(target, read_exactly(source, offset, min(_COPY_BYTES, tail.end - offset)))
    write_all(target, b"\n")


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of `content`: by one call of the system, unless the disk takes only a part.

    Raises:
        OSError: the system refused; a part may be written, which the caller undoes.
    """
    written = os.write(descriptor, content)
    while written < len(content):
        # The rest says why: no room, mostly.
        content = content[written:]
        written = os.write(descriptor, content)


def sync_folder(folder: Path) -> None:
    """Put the names in `folder` on disk: a file that is synced may still lose its name."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
