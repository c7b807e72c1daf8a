"""Policy `timeout` and `queue_timeout`: how long a body may run, and how long it may wait to start."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiohttp_steps.errors import StepTimeoutError

if TYPE_CHECKING:
    from aiohttp_steps.types import Call, Step, StepCall, StepMiddleware


def limit_time(step: Step) -> StepMiddleware | None:
    """Return what limits the time of `step`, `None` if it has no limit.

    Times are measured in the event loop's clock. The two limits never run at once: the second begins when
    the runner says that the body has started.
    """
    timeout, queue_timeout = step.options.timeout, step.options.queue_timeout
    if timeout is None and queue_timeout is None:
        return None

    def wrap(call_next: StepCall) -> StepCall:
        async def call_in_time(call: Call) -> Any:
            deadline = _Deadline(call, timeout, queue_timeout)
            try:
                async with deadline.scope:
                    value = await call_next(call)
            except asyncio.CancelledError:
                raise  # from outside; the scope turns its own into TimeoutError
            except BaseException as error:
                if deadline.scope.expired():
                    raise deadline.error() from (None if isinstance(error, TimeoutError) else error)
                raise
            if deadline.scope.expired():  # the step swallowed the cancellation and came late
                raise deadline.error()
            return value

        return call_in_time

    return wrap


class _Deadline:
    """The limit that applies to one call at the moment."""

    __slots__ = ("_call", "_is_waiting", "_notify", "_timeout", "_waiting_for", "scope")

    def __init__(self, call: Call, timeout: float | None, queue_timeout: float | None) -> None:
        self._call = call
        self._timeout = timeout
        self._waiting_for: float | None = queue_timeout
        self._is_waiting = True
        self.scope = asyncio.timeout(queue_timeout)
        self._notify = call.on_start
        call.on_start = self._start
        call.is_expired = self.scope.expired

    def error(self) -> StepTimeoutError:
        limit_s = self._waiting_for if self._is_waiting else self._timeout
        return StepTimeoutError(limit_s or 0.0, waiting=self._is_waiting)

    def _start(self) -> None:
        if not self.scope.expired():  # else it started too late, whatever comes of it
            self._is_waiting = False
            started_at = self._call.started_at
            if self._timeout is None or started_at is None:
                self.scope.reschedule(None)
            else:
                self.scope.reschedule(started_at + self._timeout)
        if self._notify is not None:
            self._notify()
