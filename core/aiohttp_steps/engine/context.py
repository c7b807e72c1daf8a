"""Awaits a function in another context than the task's own."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence


@types.coroutine
def await_in(
    context: contextvars.Context,
    function: Callable[..., Awaitable[Any]],
    positional: Sequence[Any],
    arguments: Mapping[str, Any],
) -> Generator[Any, Any, Any]:
    """Call an async function and await it, both in `context`.

    A task has one context for its life. A task that goes on with a second step, which saves a new task and a
    turn of the loop, must not let that step see what the first one set: so every resumption of the step, and
    nothing else, happens in a context of its own. The task, its timeouts and its cancellation stay the same.
    """
    run = context.run
    awaiting: Any = run(function, *positional, **arguments)
    if type(awaiting) is not types.CoroutineType:
        awaiting = _adapt(awaiting)
    try:
        yielded = run(awaiting.send, None)
        while True:
            try:
                sent = yield yielded
            except GeneratorExit:
                run(awaiting.close)
                raise
            # Cancellation, mostly; it belongs to the step, which may have something to clean up.
            except BaseException as error:  # noqa: BLE001
                yielded = run(awaiting.throw, error)
            else:
                yielded = run(awaiting.send, sent)
    except StopIteration as stop:
        return stop.value


async def _adapt(awaitable: Awaitable[Any]) -> Any:
    """Give an awaitable that is no coroutine what coroutines have: send, throw and close."""
    return await awaitable
