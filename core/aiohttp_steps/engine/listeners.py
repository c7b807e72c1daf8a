"""Tells plugins of the beginning and end of runs: worked out once, as each run pays for the telling."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pluggy import HookImpl

    from aiohttp_steps.types import Report, RunInfo

logger = logging.getLogger("aiohttp_steps")

Listener = tuple[str, "Callable[..., Any]", bool]
"""Name of the plugin, its function, and whether that takes the hook's one argument."""


class Listeners:
    """Those who listen to runs. A failure of one must not become the request's, nor another plugin's.

    Args:
        started: implementations of `steps_run_started`, in the order of steps.
        finished: of `steps_run_finished`.
    """

    __slots__ = ("_finished", "_started")

    def __init__(self, started: Iterable[HookImpl], finished: Iterable[HookImpl]) -> None:
        self._started = _prepare(started)
        self._finished = _prepare(finished)

    def __bool__(self) -> bool:
        """Tell whether a plugin listens."""
        return bool(self._started or self._finished)

    def tell_started(self, run: RunInfo) -> None:
        """Call the listeners to beginnings."""
        for plugin, function, takes_run in self._started:
            try:
                function(run) if takes_run else function()
            except Exception:
                logger.exception("plugin %r: its steps_run_started failed", plugin)

    def tell_finished(self, report: Report) -> None:
        """Call the listeners to ends."""
        for plugin, function, takes_report in self._finished:
            try:
                function(report) if takes_report else function()
            except Exception:
                logger.exception("plugin %r: its steps_run_finished failed", plugin)


def _prepare(implementations: Iterable[HookImpl]) -> tuple[Listener, ...]:
    return tuple(
        (implementation.plugin_name, implementation.function, bool(implementation.argnames))
        for implementation in implementations
    )
