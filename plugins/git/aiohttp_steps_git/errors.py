"""What these steps raise; each is a `StepError`, so that its type and message reach the client.

```
StepError
└── GitStepError                 base of all below                                   (.path)
    ├── PathNotFoundError        there is nothing at the path
    ├── NotARepositoryError      neither the path nor a folder above it is a repository
    ├── NoWorkTreeError          the repository is bare, and the step needs files
    ├── PermissionDeniedError    something that must be read may not be read
    ├── DubiousOwnershipError    the repository belongs to another user
    ├── WorkTreeBusyError        files changed each time they were read
    ├── UnsupportedRepositoryError  a format that libgit2 does not read
    └── CorruptRepositoryError   damaged files in the repository                     (.part)
```
"""

from __future__ import annotations

from aiohttp_steps import StepError


class GitStepError(StepError):
    """Base of all errors that these steps raise.

    Attributes:
        path: where the fault is, as text (see `aiohttp_steps_git.paths`).
    """

    type = "git_error"

    def __init__(self, message: str, *, path: str) -> None:
        super().__init__(message)
        self.path = path


class PathNotFoundError(GitStepError):
    """There is nothing at `project_path`, or it is no folder."""

    type = "path_not_found"
    status = 404


class NotARepositoryError(GitStepError):
    """Neither `project_path` nor a folder above it is a git repository."""

    type = "not_a_repository"
    status = 404


class NoWorkTreeError(GitStepError):
    """The repository is bare: it has no files whose status could be told."""

    type = "no_work_tree"


class PermissionDeniedError(GitStepError):
    """The process may not read something that the answer needs."""

    type = "permission_denied"


class DubiousOwnershipError(GitStepError):
    """The repository belongs to another user, and no `safe.directory` allows it."""

    type = "dubious_ownership"


class WorkTreeBusyError(GitStepError):
    """Files in the work tree changed under the reader's eyes, again and again; ask again later."""

    type = "work_tree_busy"
    status = 503


class UnsupportedRepositoryError(GitStepError):
    """The repository is sound, but has a format that libgit2 does not read (sparse index, SHA-256, ...)."""

    type = "unsupported_repository"


class CorruptRepositoryError(GitStepError):
    """Files of the repository are damaged or missing.

    Attributes:
        part: the part that is damaged: `"index"`, `"HEAD"`, `"config"` or `"objects"`.
    """

    type = "corrupt_repository"

    def __init__(self, message: str, *, path: str, part: str) -> None:
        super().__init__(message, path=path)
        self.part = part
