"""Steps that answer: a response that a step returns ends the run."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from aiohttp_steps import step, view


@pytest.fixture
def handled():
    """Collect calls of the handler, which an early answer replaces."""
    return []


@pytest.fixture
def handler(handled):
    @view("v")
    async def handler(request):
        handled.append(request.path)
        return web.Response(text="of the handler")

    return handler


@pytest.mark.parametrize("concurrency", ["gate", "sequential", "parallel"])
@pytest.mark.parametrize("is_async", [True, False], ids=["loop", "thread"])
async def test_response_of_a_step_is_the_answer(*, serve, fetch, handler, handled, concurrency, is_async):
    """A cached page, a 304, a redirect: what any step may find out before the handler is needed."""
    if is_async:

        @step(concurrency=concurrency, views=["v"])
        async def early():
            return web.Response(text="early", status=203)
    else:

        @step(concurrency=concurrency, views=["v"])
        def early():
            return web.Response(text="early", status=203)

    @step(views=["v"], after=["early"])
    async def later():
        handled.append("later")

    steps = (early,) if concurrency == "parallel" else (early, later)
    client = await serve(*steps, routes=[web.get("/", handler)])
    answer = await fetch(client, "GET", "/")
    assert (answer.status, answer.text) == (203, "early")
    assert not handled


async def test_early_answer_cancels_and_awaits_its_siblings(serve, fetch, handler, handled):
    """Nothing of a run is left when its response is handed over."""
    started, ended = asyncio.Event(), []

    @step(concurrency="parallel", views=["v"])
    async def early():
        await started.wait()
        return web.Response(text="early")

    @step(concurrency="parallel", views=["v"])
    async def sibling():
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("sibling")

    app = web.Application()
    at_answer = []

    async def look(request, response):
        at_answer.append(list(ended))

    app.on_response_prepare.append(look)
    client = await serve(early, sibling, routes=[web.get("/", handler)], app=app)
    answer = await fetch(client, "GET", "/")
    assert answer.text == "early"
    assert at_answer == [["sibling"]]
    assert answer.headers["Steps-Completed"] == "false"
    assert not handled


async def test_step_may_stream_its_answer(serve, fetch, handler, handled):
    """A step that takes the request may send a file or events itself."""

    @step(concurrency="gate", views=["v"])
    async def streaming(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"in ")
        await response.write(b"parts")
        await response.write_eof()
        return response

    client = await serve(streaming, routes=[web.get("/", handler)])
    answer = await fetch(client, "GET", "/")
    assert (answer.status, answer.text) == (200, "in parts")
    assert not handled


@pytest.mark.parametrize("concurrency", ["gate", "parallel"])
async def test_http_exception_that_is_returned_answers_as_if_raised(
    serve, fetch, handler, handled, concurrency
):
    """Handlers that return them are deprecated by aiohttp: a step must not bring the warning on."""

    @step(concurrency=concurrency, views=["v"])
    async def early():
        return web.HTTPFound("/elsewhere")

    client = await serve(early, routes=[web.get("/", handler)])
    for path in ("/", "/views/v"):
        answer = await fetch(client, "GET", path)
        assert (answer.status, answer.headers["Location"]) == (302, "/elsewhere")
    assert not handled


async def test_answer_on_the_views_routes(serve, fetch):
    """The framework's own routes keep to the same rule as an app's."""

    @step(concurrency="parallel", views=["v"])
    async def early():
        return web.Response(text="early")

    assert (await fetch(await serve(early), "GET", "/views/v")).text == "early"
