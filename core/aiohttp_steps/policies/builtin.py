"""The plugin that brings the framework's own step middlewares."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aiohttp_steps.marker import hookimpl
from aiohttp_steps.policies.deadline import limit_time
from aiohttp_steps.policies.exclusive import hold_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiohttp_steps.types import Locks, Step, StepCall, StepMiddleware


class BuiltinPolicies:
    """Brings the policies that options of `@step` ask for, inside of what other plugins wrap.

    From the outside in: `timeout` and `queue_timeout`, `exclusive`. So the wait for a key counts as waiting.

    Args:
        locks: asked for what holds exclusive keys.
    """

    def __init__(self, locks: Callable[[], Locks]) -> None:
        self._locks = locks

    @hookimpl(trylast=True)
    def step_middleware(self, step: Step) -> StepMiddleware | None:
        """Wrap the steps that have such options."""
        asked = [limit_time(step), hold_keys(step, self._locks)]
        middlewares = [middleware for middleware in asked if middleware is not None]
        return partial(_wrap_all, middlewares) if middlewares else None


def _wrap_all(middlewares: Sequence[StepMiddleware], call: StepCall) -> StepCall:
    """Wrap a call in middlewares, of which the first is the outermost."""
    for middleware in reversed(middlewares):
        call = middleware(call)
    return call
