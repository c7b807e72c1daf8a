"""Awaits something with pauses: each time it is about to go on, others may come first."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterable


@types.coroutine
def await_with_pauses(
    awaitable: Awaitable[Any], pause: Callable[[], Iterable[Any]]
) -> Generator[Any, Any, Any]:
    """Await `awaitable`, and pause after each of its waits, before it goes on.

    Results, errors, cancellation and closing reach it as with a plain `await`. What is thrown in during a
    pause ends the pause and reaches it in the place of what it waited for, as when a task is cancelled in the
    same turn in which its wait ends.

    Args:
        pause: called after each wait; what it gives is yielded to the event loop: `None` for a turn of the
            loop, or a future.
    """
    awaiting: Any = awaitable if isinstance(awaitable, types.CoroutineType) else _adapt(awaitable)
    try:
        yielded = awaiting.send(None)
        while True:
            try:
                sent = yield yielded
                yield from pause()
            except GeneratorExit:
                awaiting.close()
                raise
            # Cancellation, mostly; it belongs to what is awaited, which may have something to clean up.
            except BaseException as error:  # noqa: BLE001
                yielded = awaiting.throw(error)
            else:
                yielded = awaiting.send(sent)
    except StopIteration as stop:
        return stop.value


@types.coroutine
def take_turns(number: int) -> Generator[None, None, None]:
    """Give way to the event loop's other tasks, `number` times."""
    for _ in range(number):
        yield


async def _adapt(awaitable: Awaitable[Any]) -> Any:
    """Give an awaitable that is no coroutine what coroutines have: send, throw and close."""
    return await awaitable
