"""Tells of stalls: the log, seldom enough to be read, and the hook `step_stalled`."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from aiohttp_steps_stalls import hookspecs

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp_steps import StepRegistry
    from aiohttp_steps.types import Step

    from aiohttp_steps_stalls.stall import Stall

logger = logging.getLogger("aiohttp_steps")

PAUSE_S = 60.0
"""A step is logged at most once in this time."""

_MOST_PLACES = 1000

_GIL_REMEDY = (
    "it is parallel in name only; use calls that release the GIL, or runner='process' for what cannot"
)
_BLOCKED_REMEDY = "nothing else ran meanwhile; await instead, or make it a plain def, which runs in a thread"


class StallLog:
    """Writes stalls into the log, each step, or place that is no step's, once a minute.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._written_at: dict[str, float] = {}
        self._kept_back: dict[str, int] = {}

    def write(self, stall: Stall, steps: tuple[Step, ...]) -> None:
        """Log a stall for each of the steps, unless it was logged just now."""
        lasted = f"{stall.lasted_s * 1000:.0f} ms"
        # Who held the GIL is seen as soon as he gives it up, and may have gone on a little.
        word = "near" if stall.how == "gil" else "in"
        inside = f", {word} {stall.inside}" if stall.inside else ""
        if not steps:
            how = "by a thread that held the GIL," if stall.how == "gil" else "by code in it,"
            where = stall.where or "code that is not known"
            self._write(where, "the event loop was held for %s %s at %s: no step's code", lasted, how, where)
        suspects = ""
        if len(steps) > 1:
            others = ", ".join(repr(step.name) for step in steps)
            suspects = f" (one of these, which cannot be told apart: {others})"
        for step in steps:
            who = f"step {step.name!r} of plugin {step.plugin!r} ({step.location})"
            if stall.how == "gil":
                did = f"held the GIL from a thread for {lasted}{inside}{suspects}: {_GIL_REMEDY}"
            else:
                did = f"blocked the event loop for {lasted}, at {stall.where}{inside}: {_BLOCKED_REMEDY}"
            self._write(step.name, "%s %s", who, did)

    def _write(self, key: str, message: str, *arguments: object) -> None:
        now = self._clock()
        written_at = self._written_at.get(key)
        if written_at is not None and now - written_at < PAUSE_S:
            self._kept_back[key] = self._kept_back.get(key, 0) + 1
            return
        if len(self._written_at) >= _MOST_PLACES:  # places of other code may be many
            self._written_at.clear()
        self._written_at[key] = now
        more = self._kept_back.pop(key, 0)
        if more:
            message, arguments = message + " (and %d times since this was last logged)", (*arguments, more)
        logger.warning(message, *arguments)


def declare_hook(registry: StepRegistry) -> None:
    """Let plugins of a registry implement `step_stalled`; those that do already are checked."""
    caller = getattr(registry.plugin_manager.hook, "step_stalled", None)
    if caller is None or not caller.has_spec():
        registry.plugin_manager.add_hookspecs(hookspecs)
        registry.refresh()


def tell_plugins(registry: StepRegistry, stall: Stall) -> None:
    """Call the implementations of `step_stalled`: the failure of one stops neither others nor the loop."""
    for implementation in registry.implementations("step_stalled"):
        arguments: dict[str, Any] = {"stall": stall}
        function: Callable[..., Any] = implementation.function
        try:
            function(**{name: arguments[name] for name in implementation.argnames})
        except Exception:
            logger.exception("plugin %r: its step_stalled failed", implementation.plugin_name)
