"""What becomes of a step's failure: whose answer the client gets, and what it may read in it."""

from __future__ import annotations

import asyncio
import logging

import pytest
from aiohttp import web
from aiohttp_steps import REPORT, StepError, inject, json_response, step, view

HIDDEN = "the step failed; the server's log says why"


def problem_of(status, title, detail, error, *, name="work"):
    """Spell the whole document: a member too many may tell a secret."""
    return {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "step": name,
        "plugin": "tested",
        "error": error,
    }


class Refusal:
    """A gate that raises, a step behind it, and a handler behind both."""

    def __init__(self, make_error):
        self.reached = []

        @step(concurrency="gate", views=["v"])
        async def gate():
            raise make_error()

        @step(concurrency="parallel", views=["v"])
        async def behind():
            self.reached.append("step")

        @view("v")
        async def handler(request):
            self.reached.append("handler")
            return web.Response()

        self.steps = gate, behind
        self.handler = handler


async def test_http_exception_of_a_gate_reaches_the_client_as_itself(serve, fetch):
    """A 401 without its WWW-Authenticate is no 401 to a browser; wrapped, it would be a 500."""
    refusal = Refusal(lambda: web.HTTPUnauthorized(text="who?", headers={"WWW-Authenticate": "Basic"}))
    client = await serve(*refusal.steps, routes=[web.get("/", refusal.handler)])
    for path in ("/", "/views/v"):
        answer = await fetch(client, "GET", path)
        assert (answer.status, answer.text) == (401, "who?")
        assert answer.headers["WWW-Authenticate"] == "Basic"
    assert not refusal.reached


async def test_redirect_of_a_gate_is_followed(serve, fetch):
    """Sending people to the login page is what gates in browsers' apps do."""
    refusal = Refusal(lambda: web.HTTPFound("/login"))
    client = await serve(*refusal.steps, routes=[web.get("/", refusal.handler)])
    answer = await fetch(client, "GET", "/")
    assert (answer.status, answer.headers["Location"]) == (302, "/login")
    assert not refusal.reached


async def test_gate_that_breaks_keeps_the_request_out(serve, fetch):
    """A gate must fail closed, whatever it fails with."""
    refusal = Refusal(lambda: ZeroDivisionError("secret"))
    client = await serve(*refusal.steps, routes=[web.get("/", refusal.handler)])
    answer = await fetch(client, "GET", "/")
    assert answer.status == 500
    assert answer.json == problem_of(500, "Internal Server Error", HIDDEN, "error", name="gate")
    assert not refusal.reached


class BusyError(StepError):
    type = "busy"
    status = 503


class OddError(StepError):
    status = 499


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("secret"), (500, "Internal Server Error", HIDDEN, "error")),
        (TimeoutError("secret"), (500, "Internal Server Error", HIDDEN, "error")),
        (asyncio.InvalidStateError("secret"), (500, "Internal Server Error", HIDDEN, "error")),
        (SystemExit("secret"), (500, "Internal Server Error", HIDDEN, "error")),
        (StepError("the disk is full"), (500, "Internal Server Error", "the disk is full", "error")),
        (BusyError("come back"), (503, "Service Unavailable", "come back", "busy")),
    ],
    ids=["unexpected", "timeout_error", "asyncio", "system_exit", "step_error", "own_status"],
)
async def test_failure_of_a_required_step_is_a_problem(serve, fetch, error, expected):
    """RFC 9457, to the member: programs read it, and strangers must not read more."""

    @step(views=["v"], on_disconnect="cancel")
    async def work():
        raise error

    client = await serve(work)
    answer = await fetch(client, "GET", "/views/v")
    assert answer.status == expected[0]
    assert answer.headers["Content-Type"].split(";")[0] == "application/problem+json"
    assert answer.json == problem_of(*expected)


async def test_status_without_a_phrase_is_sent_all_the_same(serve, fetch):
    """A plugin's own status may be none that Python knows; that is no reason for a bare 500."""

    @step(views=["v"], on_disconnect="cancel")
    async def work():
        raise OddError("gone already")

    answer = await fetch(await serve(work), "GET", "/views/v")
    assert (answer.status, answer.json["status"], answer.json["detail"]) == (499, 499, "gone already")


@pytest.mark.parametrize("is_async", [True, False], ids=["loop", "thread"])
async def test_time_limit_of_a_required_step_is_a_504_that_names_it(serve, fetch, is_async):
    """The one failure that a client may mend by waiting: it has to be told apart, with the step's name."""
    if is_async:

        @step(views=["v"], on_disconnect="cancel", timeout=0.01)
        async def work():
            await asyncio.Event().wait()
    else:
        import threading

        never = threading.Event()

        @step(views=["v"], on_disconnect="cancel", timeout=0.01)
        def work():
            never.wait(10)

    client = await serve(work)
    answer = await fetch(client, "GET", "/views/v")
    if not is_async:
        never.set()
    assert answer.json == problem_of(504, "Gateway Timeout", "ran longer than 0.01 s", "timeout")


