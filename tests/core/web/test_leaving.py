"""Clients that leave while their run is under way."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from aiohttp import web
from aiohttp_steps import REPORT, Retry, exclusive, step, view
from aiohttp_steps.policies import ProcessLocks
from aiohttp_steps.web.state import STATE

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

    @step(concurrency=concurrency, views=["v"], on_disconnect="cancel")
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
    """As aiohttp's default: a write that has begun is finished, and the handler gets its report."""
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

    app = open_app(writing, reading, routes=[web.get("/page", handler)], cancel_on_disconnect=False)
    async with run_app(app, handler_cancellation=False) as port:
        await leave_after(port, started)
        await asyncio.wait_for(handled.wait(), 10)
    assert [report["reading"] for report in reports] == ["read written"]
    assert reports[0].completed


@pytest.mark.parametrize("how", ["finish", "detach"])
@pytest.mark.parametrize("concurrency", ["gate", "sequential", "parallel"])
async def test_step_that_has_begun_is_not_torn(open_app, run_app, how, concurrency):
    """A write is finished, what may be cancelled beside it is, and nothing new starts."""
    started, release, events = asyncio.Event(), asyncio.Event(), []

    @step(concurrency=concurrency, views=["v"], on_disconnect=how)
    async def writing(request):
        started.set()
        while request.transport is not None:  # noqa: ASYNC110 - until the server has seen the client leave
            await asyncio.sleep(0)
        for _ in range(5):  # the turns in which aiohttp's cancellation arrives
            await asyncio.sleep(0)
        await release.wait()
        events.append("written")

    @step(concurrency="parallel", views=["v"])
    async def reading():
        try:
            await asyncio.Event().wait()
        finally:
            events.append("cancelled")
            release.set()

    @step(concurrency="parallel", views=["v"])
    async def after(*, writing):
        events.append("after")

    @view("v")
    async def handler(request):
        events.append("handled")
        return web.Response()

    if concurrency != "parallel":  # then nothing runs beside it
        release.set()
    app = open_app(writing, reading, after, routes=[web.get("/page", handler)])
    before = asyncio.all_tasks()
    async with run_app(app) as port:
        await leave_after(port, started)
    assert asyncio.all_tasks() == before
    assert events == (["cancelled", "written"] if concurrency == "parallel" else ["written"])


async def test_handler_is_cancelled_when_its_steps_have_ended(open_app, run_app):
    """What is kept is the step; the handler only answers, and nobody is there to be answered."""
    started, cancelled = asyncio.Event(), asyncio.Event()

    @step(views=["v"])
    async def writing(): ...

    @view("v")
    async def handler(request):
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    app = open_app(writing, routes=[web.get("/page", handler)])
    async with run_app(app) as port:
        await leave_after(port, started)
        await asyncio.wait_for(cancelled.wait(), 10)


@pytest.mark.parametrize("concurrency", ["sequential", "parallel"])
async def test_tear_down_that_has_begun_is_not_torn(open_app, run_app, concurrency):
    """A connection that is half given back is lost to its pool."""
    started, closed = asyncio.Event(), asyncio.Event()

    @step(concurrency=concurrency, views=["v"])
    async def database(request):
        yield
        started.set()
        while request.transport is not None:  # noqa: ASYNC110 - until the server has seen the client leave
            await asyncio.sleep(0)
        for _ in range(5):  # the turns in which aiohttp's cancellation arrives
            await asyncio.sleep(0)
        closed.set()

    @step(concurrency="parallel", views=["v"])
    async def beside(): ...

    @view("v")
    async def handler(request):
        return web.Response()

    app = open_app(database, beside, routes=[web.get("/page", handler)])
    before = asyncio.all_tasks()
    async with run_app(app) as port:
        await leave_after(port, started)
        await asyncio.wait_for(closed.wait(), 10)
    assert asyncio.all_tasks() == before


async def test_handler_without_steps_is_not_cancelled_by_what_setup_turned_on(open_app, run_app):
    """Its author has not asked for handler cancellation, and may write in it."""
    started, handled = asyncio.Event(), asyncio.Event()

    async def handler(request):
        started.set()
        while request.transport is not None:  # noqa: ASYNC110 - until the server has seen the client leave
            await asyncio.sleep(0)
        handled.set()
        return web.Response()

    app = open_app(routes=[web.get("/page", handler)])
    async with run_app(app) as port:
        await leave_after(port, started)
        await asyncio.wait_for(handled.wait(), 10)


async def test_shut_down_names_what_did_not_finish_in_its_time(open_app, run_app, log):
    """It waits for what outlives its request, but not for ever."""
    started, ended = asyncio.Event(), asyncio.Event()

    @step(views=["v"], on_disconnect="detach")
    async def writing():
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    @view("v")
    async def handler(request):
        return web.Response()

    app = open_app(writing, routes=[web.get("/page", handler)], shutdown_timeout_s=0.01)
    async with run_app(app) as port:
        await leave_after(port, started)
    assert ended.is_set()
    assert "was cancelled after 0.01 s: writing" in log.text


async def test_crowd_that_leaves_at_random_leaves_nothing_behind(open_app, run_app):
    """Tasks, keys, shared runs and slots are all given back, at whatever moment each client leaves."""
    random = Random(20261123)

    @step(concurrency="parallel", views=["v"], share=True, limit=5)
    async def shared():
        await asyncio.sleep(random.random() / 500)

    @step(concurrency=exclusive("k"), views=["v"])
    async def writing():
        await asyncio.sleep(random.random() / 5000)

    @step(concurrency="parallel", views=["v"], retry=Retry(attempts=3, wait_s=0.001))
    def flaky(*, writing):
        if random.random() < 0.5:
            raise OSError

    @view("v")
    async def handler(request):
        return web.Response()

    async def visit(port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST)
        await asyncio.sleep(random.random() / 20)
        writer.close()
        await writer.wait_closed()

    app = open_app(shared, writing, flaky, routes=[web.get("/page", handler)])
    registry = app[STATE].registry
    registry.locks = ProcessLocks()
    before = asyncio.all_tasks()
    async with run_app(app) as port:
        for _ in range(10):
            await asyncio.gather(*[visit(port) for _ in range(100)])
    assert asyncio.all_tasks() == before
    assert app[STATE].departures.count == 0
    assert registry.locks.held == ()
    assert registry.left_behind() == ()
    policies = registry.plugin_manager.get_plugin("builtin_policies")
    assert policies.flights.count == 0
    assert [(slots.taken, slots.waiting) for slots in policies.limiter.slots] == [(0, 0)]
