"""Finds out whether aiohttp cancels the handler of a client that has left."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from types import FrameType


def find_handler_cancellation() -> bool | None:
    """Return the `handler_cancellation` of the runner that starts an application just now; `None`: no runner.

    aiohttp tells an application nothing of its runner, and a runner has no public word of its arguments: so
    the runner is looked up among the callers, and asked for what it will pass to its server.
    """
    frame: FrameType | None = inspect.currentframe()
    while frame is not None:
        runner = frame.f_locals.get("self")
        if isinstance(runner, web.AppRunner):
            settings = {
                **getattr(runner, "_kwargs", {}),
                **(getattr(runner.app, "_handler_args", None) or {}),
            }
            return bool(settings.get("handler_cancellation", False))
        frame = frame.f_back
    return None
