"""FastAPI's `Depends`, in process: from a request to the return of the route's handler.

What is run is what a route runs once its request is there: its `Dependant` is solved within the two exit
stacks that `fastapi.routing.request_response` opens, and the handler called. Routing, response and HTTP are
left out. FastAPI resolves one dependency after another.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.dependencies.utils import solve_dependencies

from benchmarks.peers.contender import Contender
from benchmarks.peers.graph import Style, write_functions, write_handler

if TYPE_CHECKING:
    from benchmarks.peers.graph import Graph

STYLE = Style(
    annotate=lambda name: f"Annotated[int, Depends({name})]",
    known={"Annotated": Annotated, "Depends": Depends},
)
PATH = "/work"


async def build(graph: Graph) -> Contender:
    """Set up a graph."""
    app = FastAPI()
    app.get(PATH)(write_handler(graph, write_functions(graph, STYLE), STYLE))
    dependant: Any = next(route for route in app.routes if getattr(route, "path", "") == PATH).dependant

    async def run() -> Any:
        scope: dict[str, Any] = {
            "type": "http",
            "method": "GET",
            "path": PATH,
            "query_string": b"",
            "headers": [],
            "path_params": {},
            "app": app,
        }
        async with AsyncExitStack() as inner:
            scope["fastapi_inner_astack"] = inner
            async with AsyncExitStack() as stack:
                scope["fastapi_function_astack"] = stack
                solved = await solve_dependencies(
                    request=Request(scope),
                    dependant=dependant,
                    dependency_overrides_provider=app,
                    async_exit_stack=stack,
                    embed_body_fields=False,
                )
                return await dependant.call(**solved.values)

    return Contender(run, dict)
