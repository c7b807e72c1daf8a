"""The words of a step's author: `step`, `exclusive`, `hookimpl`; and those for a host's own hooks.

Owns the checking of options, each on its own. What a function's signature says is read when its plugin is
registered; what steps say of each other is checked when a plan is compiled.
"""

from __future__ import annotations

import inspect
import math
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, overload

import pluggy

from aiohttp_steps.errors import DefinitionError
from aiohttp_steps.types import (
    MISSING,
    OPTIONS_ATTRIBUTE,
    Exclusive,
    Location,
    OnDisconnect,
    Retry,
    StepOptions,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PROJECT_NAME = "aiohttp_steps"
"""Pluggy's project name, and the group of entry points."""

hookimpl = pluggy.HookimplMarker(PROJECT_NAME)
"""Marks an implementation of a hook in `aiohttp_steps.hookspecs`, or of a host's; pluggy's own marker."""

HOOK_OPTIONS_ATTRIBUTE = "aiohttp_steps_hook_options"
"""Where `concurrency` leaves its options on the function."""

COLLECT_ATTRIBUTE = "aiohttp_steps_collect_errors"
"""Where `collect_errors` leaves its mark on the function."""

F = TypeVar("F", bound="Callable[..., Any]")


def exclusive(*keys: str) -> Exclusive:
    """Make the concurrency class of steps that never run at once for the same key.

    Such a step is sequential within its request, and waits while a step of another request holds one of its
    keys: first come, first served. Steps hold several keys in sorted order, so that they never wait for each
    other. Do not run a view that needs a key from within a step that holds it.

    Args:
        keys: format strings over inputs and steps: `"git:{project_path}"`, `"user:{current_user.id}"`. The
            step needs what they name, as if it took it.

    Raises:
        DefinitionError: no key, or one that is no format string of names.
    """
    made = Exclusive(keys)
    try:
        are_names = all(name.isidentifier() for name in made.names)
    except (ValueError, TypeError) as error:
        fault = (
            f"exclusive{keys!r}: {error}; write names of inputs or steps in braces: 'git:{{project_path}}'"
        )
        raise DefinitionError(fault) from error
    if not keys or not are_names:
        fault = (
            f"exclusive{keys!r} names nothing by name; write for example exclusive('git:{{project_path}}')"
        )
        raise DefinitionError(fault)
    return made


@overload
def step(function: F, /) -> F: ...
@overload
def step(
    *,
    concurrency: Literal["gate", "sequential", "parallel"] | Exclusive = ...,
    views: Sequence[str] = ...,
    name: str | None = ...,
    after: Sequence[str] = ...,
    before: Sequence[str] = ...,
    runner: str | None = ...,
    timeout: float | None = ...,
    queue_timeout: float | None = ...,
    retry: int | Retry | None = ...,
    required: bool | None = ...,
    default: Any = ...,
    on_disconnect: OnDisconnect | None = ...,
    share: bool | Callable[..., Any] = ...,
    limit: int | None = ...,
) -> Callable[[F], F]: ...


def step(
    function: F | None = None,
    /,
    *,
    concurrency: Literal["gate", "sequential", "parallel"] | Exclusive = "sequential",
    views: Sequence[str] = (),
    name: str | None = None,
    after: Sequence[str] = (),
    before: Sequence[str] = (),
    runner: str | None = None,
    timeout: float | None = None,
    queue_timeout: float | None = None,
    retry: int | Retry | None = None,
    required: bool | None = None,
    default: Any = MISSING,
    on_disconnect: OnDisconnect | None = None,
    share: bool | Callable[..., Any] = False,
    limit: int | None = None,
) -> F | Callable[[F], F]:
    """Mark a function as a step; the function itself is returned unchanged.

    The one positional parameter it may take is `request`. Its keyword-only parameters are its data
    dependencies: names of other steps or of inputs; one with a default is optional.
    May be combined with `@hookimpl(specname="step", tryfirst=True)` to move the plugin's step in the order.

    Args:
        concurrency: `"gate"`: runs before everything else and ends the request if it fails. `"sequential"`:
            overlaps no other step of its request. `"parallel"`: may overlap others; a claim that you make.
            `exclusive(key)`: sequential, and never while another request holds the key.
        views: names of the views that the step joins. Without one it runs where a step or handler takes it.
        name: the step's name; the function's name if `None`.
        after: names of steps that must have ended before it starts, or `"plugin:NAME"` for all of a plugin's.
            A name that is not there is satisfied.
        before: the same, the other way round.
        runner: where the body runs: `"loop"` (if `None`, for `async def`), `"thread"` (if `None`, for `def`),
            `"inline"` (a `def` in the event loop, for what takes microseconds), `"process"` (a `def` in a
            worker process, for what holds the GIL), or one that a plugin adds.
        timeout: seconds that the body may run; `None`: no limit.
        queue_timeout: seconds that it may wait to start, for a thread say; `None`: no limit.
        required: whether its failure ends the request. `None`: yes, except for parallel steps and steps
            with a default.
        default: the value when it gives none; its failure is reported all the same.
        on_disconnect: what becomes of it when the client leaves. `"cancel"`: it is stopped, which is safe at
            any point; this also lets `GET /views/{view}` run it. `"finish"`: once begun, it runs to its end,
            and the request with it. `"detach"`: the same, but the request ends at once. `None`: `"cancel"`
            for parallel steps, `"finish"` for all others.
        retry: how often it is tried, or a `Retry` that says more; within its `timeout`.
        share: `True`: requests under way that need it with the same arguments wait for one run of it. A
            function: called with the arguments, and the request if it takes that, it returns the key.
        limit: how many runs of it may be under way at once in this process; others wait.

    Raises:
        DefinitionError: an option is wrong, or contradicts another.
    """

    def mark(function: F) -> F:
        options = StepOptions(
            concurrency=concurrency,
            views=_names(function, "views", views),
            name=name,
            after=_names(function, "after", after),
            before=_names(function, "before", before),
            runner=runner,
            timeout=timeout,
            queue_timeout=queue_timeout,
            required=(concurrency != "parallel" and default is MISSING) if required is None else required,
            default=default,
            on_disconnect=on_disconnect or ("cancel" if concurrency == "parallel" else "finish"),
            retry=Retry(attempts=retry) if isinstance(retry, int) else retry,
            share=share,
            limit=limit,
        )
        _check_options(function, options, required=required, on_disconnect=on_disconnect)
        _check_policies(function, options)
        setattr(function, OPTIONS_ATTRIBUTE, options)
        # A hookimpl below this decorator keeps its tryfirst and trylast.
        below = getattr(function, f"{PROJECT_NAME}_impl", {})
        hookimpl(
            specname="step",
            tryfirst=below.get("tryfirst", False),
            trylast=below.get("trylast", False),
        )(function)
        return function

    return mark if function is None else mark(function)


def concurrency(
    kind: Literal["sequential", "parallel"] | Exclusive, *, runner: str | None = None
) -> Callable[[F], F]:
    """Say how an implementation of a host's hook may run beside others, for `StepRegistry.call_hook`.

    Stands above or below `@hookimpl`. Wrappers and steps do not take it: the former run around all others,
    the latter have the options of `@step`. An implementation without it is sequential.

    Args:
        kind: `"sequential"`: overlaps no other implementation in its call. `"parallel"`: may overlap the
            parallel ones next to it in the order of calls; a claim that you make. `exclusive(key)`:
            sequential, and never while another call or step holds the key, made of the hook's arguments.
        runner: where the body runs: `None`: in the event loop, also a plain `def`; `"thread"`, or one that a
            plugin adds.

    Raises:
        DefinitionError: `kind` is not known.
    """
    if kind not in ("sequential", "parallel") and not isinstance(kind, Exclusive):
        fault = f"concurrency({kind!r}) is not known; use 'sequential', 'parallel' or exclusive('key')"
        raise DefinitionError(fault)

    def mark(function: F) -> F:
        setattr(function, HOOK_OPTIONS_ATTRIBUTE, StepOptions(concurrency=kind, runner=runner))
        return function

    return mark


def collect_errors(hookspec: F) -> F:
    """Mark a host's hookspec: each implementation is called, whatever those before it raise.

    `StepRegistry.call_hook` then raises all their errors together. For hooks that shut down or clean up.
    Stands above or below `@hookspec`, and does not go with its `firstresult=True`.
    """
    setattr(hookspec, COLLECT_ATTRIBUTE, True)
    return hookspec


def step_name(function: Callable[..., Any]) -> str:
    """Return the name that `function` has as a step: the option `name`, else its own."""
    options = getattr(function, OPTIONS_ATTRIBUTE, None)
    return (options and options.name) or function.__name__


def locate(function: Callable[..., Any]) -> Location:
    """Return where `function` was written; below its decorators, as far as they say what they wrap."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return Location(file=getattr(function, "__module__", None) or "<unknown>", line=0)
    return Location(file=code.co_filename, line=code.co_firstlineno)


def _names(function: Callable[..., Any], option: str, names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise _wrong(function, f"{option}={names!r} is a string; write a list: {option}=[{names!r}]")
    given: tuple[object, ...] = tuple(names)
    if not all(isinstance(name, str) and name for name in given):
        raise _wrong(function, f"{option}={names!r} holds something that is no name; give strings")
    return tuple(names)


def _check_options(
    function: Callable[..., Any], options: StepOptions, *, required: bool | None, on_disconnect: object
) -> None:
    kinds = ("gate", "sequential", "parallel")
    if options.concurrency not in kinds and not isinstance(options.concurrency, Exclusive):
        raise _wrong(
            function,
            f"concurrency={options.concurrency!r} is not known; "
            "use 'gate', 'sequential', 'parallel' or exclusive('key')",
        )
    if options.name is not None and not str(options.name).isidentifier():
        fault = f"name={options.name!r} is no identifier, so that no step can take it; rename it"
        raise _wrong(function, fault)
    for option in ("timeout", "queue_timeout"):
        seconds = getattr(options, option)
        if seconds is not None and not _is_duration(seconds):
            fault = f"{option}={seconds!r} is no time; give seconds above 0, or None for no limit"
            raise _wrong(function, fault)
    if on_disconnect is not None and on_disconnect not in get_args(OnDisconnect):
        fault = f"on_disconnect={on_disconnect!r} is not known; use 'cancel', 'finish' or 'detach'"
        raise _wrong(function, fault)
    if required and options.default is not MISSING:
        fault = "is required and has a default, which would never be used; keep one of the two"
        raise _wrong(function, fault)
    if options.concurrency == "gate" and (not options.required or options.default is not MISSING):
        raise _wrong(
            function,
            "a gate is always required and has no default, or it would fail open; "
            "remove required=False and default, or use another concurrency class",
        )


def _is_duration(seconds: object) -> bool:
    return (
        isinstance(seconds, int | float)
        and not isinstance(seconds, bool)
        and math.isfinite(seconds)
        and seconds > 0
    )


def _check_policies(function: Callable[..., Any], options: StepOptions) -> None:
    retry: object = options.retry
    limit: object = options.limit
    if retry is not None and (not isinstance(retry, Retry) or retry.attempts < 2):  # noqa: PLR2004 - once is none
        fault = f"retry={retry!r} is no second attempt; give a number from 2 on, a Retry, or None"
        raise _wrong(function, fault)
    if options.share and options.concurrency == "gate":
        fault = "a gate is never shared: its answer is for one request; remove share"
        raise _wrong(function, fault)
    if options.share is not True and options.share is not False and not callable(options.share):
        raise _wrong(function, f"share={options.share!r} is not known; use True, False or a key function")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        fault = f"limit={limit!r} is no number of runs; give a whole number from 1 on, or None for no limit"
        raise _wrong(function, fault)


def _wrong(function: Callable[..., Any], fault: str) -> DefinitionError:
    name = getattr(function, "__name__", repr(function))
    return DefinitionError(fault, step=name, location=str(locate(function)))
