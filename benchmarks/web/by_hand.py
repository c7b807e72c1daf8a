"""Handlers as a careful author of aiohttp writes them: no framework, the same bytes, the same JSON library."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from benchmarks.web.work import WORKS, make_functions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.web.work import StepFunction

    Handler = Callable[[web.Request], Awaitable[web.Response]]

COMPLETED = {"Steps-Completed": "true"}
NOT_COMPLETED = {"Steps-Completed": "false"}


def make_app(write_handler: Callable[[str, dict[str, StepFunction]], Handler]) -> web.Application:
    """Return an application with one route for each work."""
    app = web.Application()
    for work in WORKS:
        app.router.add_get(f"/{work.name}", write_handler(work.name, make_functions(work)))
    return app


def gather(_view: str, functions: dict[str, StepFunction]) -> Handler:
    """Gather all steps; answer with their values, and the header that says that all went well."""
    names, steps = list(functions), list(functions.values())

    async def handler(_request: web.Request) -> web.Response:
        values = await asyncio.gather(*[each() for each in steps])
        body = msgspec.json.encode(dict(zip(names, values, strict=True)))
        return web.Response(body=body, content_type="application/json", headers=COMPLETED)

    return handler


def gather_bare(_view: str, functions: dict[str, StepFunction]) -> Handler:
    """Gather all steps; answer with their values and no header of ours: a little less than `inject` sends."""
    names, steps = list(functions), list(functions.values())

    async def handler(_request: web.Request) -> web.Response:
        values = await asyncio.gather(*[each() for each in steps])
        body = msgspec.json.encode(dict(zip(names, values, strict=True)))
        return web.Response(body=body, content_type="application/json")

    return handler


def await_each(_view: str, functions: dict[str, StepFunction]) -> Handler:
    """Await one step after another: the least that steps which do nothing can cost, the sum where they wait."""

    async def handler(_request: web.Request) -> web.Response:
        values = {name: await each() for name, each in functions.items()}
        body = msgspec.json.encode(values)
        return web.Response(body=body, content_type="application/json", headers=COMPLETED)

    return handler


def gather_guarded(view: str, functions: dict[str, StepFunction]) -> Handler:
    """Gather all steps, each guarded and timed by itself; answer with the whole document of a view.

    It does what that document needs and no more: a failing step becomes an entry of `errors`, times are
    those of the steps and of the whole, the critical path is the step that ended last. No timeouts, no
    cancellation of the rest, no order between steps.
    """
    clock = time.monotonic
    names, steps = list(functions), list(functions.values())

    async def guard(step: StepFunction) -> tuple[int | None, Exception | None, float, float]:
        started_at = clock()
        value = error = None
        try:
            value = await step()
        except Exception as raised:  # noqa: BLE001 - whatever a step raises is an entry of `errors`
            error = raised
        return value, error, started_at, clock()

    async def handler(_request: web.Request) -> web.Response:
        began_at = clock()
        ends = await asyncio.gather(*[guard(each) for each in steps])
        wall_s = clock() - began_at
        data: dict[str, int | None] = {}
        errors: dict[str, dict[str, str]] = {}
        sum_s = last_s = last_at = 0.0
        last = ""
        for name, (value, error, started_at, ended_at) in zip(names, ends, strict=True):
            data[name] = value
            if error is not None:
                errors[name] = {"type": "error", "message": "the step failed", "plugin": view}
            run_s = ended_at - started_at
            sum_s += run_s
            if ended_at > last_at:
                last, last_at, last_s = name, ended_at, run_s
        document = {
            "view": view,
            "completed": not errors,
            "data": data,
            "errors": errors,
            "timing": {
                "wall_ms": round(wall_s * 1000, 3),
                "sum_ms": round(sum_s * 1000, 3),
                "critical_path_ms": round(last_s * 1000, 3),
                "critical_path": [last] if last else [],
            },
        }
        headers = NOT_COMPLETED if errors else COMPLETED
        body = msgspec.json.encode(document)
        return web.Response(body=body, content_type="application/json", headers=headers)

    return handler
