"""Policy `exclusive(key)`: law 9, an exclusive step never runs while another run holds the same key."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from aiohttp_steps.errors import StepError
from aiohttp_steps.types import Exclusive

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp_steps.types import Call, Locks, Step, StepCall, StepMiddleware


def hold_keys(step: Step, locks: Callable[[], Locks]) -> StepMiddleware | None:
    """Return what holds the keys of an exclusive `step` while it runs, `None` for any other step.

    Several keys are held in sorted order. That is why there is no deadlock: a wait for a key means that
    all keys held by the one who waits are smaller, so that a circle of waits would need a key smaller than
    itself; and a step that holds keys waits for no other step, because all it takes is there.

    Args:
        locks: asked at each call, since a plugin may replace them.
    """
    concurrency = step.options.concurrency
    if not isinstance(concurrency, Exclusive):
        return None
    templates = concurrency.keys

    def wrap(call_next: StepCall) -> StepCall:
        async def call_alone(call: Call) -> Any:
            clock = asyncio.get_running_loop().time
            began_at = clock()
            async with AsyncExitStack() as held:
                try:
                    for key in sorted({_fill(template, call) for template in templates}):
                        await held.enter_async_context(locks().hold(key))
                finally:
                    call.lock_s += clock() - began_at
                return await call_next(call)

        return call_alone

    return wrap


def _fill(template: str, call: Call) -> str:
    try:
        return template.format_map(call.values)
    # A key may name attributes and items of results, which may not be there.
    except (AttributeError, LookupError, ValueError, TypeError) as error:
        message = f"the key {template!r} cannot be made of what it names: {type(error).__name__}: {error}"
        raise StepError(message) from error
