"""Runners `loop` and `inline`: bodies that run in the event loop."""

from __future__ import annotations

import asyncio
import inspect
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from aiohttp_steps.errors import PlanError, StepError
from aiohttp_steps.runners.generators import enter_async, enter_sync

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp_steps.types import Call, Step, StepCall


class LoopRunner:
    """Awaits `async def` steps. A step without policies does not come here: the engine awaits it itself."""

    name = "loop"

    def bind(self, step: Step) -> StepCall:
        """Return what awaits the step.

        Raises:
            PlanError: the step is a plain `def`.
        """
        if not is_async(step):
            fault = "is a plain def, which the runner 'loop' cannot await; use runner='thread' or 'inline'"
            raise misfit(step, fault)
        function = step.function
        if step.is_resource:
            return _enter_in_loop

        async def call_in_loop(call: Call) -> Any:
            call.mark_started(asyncio.get_running_loop().time())
            return await function(*call.positional, **call.arguments)

        return call_in_loop

    async def open(self) -> None:
        """Hold nothing, so do nothing."""

    async def close(self) -> None:
        """Hold nothing, so do nothing."""

    def left_behind(self) -> tuple[str, ...]:
        """Return none: what runs in the loop can be cancelled."""
        return ()


class InlineRunner:
    """Calls plain functions in the event loop: for what takes microseconds, as everything else waits.

    A step without policies does not come here: the engine calls it itself.
    """

    name = "inline"

    def bind(self, step: Step) -> StepCall:
        """Return what calls the step.

        Raises:
            PlanError: the step is an `async def`.
        """
        refuse_async(step, self.name)
        if step.is_resource:
            return _enter_inline
        function = as_plain(step.function)

        async def call_inline(call: Call) -> Any:
            call.mark_started(asyncio.get_running_loop().time())
            return function(*call.positional, **call.arguments)

        return call_inline

    async def open(self) -> None:
        """Hold nothing, so do nothing."""

    async def close(self) -> None:
        """Hold nothing, so do nothing."""

    def left_behind(self) -> tuple[str, ...]:
        """Return none: the loop itself waits for the body."""
        return ()


async def _enter_in_loop(call: Call) -> Any:
    call.mark_started(asyncio.get_running_loop().time())
    return await enter_async(call)


async def _enter_inline(call: Call) -> Any:
    async def run(function: Callable[[], Any]) -> Any:
        return function()

    call.mark_started(asyncio.get_running_loop().time())
    return await enter_sync(call, run)


def is_async(step: Step) -> bool:
    """Tell whether a step's body has to be awaited."""
    return inspect.iscoroutinefunction(step.function) or inspect.isasyncgenfunction(step.function)


def is_native(function: Callable[..., Any]) -> bool:
    """Tell functions whose call only makes a coroutine, of which nothing has run yet."""
    if isinstance(function, MethodType):
        function = function.__func__
    return isinstance(function, FunctionType) and bool(function.__code__.co_flags & inspect.CO_COROUTINE)


def misfit(step: Step, fault: str) -> PlanError:
    """Make the error of a runner that cannot run a step."""
    return PlanError(fault, plugin=step.plugin, step=step.name, location=str(step.location))


def refuse_async(step: Step, runner: str) -> None:
    """Refuse an `async def` on a runner for plain functions.

    Raises:
        PlanError: the step is an `async def`.
    """
    if is_async(step):
        fault = f"is an async def, which the runner {runner!r} cannot call; leave out runner={runner!r}"
        raise misfit(step, fault)


def as_plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function whose results are values, and whose errors may pass through coroutines."""

    def call(*args: Any, **arguments: Any) -> Any:
        try:
            value = function(*args, **arguments)
        except StopIteration as error:  # as Python does for a coroutine: there it would mean its end
            message = "a plain def raised StopIteration"
            raise RuntimeError(message) from error
        return refuse_awaitable(value)

    return call


def refuse_awaitable(value: Any) -> Any:
    """Return `value`, unless a plain function gave a coroutine, which nobody would await.

    Raises:
        StepError: it is one.
    """
    if inspect.iscoroutine(value):
        value.close()
        message = "a plain def returned a coroutine; mark the function that is awaited, or write async def"
        raise StepError(message)
    return value
