"""Enters and leaves generator steps: what one yields is its value, what follows is its tear-down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp_steps.errors import StepError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator

    from aiohttp_steps.types import Call

_NO_YIELD = "is a generator that ended without a yield; yield the value once"
_TWO_YIELDS = "yielded a second time; a step yields once, and what follows is its tear-down"


async def enter_async(call: Call) -> Any:
    """Run an async generator up to its yield; its tear-down becomes `call.leave`.

    Raises:
        StepError: it did not yield.
    """
    generator: AsyncGenerator[Any, None] = call.step.function(*call.positional, **call.arguments)
    try:
        value = await anext(generator)
    except StopAsyncIteration:
        raise StepError(_NO_YIELD) from None

    async def leave(error: BaseException | None) -> None:
        try:
            if error is None:
                await anext(generator)
            else:
                await generator.athrow(error)
        except StopAsyncIteration:
            return
        except BaseException as raised:
            if raised is error:
                return
            raise
        await generator.aclose()
        raise StepError(_TWO_YIELDS)

    call.leave = leave
    return value


async def enter_sync(call: Call, run: Callable[[Callable[[], Any]], Awaitable[Any]]) -> Any:
    """Run a generator up to its yield; its tear-down becomes `call.leave`.

    Args:
        run: calls a function where the step's body belongs: here, or in a thread.

    Raises:
        StepError: it did not yield.
    """
    generator: Generator[Any, None, None] = call.step.function(*call.positional, **call.arguments)
    value = await run(lambda: _advance(generator))

    async def leave(error: BaseException | None) -> None:
        await run(lambda: _finish(generator, error))

    call.leave = leave
    return value


def _advance(generator: Generator[Any, None, None]) -> Any:
    # StopIteration must not leave here: a coroutine cannot let it through.
    for value in generator:
        return value
    raise StepError(_NO_YIELD)


def _finish(generator: Generator[Any, None, None], error: BaseException | None) -> None:
    try:
        if error is None:
            next(generator)
        else:
            generator.throw(error)
    except StopIteration:
        return
    except BaseException as raised:
        if raised is error:
            return
        raise
    generator.close()
    raise StepError(_TWO_YIELDS)
