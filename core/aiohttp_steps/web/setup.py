"""`setup`: the middleware, start-up and clean-up of an application."""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import TYPE_CHECKING, Any

from aiohttp import hdrs, web

from aiohttp_steps.errors import StepsError
from aiohttp_steps.web.cancellation import find_handler_cancellation, turn_on_handler_cancellation
from aiohttp_steps.web.departure import Departure
from aiohttp_steps.web.handlers import route_of
from aiohttp_steps.web.inputs import read_own_inputs
from aiohttp_steps.web.prepared import prepare
from aiohttp_steps.web.responses import add_headers, problem
from aiohttp_steps.web.running import answer_route
from aiohttp_steps.web.state import NO_PLAN, REPORT, STATE, State
from aiohttp_steps.web.views import run_view

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping

    from aiohttp_steps.engine import StepRegistry
    from aiohttp_steps.types import Input
    from aiohttp_steps.web.handlers import Route

logger = logging.getLogger("aiohttp_steps")


def setup(
    app: web.Application,
    registry: StepRegistry,
    *,
    inputs: Mapping[str, Any] | Iterable[Input] | None = None,
    debug: bool | None = None,
    server_timing: bool | None = None,
    sequential: bool | None = None,
    cancel_on_disconnect: bool = True,
    shutdown_timeout_s: float = 10.0,
) -> None:
    """Let the handlers of `app`, and of its sub-applications, have steps.

    Adds a middleware, which sees what the middlewares added before it have done to a request; a start-up
    check, which compiles the plan of every marked route; and clean-up, which closes the registry.
    A sub-application with a `setup` of its own uses its own registry.

    Args:
        registry: whose steps run; plugins may be registered until the application starts, and later.
        inputs: what the app says of inputs: `Input` objects, or a mapping of names to values. A value that is
            a function is called with each request that needs it, and may be `async`; any other is the same
            for all. What the app says wins over what plugins declare.
        debug: whether clients may read messages of unexpected exceptions; `None`: as the event loop's
            debug mode.
        server_timing: whether responses carry `Server-Timing`; `None`: in debug mode.
        sequential: run every step alone; `None`: as the registry says.
        cancel_on_disconnect: whether a client that leaves stops the steps of its run, each as its
            `on_disconnect` says. aiohttp's handler cancellation is turned on for it; handlers without steps
            are not cancelled by that. `False`: leave aiohttp as it is; without handler cancellation every
            run goes on to its end.
        shutdown_timeout_s: how long clean-up waits for steps that outlive their requests, in seconds.

    Raises:
        StepsError: it was called for this application before.
        DefinitionError: `inputs` is wrong. At start-up: a declaration of a plugin is.
        PlanError: at start-up: a route's steps cannot be made a plan.
    """
    if STATE in app:
        message = "aiohttp_steps.setup was called for this application before; call it once"
        raise StepsError(message)
    own_inputs = read_own_inputs(inputs)
    state = State(registry, own_inputs, debug=debug, server_timing=server_timing, sequential=sequential)
    state.cancel_on_disconnect = cancel_on_disconnect
    state.shutdown_timeout_s = shutdown_timeout_s
    app[STATE] = state
    app.middlewares.append(_make_middleware(state))
    app.on_startup.append(_start)
    app.on_cleanup.append(_clean_up)
    app.on_response_prepare.append(_make_header_writer(state))
    registry.plugin_manager.hook.steps_app_setup(app=app, registry=registry)


