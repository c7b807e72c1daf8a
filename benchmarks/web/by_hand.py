"""Handlers as a careful author writes them for aiohttp alone: the same bytes, the same JSON library."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from benchmarks.web.work import WORKS, make_functions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.web.work import StepFunction, Work

    Handler = Callable[[web.Request], Awaitable[web.Response]]
    Writer = Callable[[Work], Handler]

COMPLETED = {"Steps-Completed": "true"}
NOT_COMPLETED = {"Steps-Completed": "false"}

# As people write them: every call and every name in its place, no loop that would cost something.
GATHER = """
async def handler(request):
    {targets} = await asyncio.gather({calls})
    body = msgspec.json.encode({{{values}}})
    return web.Response(body=body, content_type="application/json"{headers})
"""
AWAITS = """
async def handler(request):
    body = msgspec.json.encode({{{awaits}}})
    return web.Response(body=body, content_type="application/json"{headers})
"""
WITH_HEADER = ", headers=COMPLETED"


def gather() -> web.Application:
    """Gather all steps; answer with their values, and with the header that says that all went well."""
    return _make_app(lambda work: _write(GATHER, work, WITH_HEADER))


def gather_without_header() -> web.Application:
    """Gather all steps; answer with their values alone, a little less than what `inject` sends."""
    return _make_app(lambda work: _write(GATHER, work, ""))


def await_each() -> web.Application:
    """Await one step after another: the least that steps which do nothing can cost, the sum if they wait."""
    return _make_app(lambda work: _write(AWAITS, work, WITH_HEADER))


def gather_document() -> web.Application:
    """Gather all steps, each guarded and timed by itself; answer with the whole document of a view."""
    return _make_app(_write_document)


def _make_app(write: Writer) -> web.Application:
    app = web.Application()
    for work in WORKS:
        app.router.add_get(f"/{work.name}", write(work))
    return app


def _write(source: str, work: Work, headers: str) -> Handler:
    """Write a handler; where there is nothing to gather it gathers nothing."""
    functions = make_functions(work)
    if not functions:
        source = AWAITS
    text = source.format(
        targets=", ".join(f"v_{name}" for name in functions),
        calls=", ".join(f"{name}()" for name in functions),
        values=", ".join(f"{name!r}: v_{name}" for name in functions),
        awaits=", ".join(f"{name!r}: await {name}()" for name in functions),
        headers=headers,
    )
    namespace: dict[str, Any] = {
        "asyncio": asyncio,
        "msgspec": msgspec,
        "web": web,
        "COMPLETED": COMPLETED,
        **functions,
    }
    exec(compile(text, __file__, "exec"), namespace)  # the source is ours
    handler: Handler = namespace["handler"]
    return handler


def _write_document(work: Work) -> Handler:
    """Write a handler that does what the document of a view needs, and no more.

    A step that fails becomes an entry of `errors`; times are those of each step and of the whole; the
    critical path is the step that ended last. There are no timeouts, nothing is stopped when something
    required fails, and no step waits for another.
    """
    clock = time.monotonic
    functions = make_functions(work)
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
        ends = await asyncio.gather(*[guard(step) for step in steps])
        wall_s = clock() - began_at
        data: dict[str, int | None] = {}
        errors: dict[str, dict[str, str]] = {}
        sum_s = last_s = last_at = 0.0
        last = ""
        for name, (value, error, started_at, ended_at) in zip(names, ends, strict=True):
            data[name] = value
            if error is not None:
                errors[name] = {"type": "error", "message": "the step failed", "plugin": work.name}
            run_s = ended_at - started_at
            sum_s += run_s
            if ended_at > last_at:
                last, last_at, last_s = name, ended_at, run_s
        document = {
            "view": work.name,
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
        return web.Response(
            body=msgspec.json.encode(document),
            content_type="application/json",
            headers=NOT_COMPLETED if errors else COMPLETED,
        )

    return handler
