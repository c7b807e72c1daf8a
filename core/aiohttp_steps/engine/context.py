"""Goes on with a coroutine in another context than the task's own."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator


@types.coroutine
def go_on(
    run: Callable[..., Any], working: Coroutine[Any, Any, Any], yielded: Any
) -> Generator[Any, Any, Any]:
    """Await a coroutine that has begun and waits for something, in a context of its own.

    A task has one context for its life. A task that runs several steps, which saves tasks and turns of the
    loop, must not let one see what another one set: so every resumption of a step, and nothing else, happens
    in a context of its own. The task, its timeouts and its cancellation stay the same.

    Args:
        run: of that context.
        yielded: what the coroutine waits for.
    """
    try:
        while True:
            try:
                sent = yield yielded
            except GeneratorExit:
                run(working.close)
                raise
            # Cancellation, mostly; it belongs to the step, which may have something to clean up.
            except BaseException as error:  # noqa: BLE001
                yielded = run(working.throw, error)
            else:
                yielded = run(working.send, sent)
    except StopIteration as stop:
        return stop.value