def _make_middleware(state: State) -> Any:
    # Whether a route of aiohttp is ours, and what it needs: fixed once the application runs.
    known: dict[tuple[web.AbstractRoute, str], tuple[bool, Route | None]] = {}

    def look_at(request: web.Request) -> tuple[bool, Route | None]:
        match_info, method = request.match_info, request.method
        if match_info.http_exception is not None:  # its route is made for this request alone
            return False, None
        is_ours = _innermost(request) is state
        found = is_ours, route_of(match_info.handler, method) if is_ours else None
        if method in hdrs.METH_ALL:  # others are without number
            known[match_info.route, method] = found
        return found

    @web.middleware
    async def run_steps(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        method = request.method
        is_ours, route = known.get((request.match_info.route, method)) or look_at(request)
        if not is_ours:
            return await handler(request)
        if route is None:
            return await _answer_unmarked(request, handler, state)
        if (method == hdrs.METH_OPTIONS or hdrs.UPGRADE in request.headers) and _runs_no_plan(request):
            return await _answer_without_plan(request, handler, state, route)
        return await answer_route(request, state, route, handler)

    return run_steps


async def _answer_unmarked(
    request: web.Request,
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    state: State,
) -> web.StreamResponse:
    """Call a handler without steps as if handler cancellation were as the application's author left it."""
    if not state.turned_on_cancellation or request.match_info.handler is run_view:
        return await handler(request)

    async def work() -> web.StreamResponse:
        return await handler(request)

    return await state.departures.run(Departure("finish"), work)


def _innermost(request: web.Request) -> State | None:
    for app in reversed(request.match_info.apps):
        if STATE in app:
            return app[STATE]
    return None


def _runs_no_plan(request: web.Request) -> bool:
    """Tell WebSocket upgrades and CORS preflights: they ask for no data, and have no place for a failure."""
    if request.method == hdrs.METH_OPTIONS:
        return hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
    return hdrs.UPGRADE in request.headers and web.WebSocketResponse().can_prepare(request).ok


async def _answer_without_plan(
    request: web.Request,
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    state: State,
    route: Route,
) -> web.StreamResponse:
    """Call a marked handler without running its plan, unless it relies on it.

    A header that any client can send must not lead past a gate.
    """
    plan = prepare(state, route).program.plan
    if not route.wanted and not any(step.kind == "gate" for step in plan.steps):
        request[NO_PLAN] = True
        return await handler(request)
    if request.method == hdrs.METH_OPTIONS:
        return web.Response(status=204)
    detail = (
        "this route runs steps that guard it or that its handler takes, and none are run for a WebSocket "
        "upgrade; use a route of its own for the WebSocket"
    )
    return problem(403, detail)


async def _start(app: web.Application) -> None:
    """Refuse what is wrong before the first request meets it, and say what applies."""
    state = app[STATE]
    state.start(loop_debug=asyncio.get_running_loop().get_debug())
    state.registry.check_pending()
    for route, method in _own_routes(app):
        methods = hdrs.METH_ALL if inspect.isclass(route.handler) else [method]
        for marked in {route_of(route.handler, each) for each in methods} - {None}:
            if marked is not None:
                prepare(state, marked)
    await state.registry.open()
    _warn_of_order(app)
    state.handler_cancellation = find_handler_cancellation()
    if state.cancel_on_disconnect and state.handler_cancellation is False:
        state.handler_cancellation = state.turned_on_cancellation = turn_on_handler_cancellation()
    logger.info("%s", describe_cancellation(state.handler_cancellation))


def describe_cancellation(handler_cancellation: bool | None) -> str:
    """Say what becomes of a run when its client leaves."""
    match handler_cancellation:
        case True:
            return "handler cancellation is on: a client that leaves stops its run, as on_disconnect= says"
        case False:
            return "handler cancellation is off: a run goes on to its end when its client leaves"
        case None:
            return "handler cancellation is not known: the application was not started by an AppRunner"


def _own_routes(app: web.Application) -> Iterator[tuple[web.AbstractRoute, str]]:
    """Yield the routes of an application and of those sub-applications that have no setup of their own."""
    for resource in app.router.resources():
        below = resource.get_info().get("app")
        if below is None:
            yield from ((route, route.method) for route in resource)
        elif STATE not in below:
            yield from _own_routes(below)


def _warn_of_order(app: web.Application) -> None:
    ours = [getattr(middleware, "__name__", "") == "run_steps" for middleware in app.middlewares]
    late = app.middlewares[ours.index(True) + 1 :]
    if late:
        names = ", ".join(getattr(middleware, "__name__", repr(middleware)) for middleware in late)
        logger.warning(
            "middlewares added after aiohttp_steps.setup run after the steps, which see nothing of them: "
            "%s; call setup last, unless that is meant",
            names,
        )


def _make_header_writer(state: State) -> Any:
    # Not in the middleware: headers set after prepare() are lost on streams, and this comes before.
    async def write_headers(request: web.Request, response: web.StreamResponse) -> None:
        try:
            report = request[REPORT]
        except KeyError:
            return
        # An application outside of the one that ran it must not tell its times as well.
        server_timing = state.server_timing and _innermost(request) is state
        add_headers(report, response, server_timing=server_timing)

    return write_headers


async def _clean_up(app: web.Application) -> None:
    state = app[STATE]
    await state.departures.close(state.shutdown_timeout_s)
    await state.registry.close()
