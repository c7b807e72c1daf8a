"""Steps for aiohttp-steps: branch, status and log of a git repository."""

from aiohttp_steps_git.branch import Branch, git_branch
from aiohttp_steps_git.changes import Change, Conflict, Counts, Status
from aiohttp_steps_git.errors import (
    CorruptRepositoryError,
    DubiousOwnershipError,
    GitStepError,
    NotARepositoryError,
    NoWorkTreeError,
    PathNotFoundError,
    PermissionDeniedError,
    UnsupportedRepositoryError,
    WorkTreeBusyError,
)
from aiohttp_steps_git.inputs import step_inputs
from aiohttp_steps_git.log import Commit, git_log
from aiohttp_steps_git.status import git_status

__all__ = [
    "Branch",
    "Change",
    "Commit",
    "Conflict",
    "CorruptRepositoryError",
    "Counts",
    "DubiousOwnershipError",
    "GitStepError",
    "NoWorkTreeError",
    "NotARepositoryError",
    "PathNotFoundError",
    "PermissionDeniedError",
    "Status",
    "UnsupportedRepositoryError",
    "WorkTreeBusyError",
    "git_branch",
    "git_log",
    "git_status",
    "step_inputs",
]
