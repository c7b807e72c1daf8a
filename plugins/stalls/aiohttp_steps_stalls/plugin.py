"""The plugin behind the entry point: one monitor for each registry.

Not part of the package's `__init__`: who registers a `StallMonitor` of his own does not get another besides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp_steps import hookimpl

from aiohttp_steps_stalls.monitor import StallMonitor, monitor_of
from aiohttp_steps_stalls.underway import UNDER_WAY

if TYPE_CHECKING:
    from aiohttp_steps import StepRegistry
    from aiohttp_steps.types import Step, StepMiddleware


@hookimpl(trylast=True)
def steps_app_setup(app: Any, registry: StepRegistry) -> None:
    """Watch the event loop while the application runs, unless the registry has a monitor of its own."""
    if any(isinstance(info.plugin, StallMonitor) for info in registry.plugins):
        return
    monitor = monitor_of(registry) or StallMonitor()
    monitor.steps_app_setup(app, registry)


@hookimpl
def step_middleware(step: Step) -> StepMiddleware | None:
    """Follow the steps that run in threads."""
    return UNDER_WAY.make_middleware(step)
