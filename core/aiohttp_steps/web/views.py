"""Routes for all views: `GET /views` and `/views/{view}`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import hdrs, web

from aiohttp_steps.errors import InputError, PlanError, UnknownNameError
from aiohttp_steps.plan import nearest
from aiohttp_steps.types import MISSING
from aiohttp_steps.web.handlers import Route
from aiohttp_steps.web.inputs import refuse_unknown
from aiohttp_steps.web.prepared import prepare
from aiohttp_steps.web.responses import input_problem, json_response, method_not_allowed, problem
from aiohttp_steps.web.running import answer_route
from aiohttp_steps.web.state import REPORT, state_of

if TYPE_CHECKING:
    from aiohttp_steps.types import Input, Plan
    from aiohttp_steps.web.state import State


def add_views(app: web.Application, *, path: str = "/views") -> None:
    """Add routes that list and run all views of the registry that `setup` gave to the application.

    `GET {path}` lists views and their inputs; `GET {path}/{view}` runs one that only reads, with inputs from
    the query; `POST {path}/{view}` runs any, with inputs from a JSON body as well.

    Args:
        path: where they are mounted.
    """
    app.router.add_get(path, list_views)
    app.router.add_get(f"{path}/{{view}}", run_view)
    app.router.add_post(f"{path}/{{view}}", run_view)


async def list_views(request: web.Request) -> web.Response:
    """Answer with the views, their methods, steps and inputs."""
    state = state_of(request)
    described = [describe_view(state, name) for name in state.registry.views]
    return web.Response(body=msgspec.json.encode({"views": described}), content_type="application/json")


async def run_view(request: web.Request) -> web.StreamResponse:
    """Run the view that the path names and answer with its report."""
    state = state_of(request)
    name = request.match_info["view"]
    route = state.view_routes.get(name) or Route(view=name)
    try:
        plan = prepare(state, route).program.plan
    except UnknownNameError as error:
        if error.name != name:
            raise
        near = nearest(name, state.registry.views)
        hint = (
            f"did you mean {near!r}?"
            if near
            else f"the views are: {', '.join(state.registry.views) or 'none'}"
        )
        return problem(404, f"there is no view {name!r}; {hint}", view=name)
    state.view_routes[name] = route  # there is such a view, so that they are not without number
    if plan.writes and request.method != hdrs.METH_POST:
        return method_not_allowed(name)
    try:
        await refuse_unknown(request, plan, state.inputs)
    except InputError as error:
        return input_problem(error)
    return await answer_route(request, state, route, _answer_with_report)


async def _answer_with_report(request: web.Request) -> web.StreamResponse:
    return json_response(request[REPORT])


def describe_view(state: State, name: str) -> dict[str, Any]:
    """Return what a client has to know of a view; its fault, if it has no plan."""
    try:
        plan = prepare(state, Route(view=name)).program.plan
    except PlanError as error:
        return {"name": name, "fault": str(error)}
    return {
        "name": name,
        "methods": [hdrs.METH_POST] if plan.writes else [hdrs.METH_GET, hdrs.METH_POST],
        "steps": [node.step.name for node in plan.nodes if node.shown],
        "inputs": describe_inputs(plan, state.inputs),
    }


def describe_inputs(plan: Plan, declared: dict[str, Input]) -> list[dict[str, Any]]:
    """Return the inputs of a plan that a request may set."""
    return [
        {
            "name": need.name,
            "type": one.type_name,
            "required": need.required and not one.has_default,
            "default": _describe_default(one),
            "source": one.sources,
            "help": one.help,
        }
        for need in plan.inputs
        if (one := declared.get(need.name)) is not None and one.sources
    ]


def _describe_default(one: Input) -> Any:
    """Return a default as JSON, or as text if JSON cannot say it."""
    if one.default is MISSING:
        return None
    try:
        return msgspec.to_builtins(one.default)
    except TypeError:
        return str(one.default)
