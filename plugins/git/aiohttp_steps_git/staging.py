"""What differs between HEAD and the index, and what a merge left unsettled."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pygit2
from pygit2.enums import DeltaStatus, DiffOption

from aiohttp_steps_git.changes import Conflict
from aiohttp_steps_git.contents import Contents
from aiohttp_steps_git.deltas import GITLINK, KINDS, Delta, pair_renames, read_delta
from aiohttp_steps_git.paths import to_text

if TYPE_CHECKING:
    from aiohttp_steps_git.changes import ConflictKind
    from aiohttp_steps_git.crew import Desk
    from aiohttp_steps_git.deltas import Side
    from aiohttp_steps_git.flags import IndexFlags

# Every git library knows the empty tree, whether it was ever written or not.
_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

# By which of the three sides have the path: the common ancestor, ours, theirs.
_CONFLICTS: dict[tuple[bool, bool, bool], ConflictKind] = {
    (True, False, False): "both_deleted",
    (False, True, False): "added_by_us",
    (True, True, False): "deleted_by_them",
    (False, False, True): "added_by_them",
    (True, False, True): "deleted_by_us",
    (False, True, True): "both_added",
    (True, True, True): "both_modified",
}


# What stands in HEAD's tree as well as what is not in the index any more.
_IN_HEAD = frozenset({DeltaStatus.DELETED, DeltaStatus.MODIFIED, DeltaStatus.TYPECHANGE})


@dataclass(frozen=True, slots=True)
class Staged:
    """What differs between HEAD and the index.

    Attributes:
        side: paths that differ, conflicts left out.
        only_in_index: paths that HEAD has not, those with conflicts among them.
    """

    side: Side
    only_in_index: list[bytes]


def read_staged(flags: IndexFlags, desk: Desk) -> Staged:
    """Compare HEAD with the index."""
    head = head_tree(desk.repo)
    diff = desk.index.diff_to_tree(head, DiffOption.INCLUDE_TYPECHANGE | DiffOption.SKIP_BINARY_CHECK)
    deltas, only_in_index = [], []
    for delta in diff.deltas:
        status = delta.status
        if status in KINDS:
            deltas.append(read_delta(delta, KINDS[status]))
        if status not in _IN_HEAD:
            only_in_index.append(delta.new_file.raw_path)
    if flags.intent_to_add:
        deltas = _without_intended(deltas, head, flags)
    return Staged(pair_renames(deltas, Contents(desk.repo)), only_in_index)


def read_conflicts(index: pygit2.Index) -> list[Conflict]:
    """Return the paths that have a conflict, in the order of their bytes."""
    conflicts = []
    for sides in index.conflicts or ():
        path = next(os.fsencode(entry.path) for entry in sides if entry)
        ancestor, ours, theirs = (entry is not None for entry in sides)
        conflicts.append((path, _CONFLICTS[ancestor, ours, theirs]))
    return [Conflict(to_text(path), kind) for path, kind in sorted(conflicts)]


def head_tree(repo: pygit2.Repository) -> pygit2.Tree:
    """Return the tree of HEAD's commit; the empty one on an unborn branch."""
    if repo.head_is_unborn:
        return repo[_EMPTY_TREE].peel(pygit2.Tree)
    return repo.head.peel(pygit2.Tree)


def _without_intended(deltas: list[Delta], head: pygit2.Tree, flags: IndexFlags) -> list[Delta]:
    """Treat `git add -N` as git does: the index does not have the file yet."""
    kept = [delta for delta in deltas if delta.path not in flags.intent_to_add]
    for path in flags.intent_to_add:
        entry = _find_entry(head, path)
        if entry is not None:
            kept.append(Delta(path, "deleted", int(entry.filemode), 0, str(entry.id), ""))
    return kept


def _find_entry(tree: pygit2.Tree, path: bytes) -> pygit2.Object | None:
    try:
        entry = tree[os.fsdecode(path)]
    except KeyError:
        return None
    return entry if entry.filemode == GITLINK or entry.type_str == "blob" else None
