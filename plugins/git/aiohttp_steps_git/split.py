"""Divides the work tree into parts that can be compared with the index one by one, side by side.

A part is a list of paths. Where the tracked files lie is learned from a sample of the index, for to look at
each of its entries would take longer than the comparison. Folders with much in them are divided further.

libgit2 calls a folder untracked if the part has no tracked path in it. So a part with paths of a divided
folder has a path from the sample in that folder, be it a second time: who puts the answers together must
expect a path twice.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import pygit2

from aiohttp_steps_git.limited import can_limit
from aiohttp_steps_git.submodules import is_repository

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aiohttp_steps_git.crew import Desk

SAMPLES = 120
"""How many entries of the index to look at."""

SAMPLES_IN_PART = 10
"""A part is closed, and a folder is divided, when it has more: so there are some twelve parts."""

_DEEPEST = 8
_INEXACT = ("core.ignoreCase", "core.precomposeUnicode")

Part = list[bytes]


class _Item(NamedTuple):
    folder: bytes
    path: bytes
    samples: int


def is_divisible(repo: pygit2.Repository) -> bool:
    """Whether pygit2 can compare parts, and names in the work tree are those in the index byte for byte."""
    config = repo.config
    return can_limit() and not any(key in config and config.get_bool(key) for key in _INEXACT)


class Division:
    """The parts of a work tree.

    Args:
        desk: repository and index.
        head: the tree of HEAD.

    Attributes:
        parts: together they have all that is in the work tree or in HEAD.
    """

    def __init__(self, desk: Desk, head: pygit2.Tree) -> None:
        self._top = os.fsencode(desk.repo.workdir)
        self._known: set[bytes] = set()
        self._witnesses: dict[bytes, bytes] = {}
        self.parts: list[Part] = list(self._group(self._divide(b"", head, _sample(desk.index))))

    def find_rest(self, only_in_index: Iterable[bytes]) -> Part:
        """Return those paths that are in no part.

        Args:
            only_in_index: all that the index has and HEAD has not.
        """
        return sorted({path for path in only_in_index if not self._is_known(path)})

    def _is_known(self, path: bytes) -> bool:
        ends = [end for end, byte in enumerate(path) if byte == ord("/")]
        return path in self._known or any(path[:end] in self._known for end in ends)

    def _divide(
        self, folder: bytes, head: pygit2.Tree | None, samples: list[bytes], depth: int = 0
    ) -> Iterator[_Item]:
        """Give what a folder has, in the order of names."""
        trees = {} if head is None else {entry.raw_name or b"": entry for entry in head}
        names = trees.keys() | set(_list(self._top + folder))
        names.discard(b".git")
        below = _sort(samples, len(folder))
        for name in sorted(names):
            path, found = folder + name, below.get(name, [])
            if len(found) > SAMPLES_IN_PART and depth < _DEEPEST and _is_plain_folder(self._top + path):
                self._witnesses[path + b"/"] = found[0]
                tree = trees.get(name)
                inner = tree if isinstance(tree, pygit2.Tree) else None
                yield from self._divide(path + b"/", inner, found, depth + 1)
            else:
                self._known.add(path)
                yield _Item(folder, path, len(found))

    def _group(self, items: Iterable[_Item]) -> Iterator[Part]:
        part: list[_Item] = []
        samples = 0
        for item in items:
            if part and samples + item.samples > SAMPLES_IN_PART:
                yield self._close(part)
                part, samples = [], 0
            part.append(item)
            samples += item.samples
        if part:
            yield self._close(part)

    def _close(self, items: list[_Item]) -> Part:
        sampled = [item.path for item in items if item.samples]
        folders = {item.folder for item in items if item.folder}
        lonely = (each for each in folders if not any(path.startswith(each) for path in sampled))
        return [item.path for item in items] + [self._witnesses[each] for each in lonely]


def _sample(index: pygit2.Index) -> list[bytes]:
    """Return some paths of the index, evenly spaced and in its order."""
    count = len(index)
    positions = sorted({number * count // SAMPLES for number in range(SAMPLES)}) if count else ()
    return [os.fsencode(index[position].path) for position in positions]


def _sort(samples: list[bytes], start: int) -> dict[bytes, list[bytes]]:
    """Sort samples by the name of a file or folder, which begins at `start`."""
    below: dict[bytes, list[bytes]] = {}
    for path in samples:
        below.setdefault(path[start:].partition(b"/")[0], []).append(path)
    return below


def _list(folder: bytes) -> list[bytes]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names are bytes
    except OSError:
        return []  # libgit2 will say so, or find it gone


def _is_plain_folder(full: bytes) -> bool:
    return os.path.isdir(full) and not os.path.islink(full) and not is_repository(full)  # noqa: PTH112, PTH114 - names are bytes
