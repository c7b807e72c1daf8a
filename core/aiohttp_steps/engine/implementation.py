"""Implementations of a host's hook, each made ready for one call, and how each ends.

Owns the boundary between a plugin's function and the call: which arguments it gets, where it runs, what of
its errors is its own failure.
"""

from __future__ import annotations

import asyncio
import inspect
from functools import partial
from typing import TYPE_CHECKING, Any

import pluggy

from aiohttp_steps.errors import DefinitionError, HookExitError
from aiohttp_steps.marker import HOOK_OPTIONS_ATTRIBUTE, locate
from aiohttp_steps.plan import nearest
from aiohttp_steps.policies.exclusive import hold_keys
from aiohttp_steps.types import Call, Dependency, Exclusive, Step, StepOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiohttp_steps.types import Locks, Runner, StepCall

PASSING = (asyncio.CancelledError, KeyboardInterrupt, GeneratorExit)
"""Errors that end a call or a run whoever raises them: they are addressed to the task, not to a plugin."""

_DEFAULT = StepOptions()


class Ending:
    """How an implementation, or a whole call, ended: with a value or an error."""

    __slots__ = ("error", "value")

    def __init__(self, value: Any = None, error: BaseException | None = None) -> None:
        self.value = value
        self.error = error

    @property
    def decides(self) -> bool:
        """Whether a call that looks for the first result ends with it."""
        return self.error is not None or self.value is not None


class Implementation:
    """One implementation in one call.

    Attributes:
        plugin: name of its plugin.
        is_parallel: whether it may overlap its neighbours.
        begin: calls it; what it returns is the value, or an awaitable of it.
    """

    __slots__ = ("begin", "hook", "is_parallel", "plugin")

    def __init__(self, hook: str, plugin: str, begin: Callable[[], Any], *, is_parallel: bool) -> None:
        self.hook = hook
        self.plugin = plugin
        self.begin = begin
        self.is_parallel = is_parallel

    async def run(self) -> Ending:
        """Run it in the calling task; its failure is returned, what is addressed to the task is raised."""
        try:
            value = self.begin()
            if inspect.isawaitable(value):
                value = await value
        except PASSING:
            raise
        # The boundary of the plugin: whatever it raises is its failure, SystemExit included.
        except BaseException as error:  # noqa: BLE001
            return Ending(error=as_failure(error, self.hook, self.plugin))
        return Ending(value)


def as_failure(error: BaseException, hook: str, plugin: str) -> BaseException:
    """Return an error as it may leave a call: in place of `SystemExit`, which ends event loops, another."""
    if not isinstance(error, SystemExit):
        return error
    failure = HookExitError(
        f"plugin {plugin!r}: its {hook!r} raised SystemExit({error.code!r}); "
        "raise an Exception to report a failure",
        hook=hook,
        plugin=plugin,
    )
    failure.__cause__ = error
    return failure


def bind_implementation(
    implementation: pluggy.HookImpl,
    hook: str,
    arguments: Mapping[str, Any],
    runners: Mapping[str, Runner],
    locks: Callable[[], Locks],
) -> Implementation:
    """Make an implementation ready for a call; nothing of it runs yet.

    Raises:
        DefinitionError: its runner is not known.
        PlanError: its runner cannot run it.
    """
    function: Callable[..., Any] = implementation.function
    options: StepOptions = getattr(function, HOOK_OPTIONS_ATTRIBUTE, _DEFAULT)
    begin = partial(call_function, implementation, arguments)
    if options.runner is not None or isinstance(options.concurrency, Exclusive):
        step = _as_step(implementation, hook, options)
        inner = _call_here(begin) if options.runner is None else _find_runner(step, runners).bind(step)
        hold = hold_keys(step, locks)
        step_call = inner if hold is None else hold(inner)
        begin = partial(_call_step, implementation, arguments, step, step_call)
    return Implementation(
        hook, implementation.plugin_name, begin, is_parallel=options.concurrency == "parallel"
    )


def call_function(implementation: pluggy.HookImpl, arguments: Mapping[str, Any]) -> Any:
    """Call an implementation as pluggy does, with those of the arguments that it takes.

    Raises:
        pluggy.HookCallError: one of them is missing.
    """
    function: Callable[..., Any] = implementation.function
    positional, optional = _choose(implementation, arguments)
    return function(*positional.values(), **optional)


def _choose(
    implementation: pluggy.HookImpl, arguments: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        positional = {name: arguments[name] for name in implementation.argnames}
    except KeyError as error:
        message = f"hook call must provide argument {error.args[0]!r}"
        raise pluggy.HookCallError(message) from error
    return positional, {name: arguments[name] for name in implementation.kwargnames if name in arguments}


def _as_step(implementation: pluggy.HookImpl, hook: str, options: StepOptions) -> Step:
    """Describe an implementation to runners and policies, which know steps alone."""
    names = (*implementation.argnames, *implementation.kwargnames)
    return Step(
        name=hook,
        plugin=implementation.plugin_name,
        function=implementation.function,
        options=options,
        runner=options.runner or "inline",
        dependencies=tuple(Dependency(name, required=True) for name in names),
        takes_request=False,
        location=locate(implementation.function),
    )


def _find_runner(step: Step, runners: Mapping[str, Runner]) -> Runner:
    if step.runner not in runners:
        near = nearest(step.runner, runners)
        hint = f"did you mean {near!r}?" if near else "install the plugin that brings it."
        fault = (
            f"implements {step.name!r} with runner={step.runner!r}, which is not known; {hint} "
            f"The runners are: {', '.join(runners)}"
        )
        raise DefinitionError(fault, plugin=step.plugin, location=str(step.location))
    return runners[step.runner]


def _call_here(begin: Callable[[], Any]) -> StepCall:
    async def call_here(_: Call) -> Any:
        value = begin()
        return await value if inspect.isawaitable(value) else value

    return call_here


def _call_step(
    implementation: pluggy.HookImpl, arguments: Mapping[str, Any], step: Step, step_call: StepCall
) -> Any:
    positional, optional = _choose(implementation, arguments)
    call = Call(step, None, dict(arguments))
    call.arguments = positional | optional
    return step_call(call)
