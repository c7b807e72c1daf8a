"""Plugins and requests: changes between requests, hooks, and the context that steps share."""

from __future__ import annotations

import asyncio
import contextvars

import pytest
from aiohttp import web
from aiohttp_steps import REPORT, Input, hookimpl, step, view


def make_step(name, value, **options):
    async def work():
        return value

    work.__name__ = name
    return step(concurrency="parallel", views=["v"], **options)(work)


async def test_plugins_come_and_go_between_requests(serve, fetch, registry, bundle, answer_report):
    """No restart to gain a step, or to lose a broken one."""
    client = await serve(make_step("first", 1), routes=[web.get("/", view("v")(answer_report))])
    assert (await fetch(client, "GET", "/")).json["data"] == {"first": 1}
    registry.register(bundle(make_step("second", 2)), "second")
    assert (await fetch(client, "GET", "/")).json["data"] == {"first": 1, "second": 2}
    assert (await fetch(client, "GET", "/views")).json["views"][0]["steps"] == ["first", "second"]
    registry.unregister("tested")
    assert (await fetch(client, "GET", "/")).json["data"] == {"second": 2}
    registry.unregister("second")
    assert (await fetch(client, "GET", "/views/v")).status == 404


async def test_inputs_of_a_plugin_that_came_later_are_known(serve, fetch, registry, bundle, declare):
    """A step without its input would answer 400 to everybody until the next restart."""

    @step(concurrency="parallel", views=["v"])
    async def second(*, value):
        return value

    client = await serve(make_step("first", 1))
    assert (await fetch(client, "GET", "/views/v?value=2")).status == 400
    registry.register(bundle(second, declare(Input("value", int, source="query"))), "later")
    assert (await fetch(client, "GET", "/views/v?value=2")).json["data"] == {"first": 1, "second": 2}


async def test_request_under_way_keeps_its_plan(serve, fetch, registry, bundle):
    """Half of one plan and half of another would be a run that nobody has checked."""
    started, go = asyncio.Event(), asyncio.Event()

    @step(views=["v"], on_disconnect="cancel")
    async def first():
        started.set()
        await go.wait()
        return 1

    @step(concurrency="parallel", views=["v"])
    async def last(*, first):
        return first + 1

    client = await serve(first, last)
    under_way = asyncio.create_task(fetch(client, "GET", "/views/v"))
    await started.wait()
    registry.unregister("tested")
    registry.register(bundle(make_step("newcomer", 3)), "newcomer")
    go.set()
    assert (await under_way).json["data"] == {"first": 1, "last": 2}
    assert (await fetch(client, "GET", "/views/v")).json["data"] == {"newcomer": 3}


VARIABLE = contextvars.ContextVar("VARIABLE", default="unset")


@pytest.mark.parametrize("concurrency", ["gate", "sequential", "parallel"])
@pytest.mark.parametrize("limit_s", [None, 60.0], ids=["bare", "timeout"])
async def test_handler_sees_what_a_lone_step_put_into_the_context(serve, fetch, concurrency, limit_s):
    """A user, a tenant, a log's request id: set once at the door, seen by all that follows."""

    @step(concurrency=concurrency, views=["v"], timeout=limit_s)
    async def setting():
        VARIABLE.set("set")

    @view("v")
    async def handler(request):
        return web.Response(text=VARIABLE.get())

    client = await serve(setting, routes=[web.get("/", handler)])
    assert (await fetch(client, "GET", "/")).text == "set"


async def test_parallel_steps_see_what_a_gate_set_and_not_each_other(serve, fetch):
    """They get a copy each, in threads too; what they change in it does not come back."""

    @step(concurrency="gate", views=["v"])
    async def gate():
        VARIABLE.set("by the gate")

    def make(name, *, is_async):
        async def work():
            seen = VARIABLE.get()
            VARIABLE.set(name)
            return seen

        def work_in_thread():
            seen = VARIABLE.get()
            VARIABLE.set(name)
            return seen

        chosen = work if is_async else work_in_thread
        chosen.__name__ = name
        return step(concurrency="parallel", views=["v"])(chosen)

    @view("v")
    async def handler(request):
        seen = [request[REPORT][name] for name in ("one", "two", "three")]
        return web.json_response([*seen, VARIABLE.get()])

    steps = make("one", is_async=True), make("two", is_async=True), make("three", is_async=False)
    client = await serve(gate, *steps, routes=[web.get("/", handler)])
    assert (await fetch(client, "GET", "/")).json == ["by the gate"] * 4


