"""What the answer of `git_status` is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["added", "deleted", "modified", "renamed", "typechange"]

SubmoduleFact = Literal["commits", "modified", "untracked"]

ConflictKind = Literal[
    "both_deleted",
    "added_by_us",
    "deleted_by_them",
    "added_by_them",
    "deleted_by_us",
    "both_added",
    "both_modified",
]


@dataclass(frozen=True, slots=True)
class Change:
    """One path that differs.

    Attributes:
        path: from the top of the work tree, as text (see `aiohttp_steps_git.paths`).
        kind: what happened to it. `typechange`: another kind of file now (file, symbolic link, submodule).
        old_path: the path before, if `kind` is `renamed`.
        submodule: `None` if it is no submodule; else what differs inside: other `commits` than recorded,
            `modified` files, `untracked` files.
    """

    path: str
    kind: Kind
    old_path: str | None = None
    submodule: tuple[SubmoduleFact, ...] | None = None


@dataclass(frozen=True, slots=True)
class Conflict:
    """One path that a merge could not settle.

    Attributes:
        path: as in `Change`.
        kind: who did what to it, in the words of `git status`.
    """

    path: str
    kind: ConflictKind


@dataclass(frozen=True, slots=True)
class Counts:
    """How many entries there are, whether listed or not; `renamed` are among `staged` and `unstaged`."""

    staged: int
    unstaged: int
    untracked: int
    conflicted: int
    renamed: int


@dataclass(frozen=True, slots=True)
class Status:
    """What `git status` tells. Lists are in the order of the paths' bytes.

    Attributes:
        clean: nothing is staged, changed, in conflict or untracked.
        upstream: the branch that the current one follows, `None` if none is configured.
        ahead, behind: commits that only ours, only the upstream has; `None` without an upstream, on an
            unborn branch, and if the upstream is gone.
        counts: complete, whatever the limit.
        truncated: some list below is shorter than its count.
        staged: what differs between HEAD and the index.
        unstaged: what differs between the index and the work tree.
        untracked: paths that are neither in the index nor ignored; a folder with nothing else in it is one
            path that ends in `/`.
        conflicted: these are in none of the lists above.
        unreadable: tracked paths in folders that the process may not read, so that nothing is known.
        renames_complete: `False` if there were too many or too large files to look for all renames; some
            renames then stand as a deleted and an added path.
    """

    clean: bool
    upstream: str | None
    ahead: int | None
    behind: int | None
    counts: Counts
    truncated: bool
    staged: tuple[Change, ...]
    unstaged: tuple[Change, ...]
    untracked: tuple[str, ...]
    conflicted: tuple[Conflict, ...]
    unreadable: tuple[str, ...]
    renames_complete: bool
