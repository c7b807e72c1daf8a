"""Clients that leave while their run is under way."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from aiohttp_steps import REPORT, step, view

REQUEST = b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n"


async def leave_after(port, started):
    """Send a request, and go away when the step says that it runs."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST)
    await asyncio.wait_for(started.wait(), 10)
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("concurrency", ["gate", "sequential", "parallel"])
async def test_client_that_leaves_cancels_its_run(open_app, run_app, concurrency):
    """With handler cancellation nothing is done for nobody, and nothing of the run is left."""
    started, ended, handled = asyncio.Event(), asyncio.Event(), []

    @step(concurrency=concurrency, views=["v"])
    async def waiting():
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.set()

    @step(concurrency="parallel", views=["v"])
    async def beside():
        await asyncio.Event().wait()

    @view("v")
    async def handler(request):
        handled.append(request)
        return web.Response()

    app = open_app(waiting, beside, routes=[web.get("/page", handler)])
    before = asyncio.all_tasks()
    async with run_app(app, handler_cancellation=True) as port:
        await leave_after(port, started)
        await asyncio.wait_for(ended.wait(), 10)
    assert asyncio.all_tasks() == before
    assert not handled


async def test_run_goes_on_to_its_end_without_handler_cancellation(open_app, run_app):
    """By default of aiohttp: a write that has begun is finished, and the handler gets its report."""
    started, handled, reports = asyncio.Event(), asyncio.Event(), []

    @step(views=["v"])
    async def writing(request):
        started.set()
        while request.transport is not None:  # noqa: ASYNC110 - until the server has seen the client leave
            await asyncio.sleep(0)
        return "written"

    @step(concurrency="parallel", views=["v"])
    async def reading(*, writing):
        return f"read {writing}"

    @view("v")
    async def handler(request):
        reports.append(request[REPORT])
        handled.set()
        return web.Response()

    app = open_app(writing, reading, routes=[web.get("/page", handler)])
    async with run_app(app, handler_cancellation=False) as port:
        await leave_after(port, started)
        await asyncio.wait_for(handled.wait(), 10)
    assert [report["reading"] for report in reports] == ["read written"]
    assert reports[0].completed