async def test_plugins_choose_steps_for_each_request(serve, fetch, answer_report):
    """A step that only some users may have, or that a client asks to leave out; gates always stay."""

    @step(concurrency="gate", views=["v"])
    async def gate():
        return "shut"

    @hookimpl
    def steps_select(request, view, steps):
        unwanted = request.headers.get("X-Without", "").split()
        return [one for one in steps if one.name not in unwanted]

    client = await serve(
        gate,
        make_step("first", 1),
        make_step("second", 2),
        steps_select,
        routes=[web.get("/", view("v")(answer_report))],
    )
    for path in ("/", "/views/v"):
        for without, expected in [
            ("", ["gate", "first", "second"]),
            ("first", ["gate", "second"]),
            ("first gate", ["gate", "second"]),
            ("", ["gate", "first", "second"]),
        ]:
            answer = await fetch(client, "GET", path, headers={"X-Without": without})
            assert list(answer.json["data"]) == expected


@pytest.mark.parametrize("fails", [False, True], ids=["good", "failed"])
async def test_plugins_learn_how_a_run_ended_before_the_handler_is_called(serve, fetch, fails):
    """Telemetry needs the request, each run once, and failures above all."""
    events = []

    @hookimpl
    def steps_run_started(run):
        events.append(("started", run.request.path))

    @hookimpl
    def steps_run_finished(report):
        events.append(("finished", report.run.request.path, report.completed))

    @step(views=["v"])
    async def work():
        events.append("step")
        if fails:
            raise RuntimeError("why")

    @view("v")
    async def handler(request):
        events.append("handler")
        return web.Response()

    client = await serve(work, steps_run_started, steps_run_finished, routes=[web.get("/page", handler)])
    await fetch(client, "GET", "/page")
    expected = [("started", "/page"), "step", ("finished", "/page", not fails)]
    assert events == (expected if fails else [*expected, "handler"])


async def test_failure_of_a_listening_plugin_is_not_the_requests(serve, fetch, caplog):
    """A broken dashboard must not break the page."""

    @hookimpl
    def steps_run_finished(report):
        raise RuntimeError("dashboard")

    client = await serve(make_step("work", 1), steps_run_finished)
    assert (await fetch(client, "GET", "/views/v")).status == 200
    assert "plugin 'tested': its steps_run_finished failed" in caplog.text


async def test_sequential_flag_runs_every_step_alone(serve, fetch):
    """The way back when plugins turn out not to be safe together, without a change in any of them."""
    running, most = [], []

    def make(name):
        async def work():
            running.append(name)
            most.append(len(running))
            await asyncio.sleep(0)
            running.remove(name)

        work.__name__ = name
        return step(concurrency="parallel", views=["v"])(work)

    client = await serve(make("one"), make("two"), make("three"), sequential=True)
    assert (await fetch(client, "GET", "/views/v")).status == 200
    assert most == [1, 1, 1]


async def test_requests_at_once_do_not_mix(serve, fetch):
    """One plan serves all of them: values, request and report have to be each one's own."""
    barrier = asyncio.Barrier(4)

    @step(views=["v"], on_disconnect="cancel")
    async def who(request):
        await barrier.wait()
        return request.query_string

    @step(concurrency="parallel", views=["v"])
    async def again(request, *, who):
        return [who, request.headers["X-Who"]]

    @view("v")
    async def handler(request):
        return web.json_response(request[REPORT]["again"])

    client = await serve(who, again, routes=[web.get("/page", handler)])
    answers = await asyncio.gather(
        *(fetch(client, "GET", f"/page?{n}", headers={"X-Who": str(n)}) for n in range(4))
    )
    assert [answer.json for answer in answers] == [[str(n), str(n)] for n in range(4)]
