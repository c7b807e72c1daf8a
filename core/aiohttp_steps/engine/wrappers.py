"""Wrappers of a host's hook: generators, sync or async, of pluggy's new style or its old one.

Owns one wrapper's way through one call. Their nesting is the call's.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pluggy

from aiohttp_steps.engine.implementation import PASSING, Ending, as_failure, call_function
from aiohttp_steps.marker import locate
from aiohttp_steps.registry.manager import is_async_wrapper, wrapper_style

if TYPE_CHECKING:
    from collections.abc import Mapping


class Wrapper:
    """One wrapper in one call; entered and left in the calling task."""

    def __init__(self, implementation: pluggy.HookImpl, hook: str, arguments: Mapping[str, Any]) -> None:
        self._implementation = implementation
        self._hook = hook
        self._arguments = arguments
        self._is_async = is_async_wrapper(implementation)
        self._is_old = wrapper_style(implementation.opts) == "hookwrapper"
        self._generator: Any = None

    async def enter(self) -> BaseException | None:
        """Run it up to its `yield`, and return its failure.

        Raises:
            BaseException: what is addressed to the task.
        """
        try:
            self._generator = call_function(self._implementation, self._arguments)
            has_ended, _ = await self._resume("send", None)
        except PASSING:
            raise
        # The boundary of the plugin: whatever it raises is its failure, SystemExit included.
        except BaseException as error:  # noqa: BLE001
            return self._judge(error)
        return self._misuse("did not yield") if has_ended else None

    async def leave(self, ending: Ending) -> Ending:
        """Run the rest of it, and return what it makes of how the call ended so far."""
        try:
            return await (self._leave_old(ending) if self._is_old else self._leave_new(ending))
        # What is addressed to the task ends up in the ending as well: the call decides, and goes on outwards.
        except BaseException as error:  # noqa: BLE001
            return Ending(error=self._judge(error))

    async def _leave_new(self, ending: Ending) -> Ending:
        try:
            method, argument = ("send", ending.value) if ending.error is None else ("throw", ending.error)
            has_ended, value = await self._resume(method, argument)
        except RuntimeError as error:
            # Python's answer to these two, raised from a generator that only let them through.
            if (
                isinstance(ending.error, StopIteration | StopAsyncIteration)
                and error.__cause__ is ending.error
            ):
                return ending
            raise
        if self._is_async:
            if has_ended:
                return Ending(ending.value if ending.error is None else None)
            # Python lets no async generator return a value, so the second `yield` does.
            has_ended, _ = await self._resume("send", None)
        if not has_ended:
            await self._close()
            raise self._misuse("has one yield too many")
        return Ending(value)

    async def _leave_old(self, ending: Ending) -> Ending:
        result = pluggy.Result.from_call(lambda: _replay(ending))
        try:
            has_ended, _ = await self._resume("send", result)
        except PASSING:
            raise
        except BaseException as error:
            self._warn(self._judge(error))
            raise
        if not has_ended:
            await self._close()
            raise self._misuse("has a second yield")
        if result.exception is not None:
            return Ending(error=result.exception)
        return Ending(result.get_result())

    async def _resume(self, method: str, argument: Any) -> tuple[bool, Any]:
        """Send or throw into the generator; return whether it has ended, and what it yielded or returned."""
        if self._is_async:
            try:
                return False, await getattr(self._generator, f"a{method}")(argument)
            except StopAsyncIteration:
                return True, None
        try:
            return False, getattr(self._generator, method)(argument)
        except StopIteration as end:
            return True, end.value

    async def _close(self) -> None:
        if self._is_async:
            await self._generator.aclose()
        else:
            self._generator.close()

    def _judge(self, error: BaseException) -> BaseException:
        return as_failure(error, self._hook, self._implementation.plugin_name)

    def _misuse(self, fault: str) -> RuntimeError:
        """Make the error of a wrapper that is none; pluggy raises the same type."""
        plugin, location = self._implementation.plugin_name, locate(self._implementation.function)
        return RuntimeError(f"plugin {plugin!r}: its wrapper of hook {self._hook!r} ({location}) {fault}")

    def _warn(self, error: BaseException) -> None:
        """Warn as pluggy does: an old-style wrapper that raises keeps others from seeing the result."""
        message = (
            "A plugin raised an exception during an old-style hookwrapper teardown.\n"
            f"Plugin: {self._implementation.plugin_name}, Hook: {self._hook}\n"
            f"{type(error).__name__}: {error}\n"
            "Use result.force_exception() instead, or wrapper=True"
        )
        # The frames between: this one, `_leave_old`, `leave`, `HookCall.run`, `StepRegistry.call_hook`.
        warnings.warn(pluggy.PluggyTeardownRaisedWarning(message), stacklevel=6)


def _replay(ending: Ending) -> Any:
    if ending.error is not None:
        raise ending.error
    return ending.value
