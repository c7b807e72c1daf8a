"""What differs between the index and the work tree, as `git status` sees it.

libgit2 finds the differences in calls that let other threads run. It judges a few cases otherwise than
git; each of them is put right here, on the paths concerned alone:

- a path that sparse checkout left out is no deletion, and one that is there all the same is compared;
- `git add -N` is an addition;
- a repository inside the work tree, and a folder that holds one, are untracked and not ignored;
- a file that became a repository is a typechange;
- a path in a folder that may not be read is not deleted, it is unknown.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pygit2
from aiohttp_steps import check_cancelled
from pygit2.enums import DeltaStatus, DiffOption

from aiohttp_steps_git.contents import Contents
from aiohttp_steps_git.deltas import GITLINK, KINDS, Delta, Side, mode_of, pair_renames, read_delta
from aiohttp_steps_git.errors import WorkTreeBusyError
from aiohttp_steps_git.limited import diff_to_workdir
from aiohttp_steps_git.paths import to_text
from aiohttp_steps_git.split import Division, is_divisible
from aiohttp_steps_git.staging import head_tree
from aiohttp_steps_git.submodules import holds_repository, is_repository, read_submodule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp_steps_git.crew import Crew, Desk, Job
    from aiohttp_steps_git.flags import IndexFlags
    from aiohttp_steps_git.split import Part
    from aiohttp_steps_git.staging import Staged

# Never UPDATE_INDEX: it would take index.lock and write.
_OPTIONS = (
    DiffOption.INCLUDE_UNTRACKED
    | DiffOption.INCLUDE_IGNORED
    | DiffOption.INCLUDE_TYPECHANGE
    | DiffOption.SKIP_BINARY_CHECK
)

_ATTEMPTS = 10
_RACE = re.compile(r"reading file for hashing|could not (find|stat)|no longer exists|No such file")


@dataclass(slots=True)
class Worktree:
    """What differs between the index and the work tree.

    Attributes:
        side: tracked paths that differ, conflicts left out.
        untracked: sorted; a folder ends in `/`.
        unreadable: tracked paths of which nothing is known.
    """

    side: Side = field(default_factory=Side)
    untracked: list[bytes] = field(default_factory=list)
    unreadable: list[bytes] = field(default_factory=list)


def read_worktree(crew: Crew, flags: IndexFlags, staged: Job[Staged]) -> Worktree:
    """Compare the index with the work tree, in parts if that is worth while; neither is changed.

    Args:
        crew: does it.
        flags: of entries in the index.
        staged: what was added to the crew's jobs before.

    Raises:
        WorkTreeBusyError: files were written or removed while they were read, each of several times.
        asyncio.CancelledError: nobody waits for it any more.
    """
    for _ in range(_ATTEMPTS):
        check_cancelled()
        try:
            return _read_once(crew, flags, staged)
        except (pygit2.GitError, FileNotFoundError) as fault:
            # libgit2 gives up where a file shrinks or goes while it is hashed. Other errors are no accident.
            if not _is_race(fault):
                raise
    text = to_text(os.fsencode(crew.desk.repo.workdir))
    raise WorkTreeBusyError(f"files in {text} change while they are read; ask again", path=text)


def _is_race(fault: Exception) -> bool:
    return isinstance(fault, FileNotFoundError) or _RACE.search(str(fault)) is not None


def _read_once(crew: Crew, flags: IndexFlags, staged: Job[Staged]) -> Worktree:
    reader = _Reader(crew.desk, flags)
    reader.read(_compare(crew, staged))
    side = pair_renames(reader.deltas, Contents(crew.desk.repo))
    return Worktree(side, sorted(reader.untracked), sorted(reader.unreadable))


class _Found(NamedTuple):
    """What libgit2 says of a path; `delta` is `None` where the index is not what it differs from."""

    status: DeltaStatus
    path: bytes
    delta: Delta | None


def _compare(crew: Crew, staged: Job[Staged]) -> Iterable[_Found]:
    """Return what libgit2 says, of each path once."""
    if not crew.is_large or not is_divisible(crew.desk.repo):
        return crew.result(crew.add(partial(_compare_part, None)))
    division = Division(crew.desk, head_tree(crew.desk.repo))
    jobs = [crew.add(partial(_compare_part, part)) for part in division.parts]
    # Helpers put away what they have read while the last parts are compared.
    crew.dismiss()
    try:
        found = list(chain.from_iterable(map(crew.result, jobs)))
    finally:
        crew.drop(jobs)
    rest = division.find_rest(crew.result(staged).only_in_index)
    if rest:
        found += crew.result(crew.add(partial(_compare_part, rest)))
    return {one.path: one for one in found}.values()


def _compare_part(part: Part | None, desk: Desk) -> list[_Found]:
    diff = diff_to_workdir(desk.repo, desk.index, _OPTIONS, part)
    return [_find(delta) for delta in diff.deltas]


def _find(delta: pygit2.DiffDelta) -> _Found:
    status, kind = delta.status, KINDS.get(delta.status)
    return _Found(status, delta.new_file.raw_path, kind and read_delta(delta, kind))


class _Reader:
    def __init__(self, desk: Desk, flags: IndexFlags) -> None:
        self.top = Path(desk.repo.workdir)
        self.deltas: list[Delta] = []
        self.untracked: list[bytes] = []
        self.unreadable: list[bytes] = []
        self._repo = desk.repo
        self._index = desk.index
        self._flags = flags

    def read(self, found: Iterable[_Found]) -> None:
        ignored, missing, conflicted = [], [], set()
        for status, path, delta in found:
            if status is DeltaStatus.UNTRACKED:
                self.untracked.append(path)
            elif status is DeltaStatus.IGNORED:
                ignored.append(path)
            elif status is DeltaStatus.CONFLICTED:
                conflicted.add(path)
            elif delta is None or path in self._flags.intent_to_add:
                continue
            elif status is DeltaStatus.DELETED:
                missing.append(delta)
            else:
                self._add_changed(delta)
        self.untracked += filter(self._is_hidden_repository, ignored)
        self._add_missing(missing)
        self._add_intended()
        self._add_present_despite_sparse({delta.path for delta in missing})
        replaced = conflicted | {delta.path for delta in missing} | self._flags.intent_to_add
        self._drop_folders_in_place_of_files(replaced)

    def _add_changed(self, delta: Delta) -> None:
        if delta.old_mode == delta.new_mode == GITLINK:
            facts = read_submodule(self._repo, delta.path)
            if facts:
                self.deltas.append(delta._replace(submodule=facts))
        else:
            self.deltas.append(delta)

    def _add_missing(self, missing: list[Delta]) -> None:
        for delta in missing:
            if delta.path in self._flags.skip_worktree:
                continue
            full = self._full(delta.path)
            try:
                found = os.lstat(full)
            except (FileNotFoundError, NotADirectoryError):
                self.deltas.append(delta)
            except OSError:
                self.unreadable.append(delta.path)
            else:
                self._add_replaced(delta, full, found)

    def _add_replaced(self, delta: Delta, full: bytes, found: os.stat_result) -> None:
        """Judge a path that libgit2 calls deleted, although something is there."""
        if not stat.S_ISDIR(found.st_mode):
            # Something can be there and not be listed: its folder may not be read.
            if os.access(os.path.dirname(full), os.R_OK):  # noqa: PTH120 - names are bytes
                self.deltas.append(delta)
            else:
                self.unreadable.append(delta.path)
        elif delta.old_mode != GITLINK and is_repository(full):
            self.deltas.append(delta._replace(kind="typechange", new_mode=GITLINK, submodule=("commits",)))
        else:
            self.deltas.append(delta)

    def _add_intended(self) -> None:
        for path in self._flags.intent_to_add:
            try:
                mode = self._mode(path)
            except OSError:
                self.unreadable.append(path)
                continue
            if mode:
                self.deltas.append(Delta(path, "added", 0, mode, "", self._hash(path, mode)))
            else:
                entry = self._index[os.fsdecode(path)]
                self.deltas.append(Delta(path, "deleted", int(entry.mode), 0, str(entry.id), ""))

    def _add_present_despite_sparse(self, missing: set[bytes]) -> None:
        """Compare paths that sparse checkout left out and somebody put back: git does not skip these."""
        if not self._flags.skip_worktree or not self._is_sparse():
            return
        for path in self._flags.skip_worktree - missing:
            entry = self._index[os.fsdecode(path)]
            old_mode = int(entry.mode)
            try:
                mode = self._mode(path)
            except OSError:
                continue
            if mode == 0 or old_mode == GITLINK:
                continue
            new_id = self._hash(path, mode)
            if stat.S_IFMT(mode) != stat.S_IFMT(old_mode):
                self.deltas.append(Delta(path, "typechange", old_mode, mode, str(entry.id), new_id))
            elif (mode, new_id) != (old_mode, str(entry.id)):
                self.deltas.append(Delta(path, "modified", old_mode, mode, str(entry.id), new_id))

    def _drop_folders_in_place_of_files(self, tracked: set[bytes]) -> None:
        """Leave out an untracked folder that has the name of a tracked file, as git does."""
        self.untracked = [path for path in self.untracked if path.removesuffix(b"/") not in tracked]

    def _is_hidden_repository(self, path: bytes) -> bool:
        return (
            path.endswith(b"/")
            and not self._is_ignored(path)
            and holds_repository(self.top, path, self._is_ignored)
        )

    def _is_ignored(self, path: bytes) -> bool:
        return self._repo.path_is_ignored(os.fsdecode(path))

    def _is_sparse(self) -> bool:
        key = "core.sparseCheckout"
        return key in self._repo.config and bool(self._repo.config.get_bool(key))

    def _full(self, path: bytes) -> bytes:
        return os.path.join(os.fsencode(self.top), path)  # noqa: PTH118 - names are bytes

    def _mode(self, path: bytes) -> int:
        """Return the mode of what is there, 0 if there is no file: what is behind a link is elsewhere.

        Raises:
            OSError: nothing can be known.
        """
        try:
            found = os.lstat(self._full(path))
        except (FileNotFoundError, NotADirectoryError):
            return 0
        above = (path[:end] for end, byte in enumerate(path) if byte == ord("/"))
        if any(os.path.islink(self._full(folder)) for folder in above):  # noqa: PTH114 - names are bytes
            return 0
        return mode_of(found.st_mode)

    def _hash(self, path: bytes, mode: int) -> str:
        full = self._full(path)
        if stat.S_ISLNK(mode):
            return str(pygit2.hash(os.readlink(full)))  # noqa: PTH115 - names are bytes
        return str(self._repo.hashfile(os.fsdecode(full)))
