"""The step `git_branch`: what HEAD points at, and the upstream of that."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pygit2
from aiohttp_steps import step

from aiohttp_steps_git.paths import to_text
from aiohttp_steps_git.repository import common_dir, open_repository

_HEADS = b"refs/heads/"


@dataclass(frozen=True, slots=True)
class Branch:
    """Where a repository stands.

    Attributes:
        name: the branch without `refs/heads/` (`feature/x`); `None` if HEAD is detached. A name that is not
            UTF-8 is written as `aiohttp_steps_git.paths` says.
        commit: id of the commit that HEAD is at, 40 hexadecimal digits; `None` if the branch is unborn.
        detached: HEAD is at a commit, not on a branch.
        unborn: the branch has no commit yet.
        bare: the repository has no work tree.
        linked_worktree: the work tree was made by `git worktree add`.
        upstream: the branch that this one follows (`origin/main`), whether it still exists or not; `None`
            if none is configured.
    """

    name: str | None
    commit: str | None
    detached: bool
    unborn: bool
    bare: bool
    linked_worktree: bool
    upstream: str | None


@dataclass(frozen=True, slots=True)
class Upstream:
    """The branch that the current one follows.

    Attributes:
        name: as people write it: `origin/main`.
        ahead, behind: commits that only ours, only theirs has; `None` if one of the two has no commit.
    """

    name: str | None = None
    ahead: int | None = None
    behind: int | None = None


@step(concurrency="parallel", views=["project"])
def git_branch(*, project_path: Path) -> Branch:
    """Return where HEAD of the repository at `project_path` stands."""
    with open_repository(project_path) as repo:
        unborn = repo.head_is_unborn
        head = head_name(repo)
        upstream = _find_upstream(repo, head) if head else None
        git_dir = Path(repo.path)
        return Branch(
            name=to_text(head.removeprefix(_HEADS)) if head else None,
            commit=None if unborn else str(repo.head.target),
            detached=head is None,
            unborn=unborn,
            bare=repo.is_bare,
            linked_worktree=common_dir(git_dir) != git_dir,
            upstream=_shorten(upstream) if upstream else None,
        )


def head_name(repo: pygit2.Repository) -> bytes | None:
    """Return the full name of the branch that HEAD is on, `None` if HEAD is detached."""
    if not repo.head_is_unborn:
        head = repo.head.raw_name
        return None if head == b"HEAD" else head
    target = repo.lookup_reference("HEAD").raw_target
    return target if isinstance(target, bytes) else None


def compare_upstream(repo: pygit2.Repository) -> Upstream:
    """Return the upstream of the current branch, and how far the two are apart.

    Counting goes through cffi and lets other threads run.
    """
    head = head_name(repo)
    upstream = _find_upstream(repo, head) if head else None
    if upstream is None:
        return Upstream()
    theirs = repo.references.get(upstream)
    if theirs is None or repo.head_is_unborn:
        return Upstream(_shorten(upstream))
    ours = repo.head.peel(pygit2.Commit)
    ahead, behind = repo.ahead_behind(ours.id, theirs.peel(pygit2.Commit).id)
    return Upstream(_shorten(upstream), ahead, behind)


def _find_upstream(repo: pygit2.Repository, head: bytes) -> str | None:
    """Return the full name of the reference that the branch follows, from the configuration.

    Not `Branch.upstream_name`: an unborn branch has no `Branch`, and a clone of an empty repository has an
    unborn branch with an upstream.
    """
    try:
        section = f"branch.{head.removeprefix(_HEADS).decode()}"
    except UnicodeDecodeError:
        return None  # pygit2 passes on names in UTF-8 alone
    remote = _read_first(repo.config, f"{section}.remote")
    merge = _read_first(repo.config, f"{section}.merge")
    if remote is None or merge is None:
        return None
    if remote == ".":
        return merge
    return _track(repo, remote, merge)


def _track(repo: pygit2.Repository, remote_name: str, merge: str) -> str | None:
    """Return the name under which `git fetch` keeps the remote's reference `merge`, `None` if it does not."""
    if remote_name not in repo.remotes.names():
        return None
    remote = repo.remotes[remote_name]
    for number in range(remote.refspec_count):
        refspec = remote.get_refspec(number)
        # 0 is a fetch refspec; without a target it keeps nothing.
        if refspec.direction == 0 and refspec.dst and refspec.src_matches(merge):
            return str(refspec.transform(merge))
    return None


def _read_first(config: pygit2.Config, key: str) -> str | None:
    # A branch may merge several; like git we follow the first.
    return next(iter(config.get_multivar(key)), None) if key in config else None


def _shorten(reference: str) -> str:
    for prefix in ("refs/heads/", "refs/remotes/", "refs/tags/"):
        if reference.startswith(prefix):
            return to_text(reference.removeprefix(prefix).encode(errors="surrogateescape"))
    return to_text(reference.encode(errors="surrogateescape"))
