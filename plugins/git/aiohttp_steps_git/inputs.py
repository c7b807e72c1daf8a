"""The inputs that these steps take: where the repository is, and how much of it is wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from aiohttp_steps import Input, hookimpl

LOG_LIMIT = 20
"""Commits that `git_log` gives where nobody says how many."""

STATUS_LIMIT = 1000
"""Entries in each list of `git_status` where nobody says how many."""


@hookimpl
def step_inputs() -> list[Input]:
    """Declare `project_path`, which only the app may set, and the limits, which a request may set."""
    return [
        Input(
            "project_path",
            Path,
            default_factory=Path.cwd,
            help="Folder of the project; the repository is looked for from here upward, as git does.",
        ),
        Input(
            "log_limit",
            Annotated[int, msgspec.Meta(ge=1, le=1000)],
            default=LOG_LIMIT,
            source=("query", "body"),
            help="Most commits that git_log gives.",
        ),
        Input(
            "status_limit",
            Annotated[int, msgspec.Meta(ge=0, le=100_000)],
            default=STATUS_LIMIT,
            source=("query", "body"),
            help="Most entries in each list of git_status; its counts are always complete.",
        ),
    ]
