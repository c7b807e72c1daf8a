"""The step `git_status`: what differs between HEAD, index and work tree, without holding the event loop.

`Repository.status()` would hold the GIL from start to end. The calls used here go through cffi and let other
threads run; what is done in Python is done for paths that differ, not for all paths. How the work is divided
among threads: `crew`, `split`.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp_steps import check_cancelled, step

from aiohttp_steps_git.branch import compare_upstream
from aiohttp_steps_git.changes import Counts, Status
from aiohttp_steps_git.crew import Crew
from aiohttp_steps_git.deltas import to_change
from aiohttp_steps_git.errors import NoWorkTreeError
from aiohttp_steps_git.flags import read_flags
from aiohttp_steps_git.inputs import STATUS_LIMIT
from aiohttp_steps_git.paths import path_text, to_text
from aiohttp_steps_git.repository import open_repository
from aiohttp_steps_git.staging import read_conflicts, read_staged
from aiohttp_steps_git.worktree import read_worktree

if TYPE_CHECKING:
    from aiohttp_steps_git.branch import Upstream
    from aiohttp_steps_git.changes import Conflict
    from aiohttp_steps_git.deltas import Side
    from aiohttp_steps_git.worktree import Worktree


@step(concurrency="parallel", views=["project"], share=True)
def git_status(*, project_path: Path, status_limit: int = STATUS_LIMIT) -> Status:
    """Return what `git status` tells of the repository at `project_path`.

    Each list has at most `status_limit` entries; the counts are complete.
    Nothing in the repository is written or locked, so that the user's own git commands are not disturbed.
    A large work tree is compared in parts, by this thread and helpers; cancelled, it ends before the next
    part. Requests under way that want the same status share it.
    """
    with open_repository(project_path) as repo:
        if repo.is_bare:
            text = path_text(project_path)
            raise NoWorkTreeError(
                f"the repository at {text} is bare, so that it has no status; use a clone of it", path=text
            )
        index_file = Path(repo.path, "index")
        flags = read_flags(index_file)
        # No job is begun for a client that has left; each is a call or two that nobody can stop.
        with Crew(repo, index_file) as crew:
            job = crew.add(partial(read_staged, flags))
            worktree = read_worktree(crew, flags, job)
            staged = crew.result(job).side
            index = crew.desk.index
        check_cancelled()
        return _make_status(
            staged=staged,
            worktree=worktree,
            conflicts=read_conflicts(index),
            upstream=compare_upstream(repo),
            limit=status_limit,
        )


def _make_status(
    *, staged: Side, worktree: Worktree, conflicts: list[Conflict], upstream: Upstream, limit: int
) -> Status:
    unstaged, untracked, unreadable = worktree.side, worktree.untracked, worktree.unreadable
    lists = (staged.deltas, unstaged.deltas, untracked, conflicts, unreadable)
    return Status(
        clean=not (staged.deltas or unstaged.deltas or untracked or conflicts),
        upstream=upstream.name,
        ahead=upstream.ahead,
        behind=upstream.behind,
        counts=Counts(
            staged=len(staged.deltas),
            unstaged=len(unstaged.deltas),
            untracked=len(untracked),
            conflicted=len(conflicts),
            renamed=staged.renamed + unstaged.renamed,
        ),
        truncated=any(len(entries) > limit for entries in lists),
        staged=tuple(map(to_change, staged.deltas[:limit])),
        unstaged=tuple(map(to_change, unstaged.deltas[:limit])),
        untracked=tuple(map(to_text, untracked[:limit])),
        conflicted=tuple(conflicts[:limit]),
        unreadable=tuple(map(to_text, unreadable[:limit])),
        renames_complete=staged.renames_complete and unstaged.renames_complete,
    )
