"""How handlers say what they need: `view` and `inject`."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

from aiohttp import hdrs, web

from aiohttp_steps.errors import DefinitionError, StepsError
from aiohttp_steps.marker import locate
from aiohttp_steps.registry import read_dependencies
from aiohttp_steps.types import MISSING
from aiohttp_steps.web.state import NO_PLAN, REPORT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from aiohttp_steps.types import Dependency, Report

R = TypeVar("R")
V = TypeVar("V", bound=web.View)

ROUTE_ATTRIBUTE = "aiohttp_steps_route"


@dataclass(frozen=True, slots=True)
class Route:
    """What a handler needs.

    Attributes:
        view: the view to run, `None` for none.
        wanted: its keyword-only parameters.
        deadline_s, sequential: as given to `view`.
    """

    view: str | None = None
    wanted: tuple[Dependency, ...] = ()
    deadline_s: float | None = None
    sequential: bool | None = None
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Each request looks its program up by this.
        known = hash((self.view, self.wanted, self.deadline_s, self.sequential))
        object.__setattr__(self, "_hash", known)

    def __hash__(self) -> int:
        return self._hash

    def merge(self, other: Route) -> Route:
        """Combine with what a method says on top of its class, or one decorator on top of another."""
        return Route(
            view=other.view or self.view,
            wanted=other.wanted or self.wanted,
            deadline_s=self.deadline_s if other.deadline_s is None else other.deadline_s,
            sequential=self.sequential if other.sequential is None else other.sequential,
        )


class HandlerMark(Protocol):
    """Marks a function or method, or a class-based view as a whole.

    What is returned for a function takes the request alone, as aiohttp calls it.
    """

    @overload
    def __call__(self, handler: type[V], /) -> type[V]: ...
    @overload
    def __call__(self, handler: Callable[..., Awaitable[R]], /) -> Callable[..., Awaitable[R]]: ...


def view(name: str, *, deadline_s: float | None = None, sequential: bool | None = None) -> HandlerMark:
    """Mark a handler: run all steps that joined the view, with what they need, before it is called.

    The report is in `request[REPORT]`. Keyword-only parameters of the handler take results of steps and
    values of inputs, as with `inject`. Also for a whole class-based view.

    Args:
        name: the view. One that no step has joined is refused when the application starts.
        deadline_s: how long its steps may take together, in seconds; what has not ended by then has timed
            out. `None`: as long as they take.
        sequential: run every step alone; `None`: as the application says.

    Raises:
        DefinitionError: `name` is no string, as in `@view` without a name.
    """
    given: object = name
    if not isinstance(given, str):
        fault = f"@view needs the name of a view: @view('project'), not {name!r}"
        raise DefinitionError(fault)

    def mark(handler: Any, /) -> Any:
        return _mark(handler, Route(view=name, deadline_s=deadline_s, sequential=sequential))

    return mark


def inject(handler: Callable[..., Awaitable[R]]) -> Callable[..., Awaitable[R]]:
    """Mark a handler: run the steps that its keyword-only parameters name, and pass their results.

    A parameter without a default makes its step required for the route; one with a default gets that when
    the step gives no value, or is not installed.
    """
    marked: Callable[..., Awaitable[R]] = _mark(handler, Route())
    return marked


def route_of(handler: object, method: str) -> Route | None:
    """Return what the handler of a route needs for an HTTP method, `None` if it is not marked."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    route: Route | None = getattr(handler, ROUTE_ATTRIBUTE, None)
    if inspect.isclass(handler):
        called = _method_of(handler, method)
        if called is None:  # aiohttp answers 405
            return None
        own: Route | None = getattr(called, ROUTE_ATTRIBUTE, None)
        return route.merge(own) if route and own else route or own
    return route


def _method_of(handler: type, method: str) -> Any:
    """Return what a class-based view calls for an HTTP method, `None` if it has nothing for it."""
    return getattr(handler, method.lower(), None) if method in hdrs.METH_ALL else None


def _mark(handler: Any, route: Route) -> Any:
    marked: Any
    if inspect.isclass(handler):
        if not issubclass(handler, web.View):
            fault = "is a class, but no aiohttp.web.View; mark its methods"
            raise DefinitionError(fault, step=handler.__name__)
        if route.view is None:
            fault = "is a class, which has no parameters for @inject to read; mark its methods"
            raise DefinitionError(fault, step=handler.__name__)
        marked = _guard(handler)
    else:
        if not inspect.iscoroutinefunction(inspect.unwrap(handler)):
            fault = "a handler has to be async; write async def"
            raise DefinitionError(fault, step=handler.__name__, location=str(locate(handler)))
        wanted = read_dependencies(handler)
        route = replace(route, wanted=wanted)
        marked = _wrap(handler, wanted)
    below: Route | None = vars(handler).get(ROUTE_ATTRIBUTE)
    setattr(marked, ROUTE_ATTRIBUTE, below.merge(route) if below else route)
    return marked


def _wrap(handler: Callable[..., Any], wanted: tuple[Dependency, ...]) -> Callable[..., Any]:
    """Return a plain aiohttp handler that takes the keyword-only arguments of `handler` from the report.

    Also without such arguments: the function itself may be marked for another route in another way, and must
    not be called where nothing has run, its gates least of all.
    """

    @functools.wraps(handler)
    async def call_with_results(*args: Any, **more: Any) -> Any:
        # A function's only argument, a method's last, or in a class-based view.
        last = args[-1]
        request: web.Request = last.request if isinstance(last, web.View) else last
        try:
            report = request[REPORT]
        except KeyError:
            _refuse_without_run(request, handler)
            return await handler(*args, **more)
        return await handler(*args, **_pick(report, wanted), **more)

    # What is called takes no keyword-only parameters: a second mark must not find them.
    del call_with_results.__wrapped__
    return call_with_results


def _guard(handler: type[web.View]) -> type[web.View]:
    """Keep the methods of a marked class from being called where nothing has run."""
    answer = handler.__await__

    def answer_after_run(self: web.View) -> Generator[None, None, web.StreamResponse]:
        if _method_of(handler, self.request.method) is not None:
            _refuse_without_run(self.request, handler)
        return answer(self)

    handler.__await__ = answer_after_run  # type: ignore[method-assign]
    return handler


def _refuse_without_run(request: web.Request, handler: Any) -> None:
    """Refuse to call a marked handler without a run, unless the middleware has seen it and allowed that.

    Raises:
        StepsError: nothing has run.
    """
    if REPORT not in request and NO_PLAN not in request:
        name = getattr(handler, "__qualname__", repr(handler))
        fault = (
            f"handler {name!r} ({locate(handler)}) needs steps, but none were run; "
            "call aiohttp_steps.setup(app, registry), and keep @inject and @view visible: "
            "decorators above them have to use functools.wraps"
        )
        raise StepsError(fault)


def _pick(report: Report, wanted: tuple[Dependency, ...]) -> dict[str, Any]:
    arguments = {}
    get = report.get
    for dependency in wanted:
        name = dependency.name
        value = get(name, MISSING)
        if value is not MISSING:
            arguments[name] = value
        elif name in report:
            if dependency.required:
                arguments[name] = report[name]  # raises the step's error
        elif name in report.run.inputs:
            arguments[name] = report.run.inputs[name]
    return arguments
