"""`run_for_request`: a view that a handler runs without being marked with it."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from aiohttp_steps import Input, step
from aiohttp_steps.errors import InputError, UnknownNameError
from aiohttp_steps.types import Status
from aiohttp_steps.web import declared_inputs, run_for_request


@step(concurrency="parallel", views=["project"])
async def branch(*, project_path, limit):
    return [project_path, limit]


@step(concurrency="parallel", views=["project"])
async def path(request):
    return request.path


@pytest.fixture
def ask(serve, declare):
    """Give a function that lets a handler run the view, and returns its report or error."""

    async def send(*functions, view="project", query="", app_inputs=None, **options):
        got = []

        async def handler(request):
            try:
                got.append(await run_for_request(request, view, **options))
            except Exception as error:  # noqa: BLE001 - the test looks at it
                got.append(error)
            got.append(declared_inputs(request))
            return web.Response()

        inputs = declare(Input("limit", int, default=3, source="query"), Input("project_path", str))
        client = await serve(
            *(functions or (branch, path)), inputs, routes=[web.get("/ask", handler)], inputs=app_inputs or {}
        )
        async with client.get(f"/ask{query}"):
            pass
        return got

    return send


async def test_steps_get_the_request_and_what_the_app_provides(ask):
    """The view runs as the app would run it, whoever asks for it."""
    report, _ = await ask(app_inputs={"project_path": lambda request: f"of {request.path}"})
    assert report["branch"] == ["of /ask", 3]
    assert report["path"] == "/ask"


async def test_given_inputs_win_and_are_converted(ask):
    """Who calls it answers for what he gives, as text of a form was read before."""
    report, _ = await ask(inputs={"limit": 5, "project_path": "mine"}, app_inputs={"project_path": "app's"})
    assert report["branch"] == ["mine", 5]


async def test_what_the_request_carries_gives_no_input(ask):
    """The query belongs to the handler that was called."""
    report, _ = await ask(query="?limit=9", app_inputs={"project_path": "p"})
    assert report["branch"] == ["p", 3]


async def test_wrong_and_missing_inputs_and_views_are_errors(ask):
    """The handler decides on the answer."""
    missing, _ = await ask()
    assert isinstance(missing, InputError)
    assert missing.input == "project_path"


@pytest.mark.parametrize(
    ("options", "kind"),
    [({"inputs": {"limit": "many"}}, InputError), ({"view": "projekt"}, UnknownNameError)],
    ids=["value", "view"],
)
async def test_what_is_wrong_is_raised(ask, options, kind):
    """Nothing has run then."""
    error, _ = await ask(app_inputs={"project_path": "p"}, **options)
    assert isinstance(error, kind)


async def test_steps_run_one_by_one_if_that_is_asked_for(ask):
    """Both ways can be laid side by side."""
    report, _ = await ask(app_inputs={"project_path": "p"}, sequential=True)
    assert report.plan.sequential


async def test_answer_of_a_step_is_in_the_report(ask):
    """A response ends the run as it would in a marked handler."""

    @step(concurrency="gate", views=["project"])
    async def user():
        return web.Response(status=401)

    report, _ = await ask(branch, path, user, app_inputs={"project_path": "p"})
    assert report.answer.status == 401
    assert report.outcome("branch").status is Status.NOT_STARTED


async def test_declared_inputs_are_the_apps_before_the_plugins(ask):
    """Somebody who offers inputs has to know which of them the app has pinned."""
    _, declared = await ask(app_inputs={"limit": 7, "project_path": "p"})
    assert declared["limit"].sources == ()
    assert declared["limit"].default == 7
    assert declared["project_path"].type is str


async def test_client_that_leaves_does_not_tear_what_is_to_be_finished(run_app, open_app, send_raw):
    """A write that the page began is a write."""
    begun, go_on, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @step(views=["project"])
    async def write():
        begun.set()
        await go_on.wait()
        done.set()

    asked = []

    async def handler(request):
        asked.append(request)
        await run_for_request(request, "project")
        return web.Response()

    app = open_app(write, routes=[web.get("/ask", handler)])
    async with run_app(app, handler_cancellation=True) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /ask HTTP/1.1\r\nHost: x\r\n\r\n")
        await begun.wait()
        writer.close()
        await writer.wait_closed()
        while asked[0].transport is not None:  # noqa: ASYNC110 - until aiohttp has noticed; it tells nobody
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.wait_for(done.wait(), 10)
