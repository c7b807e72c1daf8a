"""The plugin that brings the framework's own step middlewares."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aiohttp_steps.marker import hookimpl
from aiohttp_steps.policies.deadline import limit_time
from aiohttp_steps.policies.exclusive import hold_keys
from aiohttp_steps.policies.limiting import Limiter, Limits
from aiohttp_steps.policies.ordering import Order
from aiohttp_steps.policies.retrying import try_again
from aiohttp_steps.policies.sharing import Flights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aiohttp_steps.policies.ordering import Paths
    from aiohttp_steps.types import Locks, Plan, RankCall, Step, StepCall, StepMiddleware


class BuiltinPolicies:
    """Brings the policies that options of `@step` ask for, inside of what other plugins wrap.

    From the outside in: `timeout` and `queue_timeout`, `share`, `limit`, `exclusive`, `retry`. So each waiter
    for a shared run has its own limits of time; the waits for a slot and for a key count as waiting, not as
    running; and a step that is tried again keeps both.

    Args:
        locks: asked for what holds exclusive keys.
        limits: how much is taken on at once.
    """

    def __init__(self, locks: Callable[[], Locks], limits: Limits) -> None:
        self._locks = locks
        self.flights = Flights()
        self._order = Order() if limits.order == "path" else None
        self.limiter = Limiter(limits, self._order)

    @property
    def rank(self) -> RankCall | None:
        """What ranks the calls that wait; `None`: they are served as they come."""
        return None if self._order is None else self._order.rank

    @property
    def times_s(self) -> Mapping[str, float]:
        """What steps take, in seconds, by name, as learned from runs."""
        return {} if self._order is None else self._order.times_s

    def follow(self, plan: Plan) -> Paths | None:
        """Return what sorts the steps of a plan, `None` if their order makes no difference."""
        return None if self._order is None else self._order.follow(plan, self.limiter.name_shared)

    @hookimpl(trylast=True)
    def step_middleware(self, step: Step) -> StepMiddleware | None:
        """Wrap the steps that have such options."""
        asked = [
            limit_time(step),
            self.flights.share(step),
            self.limiter.limit_number(step),
            hold_keys(step, self._locks),
            try_again(step),
        ]
        middlewares = [middleware for middleware in asked if middleware is not None]
        return partial(_wrap_all, middlewares) if middlewares else None


def _wrap_all(middlewares: Sequence[StepMiddleware], call: StepCall) -> StepCall:
    """Wrap a call in middlewares, of which the first is the outermost."""
    for middleware in reversed(middlewares):
        call = middleware(call)
    return call
