"""Policy `retry`: a step that failed in an expected way is tried again; tenacity counts and waits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiohttp_steps.errors import PlanError
from aiohttp_steps.policies.clock import time_left

if TYPE_CHECKING:
    from tenacity import RetryCallState

    from aiohttp_steps.types import Call, Step, StepCall, StepMiddleware


def try_again(step: Step) -> StepMiddleware | None:
    """Return what tries `step` again, `None` if it is tried once.

    A wait that would end past the deadline of the step or its view is not begun: the last error is final.

    Raises:
        PlanError: tenacity is not installed.
    """
    retry = step.options.retry
    if retry is None:
        return None
    try:
        import tenacity  # noqa: PLC0415 - an extra: most steps are tried once
    except ModuleNotFoundError as error:
        fault = "retry= needs tenacity, which is not installed; run: pip install 'aiohttp-steps[retry]'"
        raise PlanError(fault, plugin=step.plugin, step=step.name, location=str(step.location)) from error

    attempts = retry.attempts

    def is_last(state: RetryCallState) -> bool:
        left_s = time_left()
        return state.attempt_number >= attempts or (left_s is not None and state.upcoming_sleep >= left_s)

    retrying = tenacity.AsyncRetrying(
        stop=is_last,
        wait=tenacity.wait_random_exponential(multiplier=retry.wait_s, max=retry.max_wait_s),
        retry=tenacity.retry_if_exception_type(retry.on),
        sleep=asyncio.sleep,
        reraise=True,
    )

    def wrap(call_next: StepCall) -> StepCall:
        async def call_until_done(call: Call) -> Any:
            return await retrying(call_next, call)

        return call_until_done

    return wrap
