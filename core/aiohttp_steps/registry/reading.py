"""Reads one hook implementation as a `Step`: its signature, its options, its place in the source.

Owns the refusals that need nothing but the function itself. What steps say of each other is the plan's.
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any, Literal

from aiohttp_steps.errors import DefinitionError
from aiohttp_steps.marker import locate
from aiohttp_steps.types import Dependency, Exclusive, Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp_steps.types import StepOptions

HOOK = "step"
"""The hook whose implementations are steps."""

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def read_step(function: Callable[..., Any], options: StepOptions, *, plugin: str) -> Step:
    """Read a function of `plugin`, bound if it is a method, as a step.

    Raises:
        DefinitionError: the signature is not that of a step.
    """
    name = options.name or _own_name(function, plugin)
    location = locate(function)

    def wrong(fault: str) -> DefinitionError:
        return DefinitionError(fault, plugin=plugin, step=name, location=str(location))

    is_resource = _is_generator(function)
    dependencies, takes_request, fault = _read_signature(function)
    if _is_generator(inspect.unwrap(function)) and not is_resource:
        fault = "is a generator behind a decorator that hides it; decorate a generator function that yields"
    fault = fault or _find_misuse(options, is_resource=is_resource, takes_request=bool(takes_request))
    if fault:
        raise wrong(fault)
    is_async = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    return Step(
        name=name,
        plugin=plugin,
        function=function,
        options=options,
        runner=options.runner or ("loop" if is_async else "thread"),
        dependencies=dependencies,
        takes_request=takes_request,
        location=location,
        is_resource=is_resource,
    )


def read_dependencies(function: Callable[..., Any]) -> tuple[Dependency, ...]:
    """Return the keyword-only parameters of a step or handler, in the order of the signature."""
    parameters = inspect.signature(function).parameters.values()
    return tuple(
        Dependency(name=parameter.name, required=parameter.default is inspect.Parameter.empty)
        for parameter in parameters
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    )


def _is_generator(function: Callable[..., Any]) -> bool:
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def _find_misuse(options: StepOptions, *, is_resource: bool, takes_request: bool) -> str | None:
    """Say which option does not go with what the function is, `None` if all do."""
    if is_resource and (options.share or isinstance(options.concurrency, Exclusive)):
        barred = "share" if options.share else "exclusive()"
        return (
            f"is a generator, whose resource is in use until the handler is done, and {barred} ends before "
            "that; leave it out, or return a value"
        )
    if options.share is True and takes_request:
        return (
            "is shared, but takes the request, so that one client could get what is meant for another; "
            "give share a function that makes a key of the request and the arguments"
        )
    return None


def _own_name(function: Callable[..., Any], plugin: str) -> str:
    # A bare hook implementation has to be called `step` to be one, and so do those of other plugins.
    name = getattr(function, "__name__", type(function).__name__)
    return re.sub(r"\W", "_", plugin) if name == HOOK else name


def _read_signature(
    function: Callable[..., Any],
) -> tuple[tuple[Dependency, ...], bool | Literal["optional"], str | None]:
    """Return dependencies, whether it takes the request, and the fault if the signature is not a step's."""
    takes_request: bool | Literal["optional"] = False
    fault = None
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            fault = f"takes {str(parameter)!r}, which names no steps or inputs; write their names after a *"
        elif parameter.kind in _POSITIONAL:
            if parameter.name == "request":
                takes_request = True if parameter.default is inspect.Parameter.empty else "optional"
            else:
                fault = (
                    f"takes the positional parameter {parameter.name!r}, but only 'request' may be one; "
                    f"make it keyword-only by a * before it: *, {parameter.name}"
                )
        if fault:
            break
    return read_dependencies(function), takes_request, fault
