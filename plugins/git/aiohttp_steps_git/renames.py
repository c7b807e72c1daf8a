"""Which removed file lives on as which added one, found as `git status` finds it.

Why not `Diff.find_similar`: it holds the GIL from start to end, for seconds where hundreds of files were
moved and changed, and it measures otherwise than git does. Here the measuring is Python, which lets the event
loop have its turn every few milliseconds, and the rules are git's (https://git-scm.com/docs/gitdiffcore):
first equal content, then files that kept a base name which no other file has, then the most similar pairs.

Bounds: files above `MAX_FILE_BYTES`, more than `MAX_PAIRS` pairs, and what comes after `MAX_READ_BYTES` are
matched by equal content (and base name) alone, and the answer says so. git's own bound is a million pairs.
Between sources of exactly the same similarity, git's choice can hang on collisions in its hash; ours cannot.
"""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aiohttp_steps_git.contents import Contents

MAX_FILE_BYTES = 1024 * 1024
MAX_READ_BYTES = 16 * 1024 * 1024
MAX_PAIRS = 10_000

_FULL = 60_000  # git counts similarity in parts of this
_SIMILAR = _FULL // 2
_SAME_NAME_SIMILAR = _FULL * 3 // 4
_CANDIDATES = 4  # sources that git keeps for each target
_ALTERNATIVES = 100  # files of equal content that git looks at for one target
_TEXT_PROBE_BYTES = 8000
_CHUNK = re.compile(rb"[^\n]{0,63}\n|[^\n]{1,64}")


class File(NamedTuple):
    """One side of a possible rename.

    Attributes:
        path: as in git.
        id: of the content.
        mode: as in git: kind and permission.
    """

    path: bytes
    id: str
    mode: int


_Pair = tuple[int, bool, File, File]
"""How similar, whether of one base name, the old and the new file."""


@dataclass(slots=True)
class Renames:
    """What was found.

    Attributes:
        sources: for each added path that is a rename, the path it had.
        complete: whether every pair was compared that git would compare.
    """

    sources: dict[bytes, bytes] = field(default_factory=dict)
    complete: bool = True


def find_renames(removed: Sequence[File], added: Sequence[File], contents: Contents) -> Renames:
    """Pair removed with added files; both in the order of their paths."""
    found = Renames()
    _match_identical(removed, added, found)
    olds, news = _left(removed, added, found)
    if not olds or not news:
        return found
    measure = _Measure(contents)
    _match_base_names(olds, news, measure, found)
    olds, news = _left(olds, news, found)
    if len(olds) * len(news) > MAX_PAIRS:
        found.complete = False
    else:
        _match_similar(olds, news, measure, found)
    found.complete = found.complete and measure.complete
    return found


def _left(removed: Sequence[File], added: Sequence[File], found: Renames) -> tuple[list[File], list[File]]:
    used = set(found.sources.values())
    return [f for f in removed if f.path not in used], [f for f in added if f.path not in found.sources]


def _match_identical(removed: Sequence[File], added: Sequence[File], found: Renames) -> None:
    by_id: dict[str, list[File]] = {}
    for old in removed:
        by_id.setdefault(old.id, []).append(old)
    for new in added:
        candidates = (old for old in by_id.get(new.id, ()) if _may_follow(old, new))
        same = list(islice(candidates, _ALTERNATIVES))
        if same:
            best = next((old for old in same if _base(old) == _base(new)), same[0])
            by_id[new.id].remove(best)
            found.sources[new.path] = best.path


def _may_follow(old: File, new: File) -> bool:
    both_files = stat.S_ISREG(old.mode) and stat.S_ISREG(new.mode)
    return both_files or old.mode == new.mode


def _match_base_names(olds: list[File], news: list[File], measure: _Measure, found: Renames) -> None:
    unique_olds, unique_news = _unique_names(olds), _unique_names(news)
    for name, old in unique_olds.items():
        new = unique_news.get(name)
        if new is not None and measure.similarity(old, new, _SAME_NAME_SIMILAR) >= _SAME_NAME_SIMILAR:
            found.sources[new.path] = old.path


def _unique_names(files: list[File]) -> dict[bytes, File]:
    names: dict[bytes, list[File]] = {}
    for file in files:
        names.setdefault(_base(file), []).append(file)
    return {name: same[0] for name, same in names.items() if len(same) == 1}


def _match_similar(olds: list[File], news: list[File], measure: _Measure, found: Renames) -> None:
    pairs: list[_Pair] = []
    for new in news:
        pairs += _keep_best(
            (measure.similarity(old, new, _SIMILAR), _base(old) == _base(new), old, new) for old in olds
        )
    taken: set[bytes] = set()
    for similarity, _, old, new in sorted(pairs, key=_rank):
        if similarity >= _SIMILAR and new.path not in found.sources and old.path not in taken:
            found.sources[new.path] = old.path
            taken.add(old.path)


def _keep_best(pairs: Iterable[_Pair]) -> list[_Pair]:
    """Return the best few, in the order in which git keeps them: it decides between equals."""
    kept: list[_Pair] = []
    for pair in pairs:
        if len(kept) < _CANDIDATES:
            kept.append(pair)
            continue
        worst = max(range(_CANDIDATES), key=lambda at: _rank(kept[at]))
        if _rank(pair) < _rank(kept[worst]):
            kept[worst] = pair
    return kept


def _rank(pair: _Pair) -> tuple[int, bool]:
    return -pair[0], not pair[1]


def _base(file: File) -> bytes:
    return file.path.rpartition(b"/")[2]


class _Measure:
    """Measures how similar two files are; remembers what it read, within the bounds."""

    def __init__(self, contents: Contents) -> None:
        self.complete = True
        self._contents = contents
        self._sizes: dict[File, int] = {}
        self._chunks: dict[File, dict[bytes, int] | None] = {}
        self._left_bytes = MAX_READ_BYTES

    def similarity(self, old: File, new: File, least: int) -> int:
        """Return how much of the larger file is the other one's, in parts of `_FULL`; 0 if below `least`."""
        if not (stat.S_ISREG(old.mode) and stat.S_ISREG(new.mode)):
            return 0
        small, large = sorted((self._size(old), self._size(new)))
        if large == 0 or large * (_FULL - least) < (large - small) * _FULL:
            return 0
        ours, theirs = self._count(old), self._count(new)
        if ours is None or theirs is None:
            self.complete = False
            return 0
        common = sum(min(size, theirs[chunk]) for chunk, size in ours.items() if chunk in theirs)
        return common * _FULL // large

    def _size(self, file: File) -> int:
        if file not in self._sizes:
            self._sizes[file] = self._contents.size(file)
        return self._sizes[file]

    def _count(self, file: File) -> dict[bytes, int] | None:
        if file not in self._chunks:
            size = self._size(file)
            readable = size <= min(MAX_FILE_BYTES, self._left_bytes)
            self._left_bytes -= size if readable else 0
            self._chunks[file] = _count_chunks(self._contents.read(file)) if readable else None
        return self._chunks[file]


def _count_chunks(content: bytes) -> dict[bytes, int]:
    """Count the bytes in each different line, or piece of 64 bytes of a longer one."""
    if b"\0" not in content[:_TEXT_PROBE_BYTES]:
        content = content.replace(b"\r\n", b"\n")
    counts: dict[bytes, int] = {}
    for match in _CHUNK.finditer(content):
        chunk = match[0]
        counts[chunk] = counts.get(chunk, 0) + len(chunk)
    return counts
