"""What differs inside submodules, and repositories that are none."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pygit2
from pygit2.enums import SubmoduleStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aiohttp_steps_git.changes import SubmoduleFact

_FACTS: dict[SubmoduleFact, SubmoduleStatus] = {
    "commits": SubmoduleStatus.WD_MODIFIED,
    "modified": SubmoduleStatus.WD_INDEX_MODIFIED | SubmoduleStatus.WD_WD_MODIFIED,
    "untracked": SubmoduleStatus.WD_UNTRACKED,
}
# By the value of `submodule.NAME.ignore`: the facts that git then leaves out.
_IGNORED: dict[str, set[SubmoduleFact]] = {
    "all": {"commits", "modified", "untracked"},
    "dirty": {"modified", "untracked"},
    "untracked": {"untracked"},
}


def read_submodule(repo: pygit2.Repository, path: bytes) -> tuple[SubmoduleFact, ...]:
    """Return what differs in the submodule at `path`, less what the configuration says to ignore."""
    try:
        name = path.decode()
        status = repo.submodules.status(name)
    except UnicodeDecodeError:
        return ("modified",)  # pygit2 passes on names in UTF-8 alone, and libgit2's diff did see a change
    ignored = _IGNORED.get(_read_ignore(repo, name) or "", set())
    return tuple(fact for fact, flags in _FACTS.items() if status & flags and fact not in ignored)


def holds_repository(top: Path, folder: bytes, is_ignored: Callable[[bytes], bool]) -> bool:
    """Whether a repository lies in `folder`, outside of what is ignored.

    libgit2 calls such a folder ignored, git calls it untracked.
    """
    full = os.path.join(os.fsencode(top), folder)  # noqa: PTH118 - names are bytes
    try:
        if is_repository(full):
            return True
        with os.scandir(full) as found:
            inner = [entry.name for entry in found if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return False
    below = (folder + name + b"/" for name in sorted(inner))
    return any(not is_ignored(path) and holds_repository(top, path, is_ignored) for path in below)


def is_repository(folder: bytes) -> bool:
    """Whether `folder` is the top of a repository's work tree."""
    return os.path.lexists(os.path.join(folder, b".git"))  # noqa: PTH118 - names are bytes


def _read_ignore(repo: pygit2.Repository, path: str) -> str | None:
    """Return `submodule.NAME.ignore`; the repository's configuration wins over `.gitmodules`."""
    key = f"submodule.{repo.submodules[path].name}.ignore"
    if key in repo.config:
        return str(repo.config[key])
    modules = os.path.join(repo.workdir, ".gitmodules")  # noqa: PTH118 - a string is what pygit2 wants
    if os.path.isfile(modules):  # noqa: PTH113 - the same
        config = pygit2.Config(modules)
        return str(config[key]) if key in config else None
    return None
