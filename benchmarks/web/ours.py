"""The same work in aiohttp-steps: `@inject`, `@view`, and the routes for all views."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web
from aiohttp_steps import REPORT, StepRegistry, inject, json_response, setup, step, view
from aiohttp_steps.web import add_views

from benchmarks.web.work import WORKS, make_functions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.web.work import Work

    Handler = Callable[[web.Request], Awaitable[web.Response]]


def make_app() -> web.Application:
    """Return an application with a route for each work and each way to ask for it."""
    registry = StepRegistry()
    app = web.Application()
    for work in WORKS:
        mark = step(concurrency="parallel", views=[work.name])
        marked = {name: mark(function) for name, function in make_functions(work).items()}
        registry.register(types.SimpleNamespace(**marked), work.name)
        app.router.add_get(f"/inject/{work.name}", write_inject(work))
        if work.size:  # a view is what steps have joined
            app.router.add_get(f"/view/{work.name}", view(work.name)(answer_with_report))
    app.router.add_get("/unmarked/none", answer_unmarked)
    setup(app, registry)
    add_views(app)
    return app


async def answer_with_report(request: web.Request) -> web.Response:
    """Answer with the whole document of the view."""
    return json_response(request[REPORT])


async def answer_unmarked(_request: web.Request) -> web.Response:
    """Answer without steps, in an application that has some: what the middleware costs others."""
    return web.Response(body=msgspec.json.encode({}), content_type="application/json")


def write_inject(work: Work) -> Handler:
    """Write a handler that takes each step of a work by name, as an author would, and answers with all."""
    names = list(make_functions(work))
    parameters = ", ".join(["request", "*", *names] if names else ["request"])
    values = ", ".join(f"{name!r}: {name}" for name in names)
    source = (
        f"async def handler({parameters}):\n"
        f"    body = msgspec.json.encode({{{values}}})\n"
        '    return web.Response(body=body, content_type="application/json")\n'
    )
    namespace: dict[str, Any] = {"msgspec": msgspec, "web": web}
    exec(compile(source, __file__, "exec"), namespace)  # the source is ours
    handler: Handler = inject(namespace["handler"])
    return handler
