"""Which requests run a plan: sub-applications, unmatched routes, preflights, WebSockets."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp_steps import REPORT, StepRegistry, inject, setup, step, view


@pytest.fixture
def runs():
    """Collect what ran."""
    return []


@pytest.fixture
def work(runs):
    @step(concurrency="parallel", views=["v"])
    async def work():
        runs.append("work")
        return "parent's"

    return work


@pytest.fixture
def gate(runs):
    @step(concurrency="gate", views=["guarded"])
    async def gate():
        runs.append("gate")

    return gate


@view("v")
async def show(request):
    return web.json_response(request[REPORT]["work"])


async def test_setup_on_the_parent_is_for_its_sub_applications(serve, fetch, work):
    """A sub-application is part of the app: its handlers have steps as all others."""
    inner = web.Application()
    inner.router.add_get("/page", show)
    middle = web.Application()
    middle.add_subapp("/inner", inner)
    app = web.Application()
    app.add_subapp("/middle", middle)
    client = await serve(work, app=app)
    answer = await fetch(client, "GET", "/middle/inner/page")
    assert (answer.json, answer.headers["Steps-Completed"]) == ("parent's", "true")


async def test_setup_on_a_sub_application_is_for_it_alone(
    *, open_app, aiohttp_client, fetch, caplog, work, runs
):
    """A mountable app brings its steps along; its host neither needs nor gets them."""
    inner = open_app(work, routes=[web.get("/page", show)])
    app = web.Application()
    app.router.add_get("/page", show)
    app.add_subapp("/inner", inner)
    client = await aiohttp_client(app)
    answer = await fetch(client, "GET", "/inner/page")
    assert (answer.json, answer.headers["Steps-Completed"]) == ("parent's", "true")
    assert (await fetch(client, "GET", "/inner/views/v")).json["data"] == {"work": "parent's"}
    assert runs == ["work", "work"]
    assert (await fetch(client, "GET", "/page")).status == 500
    assert runs == ["work", "work"]


async def test_two_setups_keep_to_their_own_registries(
    *, open_app, aiohttp_client, fetch, bundle, work, runs
):
    """The innermost setup on a request's way answers for it, once."""

    @step(concurrency="parallel", views=["v"], name="work")
    async def other():
        runs.append("other")
        return "child's"

    async with StepRegistry() as own:
        own.register(bundle(other), "other")
        inner = web.Application()
        inner.router.add_get("/page", show)
        setup(inner, own, server_timing=True)
        app = open_app(work, routes=[web.get("/page", show)], server_timing=True)
        app.add_subapp("/inner", inner)
        client = await aiohttp_client(app)
        assert (await fetch(client, "GET", "/page")).json == "parent's"
        answer = await fetch(client, "GET", "/inner/page")
        assert answer.json == "child's"
        assert answer.headers["Server-Timing"].count("total") == 1
        assert runs == ["work", "other"]


async def test_unknown_path_in_a_sub_application_runs_no_plan(open_app, aiohttp_client, fetch, work, runs):
    """The sub-application's own 404 is no handler of anybody's."""
    inner = open_app(work, routes=[web.get("/page", show)])
    app = web.Application()
    app.add_subapp("/inner", inner)
    assert (await fetch(await aiohttp_client(app), "GET", "/inner/nowhere")).status == 404
    assert not runs


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("DELETE", "/page", 405)], ids=["404", "405"]
)
async def test_unmatched_routes_run_no_plan(*, serve, fetch, work, runs, method, path, status):
    """Scanners ask for thousands of paths: none of them may cost a plan."""
    client = await serve(work, routes=[web.get("/page", show)])
    assert (await fetch(client, method, path)).status == status
    assert not runs


@view("v")
class Narrow(web.View):
    async def get(self):
        return web.json_response(self.request[REPORT]["work"])


async def test_method_that_a_marked_class_lacks_runs_no_plan(serve, fetch, work, runs):
    """All methods are routed to the class: a DELETE must not run steps that write before its 405."""
    client = await serve(work, routes=[web.view("/page", Narrow)])
    for method in ("DELETE", "OPTIONS", "PURGE"):
        answer = await fetch(client, method, "/page")
        assert (answer.status, answer.headers["Allow"]) == (405, "GET")
    assert not runs


async def test_unmarked_handler_runs_no_plan(serve, fetch, work, runs):
    """Only what asks for steps pays for them."""

    async def plain(request):
        return web.json_response(REPORT in request)

    client = await serve(work, routes=[web.get("/", plain)])
    assert (await fetch(client, "GET", "/")).json is False
    assert not runs


def any_method(handler):
    return web.route("*", "/page", handler)


