"""What becomes of a run when its client leaves: `on_disconnect`."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from aiohttp_steps.engine import Execution
    from aiohttp_steps.types import OnDisconnect

T = TypeVar("T")

logger = logging.getLogger("aiohttp_steps")


class Departure:
    """Knows the run of a request, for the moment when the client leaves.

    Args:
        keep: what to do outside of the run, as while the handler works.
    """

    def __init__(self, keep: OnDisconnect = "cancel") -> None:
        self._keep = keep
        self._execution: Execution | None = None

    def watch(self, execution: Execution) -> None:
        """Take note of the run."""
        self._execution = execution

    def leave(self) -> OnDisconnect:
        """Stop what may be stopped; answers what is to become of the task as a whole."""
        return self._execution.leave() if self._execution is not None else self._keep

    @property
    def running(self) -> tuple[str, ...]:
        """Names of the steps that run just now."""
        return self._execution.running if self._execution is not None else ()


def _start(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Make a task, eagerly where Python can: work that does not wait is done when this returns."""
    loop = asyncio.get_running_loop()
    Task: Any = asyncio.Task  # noqa: N806 - typeshed knows eager_start from 3.12 on
    if sys.version_info >= (3, 12) and loop.get_task_factory() is None:
        eager: asyncio.Task[T] = Task(work, loop=loop, eager_start=True)
        return eager
    return loop.create_task(work)


class Departures:
    """Requests whose work must not be torn by aiohttp's cancellation: each has a task of its own.

    The task of the request, which aiohttp cancels when the client leaves, only waits for it. Tasks that
    outlive their request are awaited by `close`.
    """

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[Any], Departure] = {}

    @property
    def count(self) -> int:
        """How many requests have a task here at the moment."""
        return len(self._tasks)

    async def run(self, departure: Departure, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do the work of a request in a task of its own, and return what it returns.

        Raises:
            asyncio.CancelledError: the client has left. What `departure` says may be cancelled was, and has
                ended; with `"finish"` the rest has ended too, with `"detach"` it goes on.
        """
        task = _start(work())
        if task.done():
            return task.result()
        self._tasks[task] = departure
        # As `asyncio.shield`, in half the time: every handler without steps comes here.
        over: asyncio.Future[None] = task.get_loop().create_future()

        def end(task: asyncio.Task[Any]) -> None:
            del self._tasks[task]
            if not over.done():
                over.set_result(None)

        task.add_done_callback(end)
        try:
            await over
            return task.result()
        except asyncio.CancelledError:
            if task.done():
                raise
            how = departure.leave()
            if how == "cancel":
                task.cancel()
            if how != "detach":
                # Cancelled again, by a server that shuts down: then `close` goes on waiting.
                await asyncio.wait([task])
            raise
        finally:
            if task.done() and not task.cancelled():
                task.exception()  # seen, though nobody is left to be told

    async def close(self, timeout_s: float) -> None:
        """Wait for the tasks that outlived their requests, then cancel those left and name them in the log.

        Args:
            timeout_s: how long to wait, in seconds.
        """
        if not self._tasks:
            return
        _, late = await asyncio.wait(list(self._tasks), timeout=timeout_s)
        for task in late:
            names = ", ".join(self._tasks[task].running) or "its handler"
            logger.warning("work that outlived its request was cancelled after %s s: %s", timeout_s, names)
            task.cancel()
        if late:
            await asyncio.wait(late)
