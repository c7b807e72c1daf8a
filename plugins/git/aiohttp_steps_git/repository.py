"""Opening a repository, and saying clearly why something in it cannot be read.

Every call opens its own `pygit2.Repository`: libgit2 lets one thread at a time use one, and opening costs
some hundred microseconds. Nothing here or in the other modules writes to a repository or takes a lock in it.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pygit2

from aiohttp_steps_git.errors import (
    CorruptRepositoryError,
    DubiousOwnershipError,
    GitStepError,
    NotARepositoryError,
    PathNotFoundError,
    PermissionDeniedError,
    UnsupportedRepositoryError,
)
from aiohttp_steps_git.paths import path_text

if TYPE_CHECKING:
    from collections.abc import Iterator

# Raised for what cannot be read. Nothing broader, or our own faults would look like it.
_FAULTS = (pygit2.GitError, OSError)

_UNSUPPORTED = {
    "'sdir'": "a sparse index, which libgit2 does not read; run "
    "`git sparse-checkout reapply --no-sparse-index`",
    "'link'": "a split index, which libgit2 does not read; run `git update-index --no-split-index`",
    "unknown object format": "objects in a format that libgit2 does not read; use a SHA-1 repository",
    "unsupported": "a format that libgit2 does not read; convert it, or update pygit2",
}
_SIGNS = {
    "index": re.compile(r"invalid data in index|failed to read index"),
    "HEAD": re.compile(r".*corrupted loose reference file"),
}
_REMEDIES = {
    "index": "delete it and run `git reset` to have it made anew (this unstages what was staged)",
    "HEAD": "write the branch back with `git symbolic-ref HEAD refs/heads/NAME`, or see `git fsck`",
    "config": "correct the file",
    "objects": "see `git fsck`, and fetch what is missing",
}


@contextmanager
def open_repository(project_path: Path) -> Iterator[pygit2.Repository]:
    """Open the repository that `project_path` is in, for this thread alone.

    What fails inside the `with` because the repository cannot be read is raised as one of our errors.

    Raises:
        GitStepError: one of its subclasses, which says what cannot be read, and why.
    """
    _check_path(project_path)
    try:
        repo = pygit2.Repository(os.fspath(project_path))
    except _FAULTS as fault:
        raise _explain_open(project_path, fault) from fault
    # libgit2 goes on without a configuration that it may not read, and then answers as if there were none.
    config = common_dir(Path(repo.path)) / "config"
    if config.exists() and not os.access(config, os.R_OK):
        raise _denied(config)
    try:
        yield repo
    except _FAULTS as fault:
        raise _explain_read(repo, fault) from fault
    finally:
        release(repo)


def release(repo: pygit2.Repository) -> None:
    """Let go of what a repository object has read and opened, now and not when garbage is collected.

    pygit2's repositories refer to themselves. The collector would free an index of 100,000 entries, and those
    of other calls with it, while it holds the GIL. After this the index goes with the last who has it, by a
    call that releases the GIL.
    """
    repo.free()


def common_dir(git_dir: Path) -> Path:
    """Return the folder that linked work trees share; `git_dir` itself, if it is not that of a linked one."""
    link = git_dir / "commondir"
    return git_dir / link.read_text().strip() if link.is_file() else git_dir


def _check_path(path: Path) -> None:
    text = path_text(path)
    try:
        os.stat(path)  # noqa: PTH116 - Path.stat is the same call; os.access follows in kind
    except PermissionError as fault:
        raise PermissionDeniedError(
            f"may not look at {text}: {_whoami()} has no access to a folder above it; grant it", path=text
        ) from fault
    except (OSError, ValueError) as fault:
        raise PathNotFoundError(f"there is nothing at {text}; correct project_path", path=text) from fault
    if not path.is_dir():
        raise PathNotFoundError(f"{text} is no folder; set project_path to the project's folder", path=text)
    if not os.access(path, os.R_OK | os.X_OK):
        raise PermissionDeniedError(f"may not read {text}: grant {_whoami()} access to it", path=text)


def _explain_open(path: Path, fault: BaseException) -> GitStepError:
    text, reason = path_text(path), _reason(fault)
    if "not owned by current user" in reason:
        return DubiousOwnershipError(
            f"the repository at {text} belongs to another user than {_whoami()}; if you trust it, run "
            f"`git config --global --add safe.directory FOLDER` as {_whoami()}",
            path=text,
        )
    if unsupported := _unsupported(text, reason):
        return unsupported
    if "parse config file" in reason:
        return _corrupt(text, "config", reason)
    return _explain_missing(path, reason)


def _explain_missing(path: Path, reason: str) -> GitStepError:
    """Tell apart what libgit2 calls "not found": not there, not allowed, not complete."""
    text = path_text(path)
    near = next((d / ".git" for d in (path, *path.absolute().parents) if os.path.lexists(d / ".git")), None)
    if near is not None and (denied := _find_unreadable(near)):
        return _denied(denied)
    if "config" in reason:
        # Not the repository's own file, which was found readable: that of the user or the system.
        return PermissionDeniedError(
            f"{_whoami()} may not read its own settings ({reason}); set HOME", path=text
        )
    if near is None:
        return NotARepositoryError(
            f"{text} is not in a git repository; run `git init` there, or correct project_path", path=text
        )
    return _corrupt(path_text(near), "HEAD", f"no complete repository: {reason}")


def _explain_read(repo: pygit2.Repository, fault: BaseException) -> GitStepError:
    git_dir, reason = Path(repo.path), _reason(fault)
    text = path_text(git_dir)
    if denied := _find_unreadable(git_dir):
        return _denied(denied)
    if "Permission denied" in reason:
        return PermissionDeniedError(f"{_whoami()} may not read a file in the work tree: {reason}", path=text)
    if unsupported := _unsupported(text, reason):
        return unsupported
    for part, sign in _SIGNS.items():
        if sign.match(reason):
            return _corrupt(text, part, reason)
    return _corrupt(text, "objects", reason)


def _find_unreadable(git_dir: Path) -> Path | None:
    """Return the first of a repository's main files that is there and may not be read."""
    if git_dir.is_file():
        return None if os.access(git_dir, os.R_OK) else git_dir
    if not os.access(git_dir, os.R_OK | os.X_OK):
        return git_dir
    common = common_dir(git_dir)
    parts = (git_dir / "HEAD", git_dir / "index", common / "config", common / "objects", common / "refs")
    return next((part for part in parts if part.exists() and not os.access(part, _needed(part))), None)


def _needed(part: Path) -> int:
    return os.R_OK | os.X_OK if part.is_dir() else os.R_OK


def _denied(path: Path) -> PermissionDeniedError:
    text = path_text(path)
    return PermissionDeniedError(f"may not read {text}: grant {_whoami()} access to it", path=text)


def _unsupported(path: str, reason: str) -> UnsupportedRepositoryError | None:
    for sign, what in _UNSUPPORTED.items():
        if sign in reason:
            return UnsupportedRepositoryError(f"the repository at {path} has {what}", path=path)
    return None


def _corrupt(path: str, part: str, reason: str) -> CorruptRepositoryError:
    return CorruptRepositoryError(f"{path} is damaged ({reason}); {_REMEDIES[part]}", path=path, part=part)


def _reason(fault: BaseException) -> str:
    text = " ".join(map(str, fault.args)) or type(fault).__name__
    # libgit2's messages carry file names, which need not be UTF-8.
    return text.encode(errors="backslashreplace").decode()


def _whoami() -> str:
    return f"user id {os.geteuid()}" if hasattr(os, "geteuid") else "this user"
