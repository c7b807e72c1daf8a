"""Differences before they become an answer: bytes, numbers, and the pairing of renames."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from pygit2.enums import DeltaStatus

from aiohttp_steps_git.changes import Change
from aiohttp_steps_git.paths import to_text
from aiohttp_steps_git.renames import File, find_renames

if TYPE_CHECKING:
    from pygit2 import DiffDelta

    from aiohttp_steps_git.changes import Kind, SubmoduleFact
    from aiohttp_steps_git.contents import Contents

GITLINK = 0o160000
"""The mode of a submodule."""

KINDS: dict[DeltaStatus, Kind] = {
    DeltaStatus.ADDED: "added",
    DeltaStatus.DELETED: "deleted",
    DeltaStatus.MODIFIED: "modified",
    DeltaStatus.TYPECHANGE: "typechange",
}


class Delta(NamedTuple):
    """One path that differs; modes are 0 on the side where it is not."""

    path: bytes
    kind: Kind
    old_mode: int
    new_mode: int
    old_id: str
    new_id: str
    old_path: bytes | None = None
    submodule: tuple[SubmoduleFact, ...] = ()

    @property
    def is_submodule(self) -> bool:
        """Whether it was or is a submodule."""
        return GITLINK in (self.old_mode, self.new_mode)


@dataclass(slots=True)
class Side:
    """All that differs between two of HEAD, index and work tree."""

    deltas: list[Delta] = field(default_factory=list)
    renames_complete: bool = True

    @property
    def renamed(self) -> int:
        """How many of them are renames."""
        return sum(delta.kind == "renamed" for delta in self.deltas)


def read_delta(delta: DiffDelta, kind: Kind) -> Delta:
    """Copy what we need out of libgit2's memory."""
    old, new = delta.old_file, delta.new_file
    return Delta(new.raw_path, kind, int(old.mode), int(new.mode), str(old.id), str(new.id))


def pair_renames(deltas: list[Delta], contents: Contents) -> Side:
    """Put a rename in place of each deleted and added pair that belongs together; sort by path."""
    deltas = sorted(deltas)
    removed = [File(d.path, d.old_id, d.old_mode) for d in deltas if d.kind == "deleted"]
    added = [File(d.path, d.new_id, d.new_mode) for d in deltas if d.kind == "added"]
    found = find_renames(removed, added, contents)
    gone = set(found.sources.values())
    kept = (d for d in deltas if not (d.kind == "deleted" and d.path in gone))
    paired = [
        d._replace(kind="renamed", old_path=found.sources[d.path])
        if d.kind == "added" and d.path in found.sources
        else d
        for d in kept
    ]
    return Side(paired, found.complete)


def to_change(delta: Delta) -> Change:
    """Write a difference as it is answered."""
    return Change(
        path=to_text(delta.path),
        kind=delta.kind,
        old_path=None if delta.old_path is None else to_text(delta.old_path),
        submodule=delta.submodule if delta.is_submodule else None,
    )


def mode_of(st_mode: int) -> int:
    """Return the mode that git gives to a file with this `st_mode`; 0 for what is no file or link."""
    if stat.S_ISLNK(st_mode):
        return stat.S_IFLNK
    if stat.S_ISREG(st_mode):
        return stat.S_IFREG | (0o755 if st_mode & stat.S_IXUSR else 0o644)
    return 0