async def test_failed_dependency_is_named_not_the_step_that_was_skipped(serve, fetch):
    """The skipped step is innocent: who mends it has to look at the one that failed."""

    @step(concurrency="parallel")
    async def first():
        raise BusyError("come back")

    @step(concurrency="parallel")
    async def second(*, first):
        return first

    @step(views=["v"], on_disconnect="cancel")
    async def third(*, second):
        return second

    answer = await fetch(await serve(first, second, third), "GET", "/views/v")
    assert answer.json == problem_of(503, "Service Unavailable", "come back", "busy", name="first")


async def test_failure_of_an_optional_step_becomes_data(serve, fetch):
    """One broken plugin must not take the page with it."""

    @step(concurrency="parallel", views=["v"])
    async def good():
        return 1

    @step(concurrency="parallel", views=["v"])
    async def bad():
        raise RuntimeError("secret")

    @step(concurrency="parallel", views=["v"])
    async def after_bad(*, bad):
        return bad

    answer = await fetch(await serve(good, bad, after_bad), "GET", "/views/v")
    assert answer.status == 200
    assert answer.json["completed"] is False
    assert answer.json["data"] == {"good": 1, "bad": None, "after_bad": None}
    assert answer.json["errors"] == {
        "bad": {"type": "error", "message": HIDDEN, "plugin": "tested"},
        "after_bad": {
            "type": "skipped",
            "message": "skipped, because 'bad' gave no value",
            "plugin": "tested",
        },
    }


async def test_default_of_a_failed_step_is_data_and_its_error_is_told(serve, fetch):
    """A stand-in that nobody can tell from the real value would be a lie."""

    @step(concurrency="parallel", views=["v"], default=[])
    async def bad():
        raise StepError("no luck")

    answer = await fetch(await serve(bad), "GET", "/views/v")
    assert answer.json["data"] == {"bad": []}
    assert answer.json["errors"]["bad"]["message"] == "no luck"
    assert answer.json["completed"] is False


async def test_http_exception_of_an_optional_parallel_step_reaches_the_client(serve, fetch):
    """It is an answer, written for this client, however little the step was needed."""

    @step(concurrency="parallel", views=["v"])
    async def fine():
        return 1

    @step(concurrency="parallel", views=["v"])
    async def forbidding():
        raise web.HTTPForbidden(text="not yours")

    answer = await fetch(await serve(fine, forbidding), "GET", "/views/v")
    assert (answer.status, answer.text) == (403, "not yours")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (TimeoutError("secret"), 500),
        (RuntimeError("secret"), 500),
        (SystemExit("secret"), 500),
        (BusyError("come back"), 503),
    ],
    ids=["timeout_error", "unexpected", "system_exit", "step_error"],
)
@pytest.mark.parametrize("is_async", [True, False], ids=["loop", "thread"])
async def test_error_that_a_handler_reads_and_lets_escape_is_a_problem(serve, fetch, error, status, is_async):
    """`report["work"]` raises the step's error: aiohttp would make a bare 504 of it, or end the server."""
    if is_async:

        @step(concurrency="parallel", views=["v"])
        async def work():
            raise error
    else:

        @step(concurrency="parallel", views=["v"])
        def work():
            raise error

    @view("v")
    async def handler(request):
        return web.json_response(request[REPORT]["work"])

    client = await serve(work, routes=[web.get("/", handler)])
    for _ in range(2):  # the server goes on
        answer = await fetch(client, "GET", "/")
        assert (answer.status, answer.json["step"], answer.json["error"]) == (
            status,
            "work",
            getattr(error, "type", "error"),
        )
        assert "secret" not in answer.text


async def test_error_of_the_handler_itself_is_left_to_aiohttp(serve, fetch, caplog):
    """The app's own errors, and what its middlewares make of them, are none of ours."""

    @view("v")
    async def handler(request):
        raise KeyError("of the handler")

    @step(concurrency="parallel", views=["v"])
    async def work():
        return 1

    answer = await fetch(await serve(work, routes=[web.get("/", handler)]), "GET", "/")
    assert answer.status == 500
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "of the handler" in caplog.text


