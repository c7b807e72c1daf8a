"""Blame for a held event loop: which step blocked it, or held the GIL from a thread."""

from aiohttp_steps_stalls.hookspecs import step_stalled
from aiohttp_steps_stalls.monitor import StallMonitor, monitor_of, stalls_of
from aiohttp_steps_stalls.stall import How, Stall, StallCount

__all__ = ["How", "Stall", "StallCount", "StallMonitor", "monitor_of", "stalls_of", "step_stalled"]
