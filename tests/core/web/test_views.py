"""`GET /views` and `/views/{view}`: all views, for clients that know nothing of the app."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web
from aiohttp_steps import Input, exclusive, setup, step
from aiohttp_steps.web import add_views


@step(concurrency="parallel", views=["project"])
async def branch(*, project_path, limit):
    return [str(project_path), limit]


@step(concurrency="gate", views=["project"])
async def user():
    return "bob"


@step(views=["write"])
async def commit(*, message):
    return message


@step(concurrency=exclusive("git:{message}"), views=["exclusive"])
async def push(*, message):
    return message


@step(views=["slow_read"], on_disconnect="cancel")
async def scan():
    return "scanned"


INPUTS = (
    Input("project_path", Path),
    Input("limit", int, default=3, source=["query", "body"], help="How many."),
    Input("message", str, source=["body"]),
)


@pytest.fixture
async def client(serve, declare):
    return await serve(branch, user, commit, scan, declare(*INPUTS), inputs={"project_path": "/p"})


async def test_list_tells_views_methods_steps_and_inputs(client, fetch):
    """All a client needs to draw a form; what a request may not set is none of its business."""
    answer = await fetch(client, "GET", "/views")
    limit = {
        "name": "limit",
        "type": "int",
        "required": False,
        "default": 3,
        "source": ["query", "body"],
        "help": "How many.",
    }
    message = {
        "name": "message",
        "type": "str",
        "required": True,
        "default": None,
        "source": ["body"],
        "help": "",
    }
    assert answer.headers["Content-Type"].split(";")[0] == "application/json"
    assert answer.json == {
        "views": [
            {"name": "project", "methods": ["GET", "POST"], "steps": ["user", "branch"], "inputs": [limit]},
            {"name": "slow_read", "methods": ["GET", "POST"], "steps": ["scan"], "inputs": []},
            {"name": "write", "methods": ["POST"], "steps": ["commit"], "inputs": [message]},
        ]
    }


async def test_list_shows_defaults_that_json_does_not_know_as_text(serve, fetch, declare):
    """One odd default must not hide all views."""

    class Odd:
        def __str__(self):
            return "odd"

    client = await serve(
        scan_with(), declare(Input("value", Odd, default=Odd(), source="query")), inputs=None
    )
    (listed,) = (await fetch(client, "GET", "/views")).json["views"]
    assert listed["inputs"][0]["default"] == "odd"


def scan_with():
    @step(concurrency="parallel", views=["v"])
    async def scan(*, value):
        return 1

    return scan


async def test_list_leaves_out_what_only_other_steps_see(serve, fetch, declare):
    """It promises what an answer will hold, and asks for no more than a run needs."""

    @step(concurrency="parallel")
    async def hidden():
        return object()

    @step(concurrency="parallel", views=["v"])
    async def shown(*, hidden, value=None):
        return value

    client = await serve(hidden, shown, declare(Input("value", str, source="query")))
    (listed,) = (await fetch(client, "GET", "/views")).json["views"]
    assert listed["steps"] == ["shown"]
    assert [(one["name"], one["required"]) for one in listed["inputs"]] == [("value", False)]


async def test_list_tells_the_fault_of_a_view_that_has_no_plan(serve, fetch, registry, bundle):
    """A plugin that came later, and is broken, must not take the list of the others with it."""

    @step(concurrency="parallel", views=["broken"])
    async def lonely(*, nobody):
        return nobody

    client = await serve(scan)
    registry.register(bundle(lonely), "later")
    views = {one["name"]: one for one in (await fetch(client, "GET", "/views")).json["views"]}
    assert views["slow_read"]["methods"] == ["GET", "POST"]
    assert "takes 'nobody', which no step and no input provides" in views["broken"]["fault"]


async def test_list_of_nothing(serve, fetch):
    """A server without plugins still says so."""
    assert (await fetch(await serve(), "GET", "/views")).json == {"views": []}


async def test_get_runs_a_view_that_only_reads(client, fetch):
    """The wire contract, to the member."""
    answer = await fetch(client, "GET", "/views/project?limit=5")
    document = answer.json
    timing = document.pop("timing")
    assert (answer.status, answer.headers["Steps-Completed"]) == (200, "true")
    assert document == {
        "view": "project",
        "completed": True,
        "data": {"user": "bob", "branch": ["/p", 5]},
        "errors": {},
    }
    assert list(timing) == ["wall_ms", "sum_ms", "critical_path_ms", "critical_path"]


async def test_post_takes_inputs_from_the_body(client, fetch):
    """Views that write are run this way; those that read may be."""
    assert (await fetch(client, "POST", "/views/project", json={"limit": 4})).json["data"]["branch"][1] == 4
    assert (await fetch(client, "POST", "/views/write", json={"message": "hi"})).json["data"] == {
        "commit": "hi"
    }


async def test_head_is_get_without_a_body(client, fetch):
    """Monitors ask with HEAD."""
    answer = await fetch(client, "HEAD", "/views/project")
    assert (answer.status, answer.text, answer.headers["Steps-Completed"]) == (200, "", "true")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("name", ["write", "exclusive"])
async def test_view_that_may_write_answers_to_post_alone(serve, fetch, declare, method, name):
    """A link, a prefetch or an image tag must not commit anything."""
    written = []

    @step(views=["write"])
    async def commit():
        written.append("commit")

    steps = [commit, push] if name == "exclusive" else [commit]
    client = await serve(*steps, declare(*INPUTS))
    answer = await fetch(client, method, f"/views/{name}")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    assert not written
    if method == "GET":
        assert f"view '{name}' has steps that may write" in answer.json["detail"]


async def test_one_step_that_writes_is_enough(serve, fetch):
    """Also one that did not join the view, but is taken by a step that did."""

    @step
    async def hidden_write():
        return 1

    @step(concurrency="parallel", views=["v"])
    async def reading(*, hidden_write):
        return hidden_write

    assert (await fetch(await serve(hidden_write, reading), "GET", "/views/v")).status == 405


async def test_sequential_step_that_is_safe_to_cancel_is_run_by_get(client, fetch):
    """`on_disconnect="cancel"` is its author's word that it may be stopped anywhere: it does not write."""
    assert (await fetch(client, "GET", "/views/slow_read")).json["data"] == {"scan": "scanned"}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("name", "hint"),
    [("projct", "did you mean 'project'?"), ("zzz", "the views are: project, slow_read, write")],
    ids=["near", "far"],
)
async def test_unknown_view_is_a_404_with_the_nearest(client, fetch, method, name, hint):
    """A typo costs a second, not a search."""
    answer = await fetch(client, method, f"/views/{name}")
    assert answer.status == 404
    assert answer.json == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": f"there is no view '{name}'; {hint}",
        "view": name,
    }


