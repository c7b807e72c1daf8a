"""The hook that this plugin adds for others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from aiohttp_steps_stalls.stall import Stall

hookspec = pluggy.HookspecMarker("aiohttp_steps")


@hookspec
def step_stalled(stall: Stall) -> None:
    """Learn that the event loop was held, and by which steps.

    Called in the event loop's thread, once per stall, in the order of steps. The results are ignored; an
    error is logged and stops nothing. Mark implementations `@hookimpl(optionalhook=True)`, so that they are
    no fault where this plugin is not installed.

    Args:
        stall: how long, how, and by whom.
    """
