"""The plugin that brings the framework's own step middlewares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp_steps.marker import hookimpl
from aiohttp_steps.policies.deadline import limit_time

if TYPE_CHECKING:
    from aiohttp_steps.types import Step, StepMiddleware


class BuiltinPolicies:
    """Brings `timeout` and `queue_timeout`, inside of what other plugins wrap."""

    @hookimpl(trylast=True)
    def step_middleware(self, step: Step) -> StepMiddleware | None:
        """Wrap the steps that have a limit of time."""
        return limit_time(step)
