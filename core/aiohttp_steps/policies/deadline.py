"""Policy `timeout` and `queue_timeout`: how long a body may run, and how long it may wait to start."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiohttp_steps.errors import StepTimeoutError
from aiohttp_steps.policies.clock import Deadline

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
            limits = _Limits(call, timeout, queue_timeout)
            try:
                with limits.deadline:
                    async with limits.scope:
                        value = await call_next(call)
            except asyncio.CancelledError:
                raise  # from outside; the scope turns its own into TimeoutError
            except BaseException as error:
                if limits.scope.expired():
                    raise limits.error() from (None if isinstance(error, TimeoutError) else error)
                raise
            if limits.scope.expired():  # the step swallowed the cancellation and came late
                raise limits.error()
            return value

        return call_in_time

    return wrap


class _Limits:
    """The limit that applies to one call at the moment."""

    __slots__ = (
        "_call",
        "_is_expired",
        "_is_waiting",
        "_notify",
        "_queue_timeout",
        "_timeout",
        "deadline",
        "scope",
    )

    def __init__(self, call: Call, timeout: float | None, queue_timeout: float | None) -> None:
        self._call = call
        self._timeout = timeout
        self._queue_timeout = queue_timeout
        self._is_waiting = True
        self.scope = asyncio.timeout(queue_timeout)
        self.deadline = Deadline(asyncio.get_running_loop().time)
        # What was asked to be told before still is.
        self._notify, self._is_expired = call.on_start, call.is_expired
        call.on_start = self._start
        call.is_expired = self._is_over

    def error(self) -> StepTimeoutError:
        limit_s = self._queue_timeout if self._is_waiting else self._timeout
        return StepTimeoutError(limit_s or 0.0, waiting=self._is_waiting)

    def _is_over(self) -> bool:
        return self.scope.expired() or self._is_expired()

    def _start(self) -> None:
        if not self.scope.expired():  # else it started too late, whatever comes of it
            self._is_waiting = False
            started_at = self._call.started_at
            if self._timeout is not None and started_at is not None:
                self.deadline.at = started_at + self._timeout
            self.scope.reschedule(self.deadline.at)
        if self._notify is not None:
            self._notify()