@pytest.mark.parametrize("concurrency", ["gate", "sequential", "parallel"])
@pytest.mark.parametrize("is_async", [True, False], ids=["loop", "thread"])
async def test_system_exit_of_a_step_does_not_end_the_server(serve, fetch, concurrency, is_async):
    """Plugins wrap command-line tools, and those call sys.exit: that must not stop everybody's server."""
    if is_async:

        @step(concurrency=concurrency, views=["v"])
        async def work():
            raise SystemExit(3)
    else:

        @step(concurrency=concurrency, views=["v"])
        def work():
            raise SystemExit(3)

    @step(concurrency="parallel", views=["w"])
    async def healthy():
        return 1

    client = await serve(work, healthy)
    answer = await fetch(client, "POST", "/views/v")
    assert answer.status == (200 if concurrency == "parallel" else 500)
    assert (await fetch(client, "GET", "/views/w")).json["data"] == {"healthy": 1}


@pytest.mark.parametrize("debug", [True, False])
async def test_messages_of_unexpected_errors_are_told_in_debug_mode_only(serve, fetch, debug):
    """They hold paths, queries and passwords; on the author's own machine they save an hour."""

    @step(concurrency="parallel", views=["v"])
    async def optional():
        raise RuntimeError("password=1234")

    @step(views=["w"])
    async def needed():
        raise RuntimeError("password=1234")

    client = await serve(optional, needed, debug=debug)
    expected = "RuntimeError: password=1234" if debug else HIDDEN
    report = (await fetch(client, "GET", "/views/v")).json
    assert report["errors"]["optional"]["message"] == expected
    assert (await fetch(client, "POST", "/views/w")).json["detail"] == expected


async def test_json_response_may_be_told_to_show_messages(serve, fetch):
    """An app's own page for its administrators decides for itself."""

    @step(concurrency="parallel", views=["v"])
    async def bad():
        raise RuntimeError("why")

    @view("v")
    async def handler(request):
        return json_response(request[REPORT], debug=True, status=207, headers={"X-Own": "1"})

    answer = await fetch(await serve(bad, routes=[web.get("/", handler)], debug=False), "GET", "/")
    assert answer.json["errors"]["bad"]["message"] == "RuntimeError: why"
    assert (answer.status, answer.headers["X-Own"]) == (207, "1")


async def test_debug_follows_the_event_loop_if_not_said(serve, fetch):
    """`python -X dev` is how people ask for debug mode everywhere else."""

    @step(concurrency="parallel", views=["v"])
    async def bad():
        raise RuntimeError("why")

    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    try:
        client = await serve(bad)
    finally:
        loop.set_debug(False)
    report = (await fetch(client, "GET", "/views/v")).json
    assert report["errors"]["bad"]["message"] == "RuntimeError: why"


@pytest.mark.parametrize("concurrency", ["sequential", "parallel"])
async def test_unexpected_errors_are_logged_with_their_traceback(serve, fetch, caplog, concurrency):
    """Clients do not see them, so the log has to."""

    @step(concurrency=concurrency, views=["v"])
    async def bad():
        raise RuntimeError("why")

    await fetch(await serve(bad), "POST", "/views/v")
    (record,) = [record for record in caplog.records if record.name == "aiohttp_steps"]
    assert record.levelno == logging.ERROR
    assert record.getMessage() == "step 'bad' of plugin 'tested' failed"
    assert "in bad\n    raise RuntimeError" in caplog.text


@pytest.mark.parametrize(
    "error", [StepError("declared"), web.HTTPNotFound()], ids=["step_error", "http_exception"]
)
async def test_declared_errors_are_not_logged(serve, fetch, caplog, error):
    """They are answers: a log full of 404s hides what somebody should mend."""

    @step(concurrency="parallel", views=["v"])
    async def bad():
        raise error

    await fetch(await serve(bad), "GET", "/views/v")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_failure_of_a_required_step_cancels_and_awaits_its_siblings(serve, fetch):
    """Siblings that run on after the answer touch what the app has closed meanwhile."""
    started, ended = asyncio.Event(), []

    @step(concurrency="parallel", views=["v"])
    async def sibling():
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("sibling")

    @step(concurrency="parallel")
    async def needed():
        await started.wait()
        raise StepError("no luck")

    @view("v")
    async def handler(request, *, needed):
        return web.Response()

    app = web.Application()
    at_answer = []

    async def look(request, response):
        at_answer.append(list(ended))

    app.on_response_prepare.append(look)
    client = await serve(sibling, needed, routes=[web.get("/", handler)], app=app)
    assert (await fetch(client, "GET", "/")).status == 500
    assert at_answer == [["sibling"]]


async def test_injected_handler_is_answered_as_its_view(serve, fetch):
    """What a class-based method takes is required as well."""

    @step(concurrency="parallel")
    async def work():
        raise TimeoutError

    class Page(web.View):
        @inject
        async def get(self, *, work):
            return web.Response()

    answer = await fetch(await serve(work, routes=[web.view("/", Page)]), "GET", "/")
    assert answer.json == problem_of(500, "Internal Server Error", HIDDEN, "error")
