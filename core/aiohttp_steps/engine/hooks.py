"""One call of a host's hook: `async def` and `def` implementations, and the wrappers around them.

Owns the order and what a call gives: pluggy's, wherever pluggy has an answer. pluggy itself calls async
implementations silently wrong (pluggy#320), so that nothing here goes through its callers.
"""

from __future__ import annotations

import asyncio
import logging
import warnings
from typing import TYPE_CHECKING, Any

from aiohttp_steps.engine.implementation import PASSING, Ending, Implementation, bind_implementation
from aiohttp_steps.engine.siblings import Siblings
from aiohttp_steps.engine.wrappers import Wrapper
from aiohttp_steps.errors import HookError
from aiohttp_steps.plan import nearest
from aiohttp_steps.registry.reading import HOOK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pluggy

    from aiohttp_steps.registry.manager import HookDeclaration
    from aiohttp_steps.types import Locks, Runner

logger = logging.getLogger("aiohttp_steps")


class HookCall:
    """One call, under way once.

    Args:
        wrappers: in the order in which pluggy calls them; the first is the outermost.
        implementations: the others, in that order.
        arguments: of the hook, complete.
        sequential: run parallel implementations one by one as well; what the call gives stays the same.
    """

    def __init__(
        self,
        declaration: HookDeclaration,
        wrappers: Iterable[pluggy.HookImpl],
        implementations: Iterable[pluggy.HookImpl],
        arguments: Mapping[str, Any],
        *,
        runners: Mapping[str, Runner],
        locks: Callable[[], Locks],
        sequential: bool,
    ) -> None:
        self._declaration = declaration
        self._sequential = sequential
        name = declaration.name
        self._wrappers = [Wrapper(found, name, arguments) for found in wrappers]
        self._implementations = [
            bind_implementation(found, name, arguments, runners, locks) for found in implementations
        ]

    async def run(self) -> Any:
        """Run wrappers and implementations, and return what comes out.

        Raises:
            BaseException: what comes out, if it is an error.
        """
        cancelling = _count_cancellations()
        entered: list[Wrapper] = []
        ending = await self._run_inside(entered)
        for wrapper in reversed(entered):
            left = await wrapper.leave(ending)
            ending = left if _may_change(ending, cancelling) else self._insist(ending, left)
        try:
            if ending.error is not None:
                raise ending.error
            return ending.value
        finally:
            del ending  # no cycle of error, traceback and frame

    async def _run_inside(self, entered: list[Wrapper]) -> Ending:
        try:
            for wrapper in self._wrappers:
                failure = await wrapper.enter()
                if failure is not None:
                    return Ending(error=failure)
                entered.append(wrapper)
            return await self._run_implementations()
        # What is addressed to the task waits until the wrappers have been left.
        except PASSING as error:
            return Ending(error=error)

    async def _run_implementations(self) -> Ending:
        firstresult = self._declaration.firstresult
        values: list[Any] = []
        failures: list[tuple[str, BaseException]] = []
        for group in _group(self._implementations):
            if len(group) == 1 or self._sequential:
                endings = await _run_in_turn(group, firstresult=firstresult)
            else:
                endings = await Siblings(group, firstresult=firstresult).run()
            for member, ending in zip(group, endings, strict=False):
                if ending.error is not None:
                    failures.append((member.plugin, ending.error))
                elif ending.value is not None:
                    values.append(ending.value)
            if (failures and not self._declaration.collects_errors) or (firstresult and values):
                break
        if failures:
            return Ending(error=self._join(failures))
        if firstresult:
            return Ending(values[0] if values else None)
        return Ending(values)

    def _join(self, failures: Sequence[tuple[str, BaseException]]) -> BaseException:
        """Return one error as it is, several as a group in the order of calls."""
        if len(failures) == 1:
            return failures[0][1]
        plugins = ", ".join(repr(plugin) for plugin, _ in failures)
        message = f"hook {self._declaration.name!r}: {len(failures)} implementations failed, of {plugins}"
        return BaseExceptionGroup(message, [error for _, error in failures])

    def _insist(self, ending: Ending, left: Ending) -> Ending:
        """Keep what is addressed to the task, whatever a wrapper has made of it."""
        if left.error is not None and not isinstance(left.error, PASSING):
            logger.error(
                "a wrapper of hook %r failed while the call was ended by %s",
                self._declaration.name,
                type(ending.error).__name__,
                exc_info=left.error,
            )
        return ending


def find_declaration(name: str, declared: Mapping[str, HookDeclaration]) -> HookDeclaration:
    """Return the declaration of a hook that can be called.

    Raises:
        HookError: there is none, or it is historic, or the one of steps.
    """
    if name == HOOK:
        message = f"the hook {HOOK!r} is that of steps, which take part in plans; use StepRegistry.run"
        raise HookError(message, hook=name)
    declaration = declared.get(name)
    if declaration is None:
        near = nearest(name, declared.keys() - {HOOK})
        hint = f"did you mean {near!r}?" if near else "no declared hook has a similar name."
        message = (
            f"hook {name!r} is not declared; {hint} "
            "Declare it with registry.plugin_manager.add_hookspecs(...), also if plugins implement it"
        )
        raise HookError(message, hook=name, nearest=near)
    if declaration.historic:
        message = (
            f"hook {name!r} is historic: plugins that are registered later get the call too, and registering "
            "waits for nothing; call registry.plugin_manager.hook."
            f"{name}.call_historic(...), or declare it without historic=True"
        )
        raise HookError(message, hook=name)
    return declaration


def complete_arguments(declaration: HookDeclaration, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments with the hookspec's defaults; warn, as pluggy does, of those that are missing."""
    arguments = {**declaration.defaults, **given}
    missing = [name for name in declaration.required if name not in arguments]
    if missing:
        message = (
            f"Argument(s) {', '.join(map(repr, missing))} which are declared in the hookspec "
            f"{declaration.name!r} cannot be found in this hook call"
        )
        # The frames between: this one and `StepRegistry.call_hook`.
        warnings.warn(message, stacklevel=3)
    return arguments


def _count_cancellations() -> int:
    """Return how many requests to cancel this task are open."""
    task = asyncio.current_task()
    return task.cancelling() if task else 0


def _may_change(ending: Ending, cancelling: int) -> bool:
    """Tell whether a wrapper that has just been left may change how the call ended before."""
    if isinstance(ending.error, asyncio.CancelledError):
        # A wrapper's own time limit takes back the cancellation that it has asked for.
        return _count_cancellations() <= cancelling
    return not isinstance(ending.error, PASSING)


async def _run_in_turn(members: Sequence[Implementation], *, firstresult: bool) -> list[Ending]:
    """Run implementations one by one in the calling task, up to the first that decides."""
    endings: list[Ending] = []
    for member in members:
        endings.append(await member.run())
        if firstresult and endings[-1].decides:
            break
    return endings


def _group(implementations: Iterable[Implementation]) -> list[list[Implementation]]:
    """Put parallel implementations that are neighbours together, and each other one in a group of its own."""
    groups: list[list[Implementation]] = []
    for implementation in implementations:
        if groups and implementation.is_parallel and groups[-1][-1].is_parallel:
            groups[-1].append(implementation)
        else:
            groups.append([implementation])
    return groups