@pytest.mark.parametrize(
    ("method", "path", "body", "name", "hint"),
    [
        ("GET", "/views/project?limti=1", None, "limti", "did you mean 'limit'?"),
        ("GET", "/views/project?zzz=1", None, "zzz", "it takes: limit"),
        ("GET", "/views/slow_read?zzz=1", None, "zzz", "it takes: none"),
        ("POST", "/views/project", {"limti": 1}, "limti", "did you mean 'limit'?"),
        ("POST", "/views/write?message=x", {}, "message", "cannot be set by the query; it comes from body"),
        ("GET", "/views/project?project_path=/etc", None, "project_path", "from the application alone"),
        ("POST", "/views/project", {"project_path": "/etc"}, "project_path", "from the application alone"),
    ],
    ids=["query", "query_far", "no_inputs", "body", "wrong_part", "closed_query", "closed_body"],
)
async def test_unknown_names_are_refused(*, client, fetch, method, path, body, name, hint):
    """A misspelt name that is silently ignored runs the view with a default that nobody asked for."""
    answer = await fetch(client, method, path, json=body)
    expected = {"message": "str", "project_path": "Path"}.get(name, "nothing")
    assert (answer.status, answer.json["input"], answer.json["expected"]) == (400, name, expected)
    assert hint in answer.json["detail"]


async def test_gates_guard_the_views_routes(serve, fetch):
    """Mounting all views must not open what the app's own routes close."""

    @step(concurrency="gate", views=["v"])
    async def gate(request):
        if "token" not in request.headers:
            raise web.HTTPUnauthorized

    client = await serve(gate)
    assert (await fetch(client, "GET", "/views/v")).status == 401
    assert (await fetch(client, "POST", "/views/v")).status == 401
    assert (await fetch(client, "GET", "/views/v", headers={"token": "1"})).status == 200


async def test_websocket_upgrade_does_not_get_past_the_gate_of_a_view(serve, fetch, upgrade):
    """The framework's own routes speak no WebSocket: asking for one must not change who may read."""

    @step(concurrency="gate", views=["v"])
    async def gate():
        raise web.HTTPUnauthorized

    answer = await fetch(await serve(gate), "GET", "/views/v", headers=upgrade)
    assert answer.status in (401, 403)


@pytest.mark.parametrize(("method", "status"), [("PUT", 405), ("DELETE", 405), ("OPTIONS", 405)])
async def test_other_methods_are_refused(client, fetch, method, status):
    """Only what the list promises."""
    answer = await fetch(client, method, "/views/project")
    assert answer.status == status
    assert set(answer.headers["Allow"].split(",")) == {"GET", "HEAD", "POST"}


async def test_views_may_be_mounted_elsewhere(registry, bundle, aiohttp_client, fetch):
    """An app has a layout of paths of its own."""
    registry.register(bundle(scan), "tested")
    app = web.Application()
    setup(app, registry)
    add_views(app, path="/api/v1/steps")
    client = await aiohttp_client(app)
    assert (await fetch(client, "GET", "/api/v1/steps/slow_read")).status == 200
    assert (await fetch(client, "GET", "/views")).status == 404


async def test_views_without_setup_say_what_to_do(aiohttp_client, fetch, caplog):
    """An error that says what to do next."""
    app = web.Application()
    add_views(app)
    answer = await fetch(await aiohttp_client(app), "GET", "/views")
    assert answer.status == 500
    assert "call aiohttp_steps.setup(app, registry) before the application starts" in caplog.text


async def test_view_whose_plan_broke_after_the_start_is_an_error_not_a_404(
    serve, fetch, registry, bundle, caplog
):
    """It is there: saying that it is not would send people looking in the wrong place."""

    @step(concurrency="parallel", views=["broken"])
    async def lonely(*, nobody):
        return nobody

    client = await serve(scan)
    registry.register(bundle(lonely), "later")
    answer = await fetch(client, "GET", "/views/broken")
    assert answer.status == 500
    assert "takes 'nobody', which no step and no input provides" in caplog.text
