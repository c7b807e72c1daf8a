"""Reads the two flags of index entries that libgit2 knows and pygit2 does not show.

Both decide what a status says: an entry marked *skip-worktree* (sparse checkout) that is not in the work tree
is not deleted, and one marked *intent-to-add* (`git add -N`) is not staged. They are in index files of
version 3 and 4 alone, so that for most repositories this reads twelve bytes.

The format: https://git-scm.com/docs/index-format
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp_steps_git.errors import CorruptRepositoryError
from aiohttp_steps_git.paths import path_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HEADER = struct.Struct(">4sII")
_FLAGS = struct.Struct(">HH")
_FLAGS_AT = 60  # ten numbers of four bytes and a SHA-1 come before
_EXTENDED = 0x4000
_NAME_LENGTH = 0x0FFF
_SKIP_WORKTREE = 0x4000
_INTENT_TO_ADD = 0x2000
_FIRST_WITH_FLAGS = 3
_COMPRESSED = 4


@dataclass(frozen=True, slots=True)
class IndexFlags:
    """Paths in the index that have a flag."""

    skip_worktree: frozenset[bytes] = frozenset()
    intent_to_add: frozenset[bytes] = frozenset()


def read_flags(index_file: Path) -> IndexFlags:
    """Read the flags from an index file; none if there is no file.

    Raises:
        CorruptRepositoryError: the file ends too early.
    """
    try:
        with index_file.open("rb") as file:
            header = file.read(_HEADER.size)
            version = _HEADER.unpack(header)[1]
            if version < _FIRST_WITH_FLAGS:
                return IndexFlags()
            data = header + file.read()
        return _sort(data)
    except FileNotFoundError:
        return IndexFlags()
    except (struct.error, IndexError, ValueError) as fault:
        text = path_text(index_file)
        raise CorruptRepositoryError(
            f"{text} is damaged ({fault}); delete it and run `git reset`", path=text, part="index"
        ) from fault


def _sort(data: bytes) -> IndexFlags:
    skipped, intended = set(), set()
    for path, extended in _entries(data):
        if extended & _SKIP_WORKTREE:
            skipped.add(path)
        if extended & _INTENT_TO_ADD:
            intended.add(path)
    return IndexFlags(frozenset(skipped), frozenset(intended))


def _entries(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Walk over the path and the extended flags of each entry."""
    _, version, count = _HEADER.unpack_from(data)
    at, path = _HEADER.size, b""
    for _ in range(count):
        flags, extended = _FLAGS.unpack_from(data, at + _FLAGS_AT)
        name_at = at + _FLAGS_AT + (4 if flags & _EXTENDED else 2)
        if version >= _COMPRESSED:
            dropped, name_at = _read_varint(data, name_at)
            end = data.index(b"\0", name_at)
            path = path[: len(path) - dropped] + data[name_at:end]
            at = end + 1
        else:
            end = name_at + (flags & _NAME_LENGTH)  # libgit2 refuses names that are longer than this can say
            path = data[name_at:end]
            at += (end - at + 8) // 8 * 8  # one to eight zero bytes
        yield path, extended if flags & _EXTENDED else 0


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Read a number as pack files write offsets; return it and where it ends."""
    byte = data[at]
    value = byte & 0x7F
    while byte & 0x80:
        at += 1
        byte = data[at]
        value = ((value + 1) << 7) | (byte & 0x7F)
    return value, at + 1
