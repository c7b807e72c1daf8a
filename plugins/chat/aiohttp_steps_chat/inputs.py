"""The inputs that the chat steps take, and where transcripts are kept."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import msgspec
import platformdirs
from aiohttp_steps import Input, hookimpl

from aiohttp_steps_chat.history import MAX_LIMIT

FOLDER_VARIABLE = "AIOHTTP_STEPS_CHAT_FOLDER"
DEFAULT_LIMIT = 50

Limit = Annotated[int, msgspec.Meta(ge=1, le=MAX_LIMIT)]


def default_chat_folder() -> Path:
    """Return the folder in the environment variable `AIOHTTP_STEPS_CHAT_FOLDER`, else the user's own.

    That is `aiohttp-steps/chat` in the user's folder for state (`~/.local/state` on Linux): never the
    repository that a server stands in.
    """
    if given := os.environ.get(FOLDER_VARIABLE):
        return Path(given).expanduser().absolute()
    return platformdirs.user_state_path("aiohttp-steps", appauthor=False) / "chat"


@hookimpl
def step_inputs() -> list[Input]:
    """Declare the inputs of the chat steps; no request can set the folder."""
    return [
        Input(
            "chat_folder",
            Path,
            default_factory=default_chat_folder,
            help=f"Folder of the transcripts; the environment variable {FOLDER_VARIABLE} names another one.",
        ),
        Input(
            "session_id",
            str | None,
            default=None,
            source=("path", "query", "body"),
            help="Name of a chat session; the newest one if not given, and needed to send.",
        ),
        Input(
            "limit",
            Limit,
            default=DEFAULT_LIMIT,
            source=("query", "body"),
            help=f"The most messages on a page, 1 to {MAX_LIMIT}.",
        ),
        Input(
            "before",
            str | None,
            default=None,
            source=("query", "body"),
            help="next_before of a page, for the next older one; the newest page if not given.",
        ),
        Input(
            "message",
            dict[str, Any],
            source="body",
            help="The message to send: role, content, if wanted timestamp (RFC 3339) and further fields.",
        ),
    ]