async def test_preflight_runs_no_plan(serve, fetch, preflight, work, runs):
    """It carries no credentials and asks for no data; a handler that knows OPTIONS answers it."""

    @view("v")
    async def handler(request):
        return web.Response(status=204 if request.method == "OPTIONS" else 200)

    client = await serve(work, routes=[any_method(handler)])
    assert (await fetch(client, "OPTIONS", "/page", headers=preflight)).status == 204
    assert not runs
    assert (await fetch(client, "OPTIONS", "/page")).status == 204
    assert runs == ["work"]


async def test_options_without_a_preflight_header_runs_the_plan(serve, fetch, gate, runs):
    """Only the preflight that browsers send is special."""

    @view("guarded")
    async def handler(request):
        return web.Response()

    await fetch(await serve(gate, routes=[any_method(handler)]), "OPTIONS", "/page")
    assert runs == ["gate"]


class Page(web.View):
    called: list[str]

    @view("guarded")
    async def options(self):
        self.called.append("handler")
        return web.Response(text="secret")

    @view("guarded")
    async def get(self):
        self.called.append("handler")
        return web.Response(text="secret")


@view("guarded")
class WholePage(web.View):
    called: list[str]

    async def options(self):
        self.called.append("handler")
        return web.Response(text="secret")

    async def get(self):
        self.called.append("handler")
        return web.Response(text="secret")


@pytest.fixture(params=["view", "inject", "methods", "class"])
def guarded(request, runs):
    """Give a handler behind a gate, written in each of the ways."""

    async def handler(request):
        runs.append("handler")
        return web.Response(text="secret")

    async def taking(request, *, gate=None):
        runs.append("handler")
        return web.Response(text="secret")

    Page.called = WholePage.called = runs
    return {
        "view": view("guarded")(handler),
        "inject": inject(taking),
        "methods": Page,
        "class": WholePage,
    }[request.param]


async def test_preflight_does_not_get_past_a_gate(*, serve, fetch, preflight, gate, runs, guarded):
    """A header that any client can send must not lead to a handler that relies on its gate."""
    client = await serve(gate, routes=[any_method(guarded)])
    answer = await fetch(client, "OPTIONS", "/page", headers=preflight)
    assert (answer.status, answer.text) == (204, "")
    assert not runs


async def test_websocket_upgrade_does_not_get_past_a_gate(*, serve, fetch, upgrade, gate, runs, guarded):
    """The same with the headers of a handshake; the answer says what to do."""
    client = await serve(gate, routes=[any_method(guarded)])
    answer = await fetch(client, "GET", "/page", headers=upgrade)
    assert answer.status == 403
    assert "use a route of its own for the WebSocket" in answer.json["detail"]
    assert not runs


async def test_handler_that_takes_results_is_not_called_without_them(
    *, serve, fetch, upgrade, preflight, work, runs
):
    """There is nothing to call it with: it is answered for, even if no gate guards it."""

    @inject
    async def handler(request, *, work):
        runs.append("handler")
        return web.Response()

    client = await serve(work, routes=[any_method(handler)])
    assert (await fetch(client, "GET", "/page", headers=upgrade)).status == 403
    assert (await fetch(client, "OPTIONS", "/page", headers=preflight)).status == 204
    assert not runs


@pytest.mark.parametrize(
    "headers",
    [{"Upgrade": "websocket"}, {"Upgrade": "h2c", "Connection": "Upgrade"}, {"Upgrade": "Websocket, x"}],
    ids=["half", "h2c", "list"],
)
async def test_request_that_is_no_full_handshake_runs_the_plan(serve, fetch, work, runs, headers):
    """Curl and proxies send Upgrade headers on plain requests, which then are answered as plain requests."""
    client = await serve(work, routes=[web.get("/page", show)])
    assert (await fetch(client, "GET", "/page", headers=headers)).json == "parent's"
    assert runs == ["work"]


@pytest.mark.parametrize("mark", [view("v"), lambda handler: handler], ids=["marked", "unmarked"])
async def test_websocket_runs_no_plan_and_works(serve, work, runs, mark):
    """A WebSocket lives for hours and has no place for a header or a problem: it is left alone."""

    async def handler(request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str(str(REPORT in request))
        await socket.close()
        return socket

    client = await serve(work, routes=[web.get("/socket", mark(handler))], server_timing=True)
    async with client.ws_connect("/socket") as socket:
        assert await socket.receive_str() == "False"
    assert not runs


async def test_gate_of_the_parent_guards_marked_handlers_of_the_sub_application(
    *, open_app, aiohttp_client, fetch, upgrade, preflight, gate, runs, guarded
):
    """No way past it leads through a sub-application."""
    app = open_app(gate)
    inner = web.Application()
    inner.add_routes([any_method(guarded)])
    app.add_subapp("/inner", inner)
    client = await aiohttp_client(app)
    assert (await fetch(client, "GET", "/inner/page", headers=upgrade)).status == 403
    assert (await fetch(client, "OPTIONS", "/inner/page", headers=preflight)).status == 204
    assert not runs
    assert (await fetch(client, "GET", "/inner/page")).status == 200
    assert runs == ["gate", "handler"]
