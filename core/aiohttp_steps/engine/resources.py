"""What generator steps of one run have opened, and its tear-down in reverse order."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from aiohttp_steps.engine.outlasting import outlast

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Awaitable, Callable

    from aiohttp_steps.types import Call, StepCall

logger = logging.getLogger("aiohttp_steps")


class Resources:
    """Open resources of one run, in the order in which they were entered.

    Args:
        errors: where errors of tear-downs are put, by name of the step.

    Attributes:
        is_closing: whether tear-downs have begun.
    """

    def __init__(self, errors: dict[str, BaseException]) -> None:
        self._open: list[tuple[Call, Callable[[BaseException | None], Awaitable[None]]]] = []
        self._errors = errors
        self.is_closing = False

    async def enter(self, step_call: StepCall, call: Call) -> Any:
        """Enter in this task, which will be the one that leaves."""
        value = await step_call(call)
        if call.leave is not None:
            self._open.append((call, call.leave))
        return value

    async def enter_apart(self, step_call: StepCall, call: Call, context: contextvars.Context) -> Any:
        """Enter in a task of its own, which stays until it leaves: workers end before the handler."""
        keeper = _Keeper(step_call, call, context)
        value = await keeper.enter()
        if call.leave is not None:
            self._open.append((call, keeper.leave))
        return value

    async def close(self, error: BaseException | None) -> None:
        """Leave all, last entered first, in the task that entered them; an error of one stops no other.

        Args:
            error: what went wrong, raised at the yield of each; `None` if nothing did.

        Raises:
            asyncio.CancelledError: this task was cancelled meanwhile; all are left all the same.
        """
        interruption: BaseException | None = None
        self.is_closing = True
        while self._open:
            call, leave = self._open.pop()
            try:
                await leave(error)
            except (asyncio.CancelledError, KeyboardInterrupt, GeneratorExit) as raised:
                interruption = raised
            # Somebody else's tear-down: it is told to the log, and must not hide what went wrong first.
            except BaseException as raised:
                name = call.step.name
                self._errors[name] = raised
                logger.exception("the tear-down of step %r of plugin %r failed", name, call.step.plugin)
        if interruption is not None:
            raise interruption


class _Keeper:
    """A task that enters a resource, waits, and leaves it."""

    def __init__(self, step_call: StepCall, call: Call, context: contextvars.Context) -> None:
        loop = asyncio.get_running_loop()
        self._step_call = step_call
        self._call = call
        self._entered: asyncio.Future[Any] = loop.create_future()
        self._error: BaseException | None = None
        self._left: asyncio.Future[BaseException | None] = loop.create_future()
        self._task = loop.create_task(self._keep(), name=f"keeper of {call.step.name}", context=context)

    async def enter(self) -> Any:
        try:
            await asyncio.wait([self._task, self._entered], return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            self._task.cancel()
            await outlast([self._task])
            raise
        if self._entered.done():
            return self._entered.result()
        self._judge()
        return None

    async def leave(self, error: BaseException | None) -> None:
        self._left.set_result(error)
        await outlast([self._task])
        self._judge()

    def _judge(self) -> None:
        """Raise what ended the task, if anything did."""
        self._task.result()
        if self._error is not None:
            raise self._error

    async def _keep(self) -> None:
        try:
            await self._enter_and_leave()
        except (asyncio.CancelledError, KeyboardInterrupt):
            raise
        # Kept, as a task that raises SystemExit ends the event loop.
        except BaseException as error:  # noqa: BLE001
            self._error = error

    async def _enter_and_leave(self) -> None:
        self._entered.set_result(await self._step_call(self._call))
        try:
            error = await self._left
        # Whoever wanted it was cancelled in the turn in which it was entered: nobody else will leave it.
        except asyncio.CancelledError as cancelled:
            if self._call.leave is not None:
                await self._call.leave(cancelled)
            raise
        if self._call.leave is not None:
            await self._call.leave(error)
