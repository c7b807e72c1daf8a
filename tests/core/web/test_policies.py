"""Policies as clients see them: deadlines, shedding, resources, and the flag that runs everything alone."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from aiohttp_steps import REPORT, Limits, StepRegistry, inject, json_response, step, view


async def test_required_step_past_the_views_deadline_is_answered_with_504(serve, fetch):
    """In time, with the limit in the message."""

    @step(views=["v"])
    async def write():
        await asyncio.Event().wait()

    @view("v", deadline_s=0.01)
    async def handler(request): ...

    answer = await fetch(await serve(write, routes=[web.get("/page", handler)]), "GET", "/page")
    assert answer.status == 504
    assert answer.json["detail"] == "ran longer than the 0.01 s of its view"


async def test_optional_step_past_the_views_deadline_is_left_out(serve, fetch):
    """A partial answer in time beats a whole one too late."""

    @step(concurrency="parallel", views=["v"])
    async def slow():
        await asyncio.Event().wait()

    @step(concurrency="parallel", views=["v"])
    async def quick():
        return 1

    @view("v", deadline_s=0.05)
    async def handler(request):
        return json_response(request[REPORT])

    answer = await fetch(await serve(slow, quick, routes=[web.get("/page", handler)]), "GET", "/page")
    assert (answer.status, answer.headers["Steps-Completed"]) == (200, "false")
    assert answer.json["data"] == {"slow": None, "quick": 1}
    assert answer.json["errors"]["slow"]["type"] == "timeout"


@pytest.fixture
async def registry():
    async with StepRegistry(limits=Limits(waiting=0)) as registry:
        yield registry


async def test_required_step_that_is_shed_is_answered_with_503_and_when_to_come_again(serve, fetch):
    """Load that is refused at once is load that a client can take elsewhere."""
    inside, release = asyncio.Event(), asyncio.Event()

    @step(views=["v"], limit=1)
    async def write():
        inside.set()
        await release.wait()

    @view("v")
    async def handler(request):
        return web.Response()

    client = await serve(write, routes=[web.get("/page", handler)])
    first = asyncio.create_task(fetch(client, "GET", "/page"))
    await inside.wait()
    second = await fetch(client, "GET", "/page")
    release.set()
    assert (second.status, second.headers["Retry-After"]) == (503, "1")
    assert (await first).status == 200


@pytest.mark.parametrize("debug", [True, False], ids=["debug", "no debug"])
async def test_request_may_ask_to_run_everything_alone_in_debug_mode(serve, fetch, debug):
    """To see whether that changes anything; strangers must not be able to make a server slow."""

    @step(concurrency="parallel", views=["v"])
    async def one(): ...

    @step(concurrency="parallel", views=["v"])
    async def two(): ...

    @view("v")
    async def handler(request):
        return web.json_response(request[REPORT].plan.sequential)

    client = await serve(one, two, routes=[web.get("/page", handler)], debug=debug)
    answer = await fetch(client, "GET", "/page", headers={"Steps-Sequential": "1"})
    assert answer.json is debug


async def test_view_may_be_run_alone_by_its_route(serve, fetch):
    """The flag to go back with, for one view."""

    @step(concurrency="parallel", views=["v"])
    async def one(): ...

    @view("v", sequential=True)
    async def handler(request):
        return web.json_response(request[REPORT].plan.sequential)

    answer = await fetch(await serve(one, routes=[web.get("/page", handler)]), "GET", "/page")
    assert answer.json is True


@pytest.mark.parametrize("how", ["returned", "streamed"])
async def test_resource_is_open_until_the_response_is_written(serve, fetch, how):
    """A body that is still being produced reads from what a step has opened."""
    events = []

    @step(concurrency="parallel")
    async def connection():
        events.append("opened")
        yield "row"
        events.append("closed")

    @step(concurrency="parallel")
    async def beside(): ...

    @inject
    async def handler(request, *, connection, beside):
        async def produce():
            for number in range(3):
                await asyncio.sleep(0)
                events.append("read")
                yield f"{connection} {number} ".encode()

        if how == "returned":
            return web.Response(body=produce())
        response = web.StreamResponse()
        await response.prepare(request)
        async for part in produce():
            await response.write(part)
        return response

    answer = await fetch(await serve(connection, beside, routes=[web.get("/page", handler)]), "GET", "/page")
    assert answer.text == "row 0 row 1 row 2 "
    assert events == ["opened", "read", "read", "read", "closed"]


async def test_failure_of_the_handler_is_raised_at_the_yield(serve, fetch):
    """A transaction is rolled back when what was done with it failed."""
    seen = []

    @step
    async def transaction():
        try:
            yield
        except BaseException as error:
            seen.append(error)
            raise

    @inject
    async def handler(request, *, transaction):
        raise web.HTTPConflict

    answer = await fetch(await serve(transaction, routes=[web.get("/page", handler)]), "GET", "/page")
    assert answer.status == 409
    assert [type(error) for error in seen] == [web.HTTPConflict]
