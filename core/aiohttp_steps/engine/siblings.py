"""Parallel implementations that stand next to each other in the order of calls, run together."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import sys
from typing import TYPE_CHECKING, Any

from aiohttp_steps.engine.implementation import PASSING, Ending, as_failure
from aiohttp_steps.engine.outlasting import outlast

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from aiohttp_steps.engine.implementation import Implementation

logger = logging.getLogger("aiohttp_steps")

# Eager tasks run up to their first wait where they are made: one that does not wait costs no turn.
_IS_EAGER = sys.version_info >= (3, 12)


class Siblings:
    """Some implementations under way at once.

    Each has a copy of the context. What is plain is called where it is started; only what waits is a task.
    The calling task waits for all, or for the first result in the order of calls, and is the only one that
    cancels tasks and waits for their end: on each way out none is left.

    Args:
        members: in the order of calls.
        firstresult: whether the first ending that decides is enough.
    """

    def __init__(self, members: Sequence[Implementation], *, firstresult: bool) -> None:
        self._members = members
        self._firstresult = firstresult
        self._endings: list[Ending | None] = [None] * len(members)
        self._settled = 0
        self._is_over = self._is_decided = False
        self._passing: BaseException | None = None
        self._loop = asyncio.get_running_loop()
        self._wake: asyncio.Future[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._awaited: list[Awaitable[Any]] = []

    async def run(self) -> list[Ending]:
        """Run them, and return how they ended, in the order of calls, up to the first that decides.

        Raises:
            BaseException: what one of them raised that is addressed to the task, or its cancellation.
        """
        try:
            self._start()
            if not self._is_over:
                self._wake = self._loop.create_future()
                await self._wake
        finally:
            await self._stop()
        if self._passing is not None:
            raise self._passing
        return [ending for ending in self._endings[: self._settled] if ending is not None]

    def _start(self) -> None:
        context = contextvars.copy_context()
        for index, member in enumerate(self._members):
            own = context.copy()
            value: Any = None
            try:
                value = own.run(member.begin)
            except PASSING as error:
                self._pass(error)
            # The boundary of the plugin: whatever it raises is its failure, SystemExit included.
            except BaseException as error:  # noqa: BLE001
                self._settle(index, Ending(error=as_failure(error, member.hook, member.plugin)))
            else:
                if inspect.isawaitable(value):
                    self._awaited.append(value)
                    self._spawn(index, value, own)
                else:
                    self._settle(index, Ending(value))
            if self._is_over:
                break

    def _spawn(self, index: int, value: Awaitable[Any], context: contextvars.Context) -> None:
        work = self._finish(index, value)
        name = f"{self._members[index].hook} of {self._members[index].plugin}"
        # A task factory that an app has set means all tasks.
        if _IS_EAGER and self._loop.get_task_factory() is None:
            Task: Any = asyncio.Task  # noqa: N806 - typeshed knows eager_start from 3.12 on
            task = Task(work, loop=self._loop, name=name, context=context, eager_start=True)
        else:
            task = self._loop.create_task(work, name=name, context=context)
        if not task.done():
            self._tasks.append(task)

    async def _finish(self, index: int, value: Awaitable[Any]) -> None:
        """Await one of them in its own task, which raises nothing: a SystemExit would end the loop."""
        member = self._members[index]
        try:
            ending = Ending(await value)
        except PASSING as error:
            self._pass(error)
        except BaseException as error:  # noqa: BLE001 - as in `_start`
            self._settle(index, Ending(error=as_failure(error, member.hook, member.plugin)))
        else:
            self._settle(index, ending)

    def _settle(self, index: int, ending: Ending) -> None:
        """Note how one of them ended, and end the wait if that decides it."""
        self._endings[index] = ending
        while not self._is_over:
            following = self._endings[self._settled]
            if following is None:
                return
            self._settled += 1
            if self._settled == len(self._endings) or (self._firstresult and following.decides):
                self._is_decided = True
                self._end()

    def _pass(self, error: BaseException) -> None:
        """Note what is addressed to the calling task, unless it is the cancellation that ends the others."""
        if not self._is_over:
            self._passing = error
            self._end()

    def _end(self) -> None:
        self._is_over = True
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def _stop(self) -> None:
        """Cancel what still runs and wait for its end, however often this task is cancelled meanwhile."""
        self._is_over = True
        for task in self._tasks:
            task.cancel()
        try:
            await outlast(self._tasks)
        finally:
            for value in self._awaited:
                # A task that was cancelled before it began has not touched its coroutine.
                if inspect.iscoroutine(value):
                    value.close()
            self._report_lost()

    def _report_lost(self) -> None:
        """Log the errors that the call does not raise: of those behind the first result, or cancelled."""
        kept = self._settled if self._is_decided else 0
        for member, ending in zip(self._members[kept:], self._endings[kept:], strict=True):
            if ending is not None and ending.error is not None:
                logger.warning(
                    "plugin %r: its %s failed, but its result is not needed any more",
                    member.plugin,
                    member.hook,
                    exc_info=ending.error,
                )
