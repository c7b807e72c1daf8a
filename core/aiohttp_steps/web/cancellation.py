"""Finds out whether aiohttp cancels the handler of a client that has left, and has it do so.

aiohttp tells an application nothing of its runner, and a runner has no public word for what it will pass to
its server. So the runner is looked up among the callers of the application's start-up.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from types import FrameType


def find_handler_cancellation() -> bool | None:
    """Return the setting of the runner that starts an application just now; `None` if there is no runner."""
    runner = _find_runner()
    if runner is None:
        return None
    overriding = getattr(runner.app, "_handler_args", None) or {}
    return bool({**_settings(runner), **overriding}.get("handler_cancellation", False))


def turn_on_handler_cancellation() -> bool:
    """Have the runner that starts an application just now cancel handlers; answers whether it will."""
    runner = _find_runner()
    if runner is None:
        return False
    _settings(runner)["handler_cancellation"] = True
    return find_handler_cancellation() is True


def _settings(runner: web.AppRunner) -> dict[str, Any]:
    settings: dict[str, Any] = getattr(runner, "_kwargs", {})
    return settings


def _find_runner() -> web.AppRunner | None:
    frame: FrameType | None = inspect.currentframe()
    while frame is not None:
        caller = frame.f_locals.get("self")
        if isinstance(caller, web.AppRunner):
            return caller
        frame = frame.f_back
    return None
