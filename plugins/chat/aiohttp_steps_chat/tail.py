"""Reading the lines of a file from its end, in blocks.

Owns offsets and bounds on memory; knows nothing of messages.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_LINE_BYTES = 8 * 1024 * 1024
"""The longest line that is kept in memory, and that a message may take."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is read at once and in all.

    Attributes:
        block_bytes: size of the first read; each further one is twice as big.
        max_block_bytes: size of the biggest read.
        line_bytes: a longer line is skipped over without being kept.
        page_bytes: no further block is read once so much was; more than twice `line_bytes`, so that there
            is always a line to show for it.
    """

    block_bytes: int = 64 * 1024
    max_block_bytes: int = 1024 * 1024
    line_bytes: int = MAX_LINE_BYTES
    page_bytes: int = 2 * MAX_LINE_BYTES + 1024 * 1024


DEFAULT_BOUNDS = Bounds()


class Line(NamedTuple):
    """One line, without its newline.

    Attributes:
        start, end: offsets of its first byte and behind its last.
        raw: its bytes, `None` if it is longer than the bound.
    """

    start: int
    end: int
    raw: bytes | None


class ShrunkError(OSError):
    """The file ends before a place that it had: it was cut while it was read."""


def lines_from_end(
    read: Callable[[int, int], bytes], end: int, bounds: Bounds = DEFAULT_BOUNDS
) -> Iterator[Line]:
    """Yield the lines of a file before the offset `end`, the last one first.

    The first one yielded is what stands between the last newline and `end`: empty if `end` is the start of
    a line. It stops at the start of the file, or when `bounds.page_bytes` are read: then what was not yielded
    ends where the last one yielded starts. A line too long to be kept, within which it had to stop, is
    yielded with the offset of the stop as its start.

    Args:
        read: called with offset and size; returns exactly so many bytes.
        end: where to start going back.
        bounds: how much to read.
    """
    held: list[bytes] = []  # pieces of the line under way, the last one first
    line_end = position = end
    size = bounds.block_bytes

    def finish(start: int, first: bytes) -> Line:
        too_long = line_end - start > bounds.line_bytes
        return Line(start, line_end, None if too_long else b"".join([first, *reversed(held)]))

    while position > 0:
        if end - position >= bounds.page_bytes:
            if line_end - position > bounds.line_bytes:
                yield Line(position, line_end, None)
            return
        start = max(0, position - size)
        block = read(start, position - start)
        cut = len(block)
        while (newline := block.rfind(b"\n", 0, cut)) >= 0:
            yield finish(start + newline + 1, block[newline + 1 : cut])
            held.clear()
            line_end, cut = start + newline, newline
        held.append(block[:cut])
        if line_end - start > bounds.line_bytes:
            held.clear()
        position, size = start, min(2 * size, bounds.max_block_bytes)
    yield finish(0, b"")


def read_exactly(descriptor: int, offset: int, size: int) -> bytes:
    """Return `size` bytes of an open file from `offset`.

    Raises:
        ShrunkError: the file has no longer so many.
    """
    found = os.pread(descriptor, size, offset)
    while len(found) < size:
        more = os.pread(descriptor, size - len(found), offset + len(found))
        if not more:
            raise ShrunkError(errno.EIO, "cut while it was read")
        found += more
    return found
