"""Litestar's dependencies, in process: from a request to the return of the route's handler.

What is run is what `litestar.routes.HTTPRoute` runs once its request is there: the handler's kwargs model
resolves batches of providers, those of a batch in a task group, and the handler is called. Routing, response
and HTTP are left out. The model is not public; Litestar has no other way in but HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar import Litestar, Request, get
from litestar.di import NamedDependency, Provide

from benchmarks.peers.contender import Contender
from benchmarks.peers.graph import Style, write_functions, write_handler

if TYPE_CHECKING:
    from benchmarks.peers.graph import Graph

STYLE = Style(annotate=lambda _name: "NamedDependency[int]", known={"NamedDependency": NamedDependency})


async def build(graph: Graph) -> Contender:
    """Set up a graph."""
    functions = write_functions(graph, STYLE)
    providers = {name: Provide(function) for name, function in functions.items()}
    route: Any = get("/work", dependencies=providers)(write_handler(graph, functions, STYLE))
    # Its default is to set up the root logger, with a thread: every other peer would be slowed down by it.
    app = Litestar([route], openapi_config=None, logging_config=None)
    registered: Any = next(each for each in app.routes if each.path == "/work")
    handler, model = registered.route_handler_map["GET"]

    async def run() -> Any:
        scope: Any = {
            "type": "http",
            "method": "GET",
            "path": "/work",
            "query_string": b"",
            "headers": [],
            "path_params": {},
            "litestar_app": app,
            "route_handler": handler,
            "state": {},
        }
        request: Request[Any, Any, Any] = Request(scope)
        kwargs = await model.to_kwargs(connection=request)
        async with await model.resolve_dependencies(request, kwargs):
            parsed = handler.signature_model.parse_values_from_connection_kwargs(
                connection=request, kwargs=kwargs
            )
            return await handler.fn(**parsed)

    return Contender(run, dict)
