"""Inputs: what a request may say, and what it may not."""

from __future__ import annotations

import datetime as dt
import enum
import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from aiohttp import web
from aiohttp_steps import Input, inject, step, view
from aiohttp_steps.errors import DefinitionError


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclass
class Range:
    first: int
    last: int = 9


class Filter(msgspec.Struct):
    words: list[str]
    since: dt.date | None = None


@pytest.fixture
def seen():
    """Collect the values that the step was given."""
    return []


@pytest.fixture
def take(seen):
    @step(concurrency="parallel", views=["v"])
    async def take(*, value):
        seen.append(value)

    return take


@pytest.fixture
def serve_input(serve, take, declare):
    """Give a function that serves one declared input named `value`."""

    async def start(type_, *, routes=(), inputs=None, app=None, **options):
        return await serve(
            take, declare(Input("value", type_, **options)), routes=routes, inputs=inputs, app=app
        )

    return start


A_UUID = uuid.UUID("12345678-1234-5678-1234-567812345678")

TEXTS = [
    (int, "5", 5),
    (int, "-1", -1),
    (float, "2.5", 2.5),
    (bool, "true", True),
    (bool, "0", False),
    (str, "5", "5"),
    (dt.datetime, "2024-05-06T07:08:09Z", dt.datetime(2024, 5, 6, 7, 8, 9, tzinfo=dt.UTC)),
    (uuid.UUID, str(A_UUID), A_UUID),
    (Colour, "blue", Colour.BLUE),
    (Level, "2", Level.HIGH),
    (bytes, "aGk=", b"hi"),
    (Path, "a/b", Path("a/b")),
    (int | None, "5", 5),
    (Path | None, "a/b", Path("a/b")),
    (Annotated[int, msgspec.Meta(ge=1)], "1", 1),
    (Literal["a", "b"], "a", "a"),
    (Any, "5", "5"),
]
TEXT_IDS = [f"{getattr(type_, '__name__', type_)}-{text}" for type_, text, _ in TEXTS]


@pytest.mark.parametrize(("type_", "text", "expected"), TEXTS, ids=TEXT_IDS)
async def test_text_of_a_query_becomes_the_declared_type(*, serve_input, fetch, seen, type_, text, expected):
    """Steps get values, never strings that each would have to read on its own."""
    client = await serve_input(type_, source="query")
    answer = await fetch(client, "GET", "/views/v", params={"value": text})
    assert answer.status == 200
    assert [(type(value), value) for value in seen] == [(type(expected), expected)]


@pytest.mark.parametrize(
    "type_", [list[int], list[int] | None, Annotated[list[int], msgspec.Meta(max_length=2)]]
)
async def test_repeated_query_names_become_a_list(serve_input, fetch, seen, type_):
    """It is how forms and clients send lists; also of one, and also if the list is optional."""
    client = await serve_input(type_, source="query")
    assert (await fetch(client, "GET", "/views/v?value=1&value=2")).status == 200
    assert (await fetch(client, "GET", "/views/v?value=3")).status == 200
    assert seen == [[1, 2], [3]]


async def test_bare_list_takes_repeated_names_as_well(serve_input, fetch, seen):
    """Not saying what is in a list does not make it text."""
    client = await serve_input(list, source="query")
    await fetch(client, "GET", "/views/v?value=1&value=2")
    assert seen == [["1", "2"]]


BAD = [
    (int, "five", "int"),
    (bool, "yes", "bool"),
    (dt.datetime, "yesterday", "datetime"),
    (uuid.UUID, "1234", "UUID"),
    (Colour, "green", "Colour"),
    (Annotated[int, msgspec.Meta(ge=1)], "0", "int"),
    (int | None, "x", "int | None"),
    (Annotated[str, msgspec.Meta(pattern="^[a-z]+$")], "A", "str"),
]


@pytest.mark.parametrize(("type_", "text", "expected"), BAD, ids=[f"{bad[2]}-{bad[1]}" for bad in BAD])
async def test_text_that_does_not_fit_is_a_400_that_names_it(
    *, serve_input, fetch, seen, type_, text, expected
):
    """The client's fault, and the client can mend it only if told what was expected."""
    client = await serve_input(type_, source="query")
    answer = await fetch(client, "GET", "/views/v", params={"value": text})
    assert answer.status == 400
    assert answer.headers["Content-Type"].split(";")[0] == "application/problem+json"
    document = answer.json
    assert document.pop("detail").startswith(f"input 'value' does not fit its type {expected}: ")
    assert document == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "input": "value",
        "expected": expected,
    }
    assert not seen


BODIES = [
    (int, 5, 5),
    (str, "5", "5"),
    (float, 2, 2.0),
    (dt.datetime, "2024-05-06T07:08:09Z", dt.datetime(2024, 5, 6, 7, 8, 9, tzinfo=dt.UTC)),
    (Colour, "red", Colour.RED),
    (Path, "a/b", Path("a/b")),
    (Range, {"first": 1}, Range(1)),
    (Filter, {"words": ["a"], "since": "2024-05-06"}, Filter(["a"], dt.date(2024, 5, 6))),
    (list[Range], [{"first": 1, "last": 2}], [Range(1, 2)]),
    (dict[str, int], {"a": 1}, {"a": 1}),
    (str | None, None, None),
    (Any, {"free": [1]}, {"free": [1]}),
]


@pytest.mark.parametrize(("type_", "given", "expected"), BODIES, ids=[str(body[0]) for body in BODIES])
async def test_member_of_a_json_body_becomes_the_declared_type(
    *, serve_input, fetch, seen, type_, given, expected
):
    """Nested data arrives as dataclasses and structs, checked as deep as they go."""
    client = await serve_input(type_, source="body")
    answer = await fetch(client, "POST", "/views/v", json={"value": given})
    assert answer.status == 200, answer.text
    assert [(type(value), value) for value in seen] == [(type(expected), expected)]


@pytest.mark.parametrize(
    ("type_", "given", "fault"),
    [(int, "5", "got `str`"), (Range, {"last": 1}, "`first`"), (list[int], [1, "2"], r"$[1]")],
    ids=["text_for_int", "member_missing", "inside_a_list"],
)
async def test_member_of_a_body_must_have_the_type(*, serve_input, fetch, seen, type_, given, fault):
    """JSON has types of its own: reading "5" as 5 would hide a client's mistake."""
    client = await serve_input(type_, source="body")
    answer = await fetch(client, "POST", "/views/v", json={"value": given})
    assert (answer.status, answer.json["input"]) == (400, "value")
    assert fault in answer.json["detail"]
    assert not seen


async def test_path_of_a_route_gives_an_input(serve_input, fetch, seen):
    """`/projects/{name}` is where most inputs come from."""

    @view("v")
    async def handler(request):
        return web.Response()

    client = await serve_input(int, source="path", routes=[web.get("/p/{value}", handler)])
    assert (await fetch(client, "GET", "/p/12")).status == 200
    assert (await fetch(client, "GET", "/p/x")).json["input"] == "value"
    assert seen == [12]


async def test_path_wins_over_query_and_query_over_body(serve_input, fetch, seen):
    """One value must be the value, and always the same one."""

    @view("v")
    async def handler(request):
        return web.Response()

    routes = [web.post("/p/{value}", handler), web.post("/p", handler)]
    client = await serve_input(str, source=["path", "query", "body"], routes=routes)
    for path in ("/p/path?value=query", "/p?value=query", "/p"):
        assert (await fetch(client, "POST", path, json={"value": "body"})).status == 200
    assert seen == ["path", "query", "body"]


async def test_default_stands_in_for_what_is_not_given(serve_input, fetch, seen):
    """Not giving a value is not an error where there is a default."""
    client = await serve_input(int, source=["query", "body"], default=3)
    assert (await fetch(client, "GET", "/views/v")).status == 200
    assert (await fetch(client, "POST", "/views/v")).status == 200
    assert (await fetch(client, "POST", "/views/v", json={})).status == 200
    assert seen == [3, 3, 3]


async def test_default_factory_is_called_for_each_run(serve_input, fetch, seen):
    """A list that all requests share would leak what one of them appends."""
    client = await serve_input(list[int], default_factory=list)
    for _ in range(2):
        await fetch(client, "GET", "/views/v")
    assert seen == [[], []]
    assert seen[0] is not seen[1]


async def provide_async(request):
    return request.headers["X-Value"]


@pytest.mark.parametrize(
    "provide", [lambda request: request.headers["X-Value"], provide_async], ids=["plain", "async"]
)
@pytest.mark.parametrize("pinned", [True, False], ids=["by_the_app", "by_the_plugin"])
async def test_provider_is_asked_with_each_request(serve_input, fetch, seen, provide, pinned):
    """The user of a session, the tenant of a host: what the app knows and a client must not say."""
    if pinned:
        client = await serve_input(Path, inputs={"value": provide})
    else:
        client = await serve_input(Path, provide=provide, source="query")
    for value in ("a", "b"):
        answer = await fetch(client, "GET", "/views/v", headers={"X-Value": value})
        assert answer.status == 200, answer.text
    assert seen == [Path("a"), Path("b")]


async def test_provider_may_refuse_the_request(serve_input, fetch, seen):
    """An HTTPException of its own is an answer."""

    def provide(request):
        raise web.HTTPNotFound(text="no such project")

    client = await serve_input(str, inputs={"value": provide})
    answer = await fetch(client, "GET", "/views/v")
    assert (answer.status, answer.text) == (404, "no such project")
    assert not seen


async def test_provider_wins_over_the_request(serve_input, fetch, seen):
    """Who is asked for a value by the app decides it: a query must not override a session."""

    @view("v")
    async def handler(request):
        return web.Response()

    client = await serve_input(
        str, provide=lambda request: "session", source="query", routes=[web.get("/", handler)]
    )
    await fetch(client, "GET", "/?value=intruder")
    assert seen == ["session"]


async def test_none_of_a_provider_is_a_value(serve_input, fetch, seen):
    """An app that knows that nobody is logged in must not be overruled by a default, or by the query."""
    client = await serve_input(str | None, provide=lambda request: None, source="query", default="somebody")
    assert (await fetch(client, "GET", "/views/v?value=somebody")).status == 200
    assert seen == [None]


@pytest.mark.parametrize(
    "pin",
    [
        lambda: {"value": "pinned"},
        lambda: [Input("value", str, default="pinned")],
        lambda: {"value": Input("value", str, default="pinned")},
    ],
    ids=["value", "input", "input_by_name"],
)
async def test_what_the_app_pins_cannot_be_set_by_a_request(serve_input, fetch, seen, pin):
    """The plugin opens an input to the query; the app that serves one project closes it again."""

    @view("v")
    async def handler(request):
        return web.Response()

    client = await serve_input(
        str, source=["query", "body"], routes=[web.get("/", handler), web.post("/", handler)], inputs=pin()
    )
    await fetch(client, "GET", "/?value=intruder")
    await fetch(client, "POST", "/", json={"value": "intruder"})
    assert seen == ["pinned", "pinned"]
    answer = await fetch(client, "GET", "/views/v?value=intruder")
    assert (answer.status, answer.json["input"]) == (400, "value")
    assert "cannot be set by the query; it comes from the application alone" in answer.json["detail"]


async def test_pinned_value_gets_the_type_that_the_plugin_declares(serve_input, fetch, seen):
    """An app writes inputs={"project_path": "."}; the step that takes a Path must get one."""
    client = await serve_input(Path, inputs={"value": "a/b"})
    await fetch(client, "GET", "/views/v")
    assert [(type(value), value) for value in seen] == [(type(Path()), Path("a/b"))]


async def test_pinned_value_that_does_not_fit_stops_the_start(open_app, take, declare, run_app):
    """It is the app's mistake: no client could mend it."""
    app = open_app(take, declare(Input("value", int)), inputs={"value": "five"})

    @view("v")
    async def handler(request):
        return web.Response()

    app.router.add_get("/", handler)
    with pytest.raises(DefinitionError, match="'value' does not fit its type int"):
        async with run_app(app):
            pass


async def test_pinned_input_that_no_plugin_declares_is_any_object(serve, take, fetch, seen):
    """An app hands its own steps its own objects: a database, a client."""
    database = object()
    await fetch(await serve(take, inputs={"value": database}), "GET", "/views/v")
    assert seen == [database]


@pytest.mark.parametrize(("method", "source"), [("GET", "path"), ("GET", "body"), ("POST", "query")])
async def test_request_cannot_set_an_input_by_a_part_that_is_not_declared(
    serve_input, fetch, seen, method, source
):
    """What is not declared as coming from there is not even looked at."""

    @view("v")
    async def handler(request):
        return web.Response()

    other = {"path": "query", "query": "body", "body": "query"}[source]
    routes = [web.route("*", "/p/{value}" if source == "path" else "/p", handler)]
    client = await serve_input(str, source=other, default="safe", routes=routes)
    path = {"path": "/p/intruder", "query": "/p?value=intruder", "body": "/p"}[source]
    body = json.dumps({"value": "intruder"}) if source == "body" else None
    headers = {"Content-Type": "application/json"} if source == "body" else {}
    answer = await fetch(client, method, path, data=body, headers=headers)
    assert answer.status == 200, answer.text
    assert seen == ["safe"]


async def test_body_that_is_read_for_one_input_does_not_set_another(serve, fetch, take, declare, seen):
    """That a body has been read does not open it to what is closed."""

    @step(concurrency="parallel", views=["v"])
    async def other(*, message):
        return message

    @view("v")
    async def handler(request):
        return web.Response()

    inputs = Input("value", str, source="query", default="safe"), Input("message", str, source="body")
    client = await serve(take, other, declare(*inputs), routes=[web.post("/", handler)])
    answer = await fetch(client, "POST", "/", json={"message": "hi", "value": "intruder"})
    assert answer.status == 200
    assert seen == ["safe"]


@pytest.mark.parametrize(
    ("sources", "remedy"),
    [(("query", "body"), "give it by query or body"), ((), "it is for the application to give")],
    ids=["by_request", "by_app"],
)
async def test_missing_input_is_a_400_that_names_it(serve_input, fetch, seen, sources, remedy):
    """The message has to say who can mend it."""
    client = await serve_input(int, source=sources)
    answer = await fetch(client, "GET", "/views/v")
    assert (answer.status, answer.json["input"], answer.json["expected"]) == (400, "value", "int")
    assert "input 'value' is missing; 'take' takes it" in answer.json["detail"]
    assert remedy in answer.json["detail"]
    assert not seen


async def test_optional_parameter_does_without_an_input(serve, fetch, declare, seen):
    """A step with a default of its own says what happens without."""

    @step(concurrency="parallel", views=["v"])
    async def take(*, value="own"):
        seen.append(value)

    client = await serve(take, declare(Input("value", str, source="query")))
    assert (await fetch(client, "GET", "/views/v")).status == 200
    assert seen == ["own"]


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("data", "headers", "fault"),
    [
        (b"{", JSON, "the body is no JSON"),
        (b'{"value": "\xff"}', JSON, "the body is no JSON"),
        (b"[1]", JSON, "the body is a JSON list"),
        (b"5", JSON, "the body is a JSON int"),
        (b"null", JSON, "the body is a JSON NoneType"),
        (b'{"value": ' + b"[" * 100_000, JSON, "the body is no JSON"),
        (b"value=1", {"Content-Type": "application/x-www-form-urlencoded"}, "x-www-form-urlencoded"),
        (b'{"value": 1}', {"Content-Type": "text/plain"}, "send a JSON object as application/json"),
    ],
    ids=["broken", "not_utf8", "list", "number", "null", "bottomless", "form", "text"],
)
async def test_body_that_is_no_json_object_is_a_400(*, serve_input, fetch, seen, data, headers, fault):
    """Also a text/plain body that looks like JSON: browsers send those across origins without a preflight."""
    client = await serve_input(int, source="body", default=1)
    answer = await fetch(client, "POST", "/views/v", data=data, headers=headers)
    assert (answer.status, answer.json["input"]) == (400, "body")
    assert fault in answer.json["detail"]
    assert not seen


async def test_body_may_come_in_chunks_and_with_a_charset(serve_input, fetch, seen):
    """Clients that stream do not say a length."""

    async def chunks():
        yield b'{"value"'
        yield b": 5}"

    async def nothing():
        yield b""

    client = await serve_input(int, source="body", default=6)
    headers = {"Content-Type": "application/json; charset=utf-8"}
    assert (await fetch(client, "POST", "/views/v", data=chunks(), headers=headers)).status == 200
    assert (await fetch(client, "POST", "/views/v", data=nothing(), headers=headers)).status == 200
    assert seen == [5, 6]


async def test_body_that_is_too_large_is_a_413(serve_input, fetch, seen):
    """The app's client_max_size holds for steps as well."""
    client = await serve_input(str, source="body", app=web.Application(client_max_size=100))
    answer = await fetch(client, "POST", "/views/v", json={"value": "x" * 200})
    assert answer.status == 413
    assert not seen


async def test_handler_can_still_read_the_body(serve_input, fetch, seen):
    """Inputs are a look at the body, not its end."""

    @view("v")
    async def handler(request):
        return web.json_response([await request.json(), (await request.read()).decode()])

    client = await serve_input(int, source="body", routes=[web.post("/", handler)])
    answer = await fetch(client, "POST", "/", data='{"value": 5, "more": 6}', headers=JSON)
    assert answer.json == [{"value": 5, "more": 6}, '{"value": 5, "more": 6}']
    assert seen == [5]


async def test_body_is_left_alone_if_no_input_comes_from_it(serve_input, fetch, seen):
    """A handler that streams an upload must get it unread, and of any type."""

    @view("v")
    async def handler(request):
        was_read = request.content.at_eof()
        parts = [part async for part in request.content.iter_any()]
        return web.json_response([was_read, b"".join(parts).decode()])

    client = await serve_input(int, source="query", routes=[web.post("/", handler)])
    answer = await fetch(client, "POST", "/?value=1", data=b"raw")
    assert answer.json == [False, "raw"]


async def test_input_is_only_asked_for_if_a_step_takes_it(serve, fetch, take, declare):
    """A provider may cost a query; a route that does not need it must not pay."""
    asked = []

    @step(concurrency="parallel")
    async def other():
        return 1

    @inject
    async def handler(request, *, other):
        return web.json_response(other)

    client = await serve(
        take,
        other,
        declare(Input("value", int)),
        routes=[web.get("/", handler)],
        inputs={"value": asked.append},
    )
    assert (await fetch(client, "GET", "/")).json == 1
    assert not asked


@pytest.mark.parametrize(
    ("inputs", "fault"),
    [([1], "holds 1; give Input objects"), ({"a": Input("b", int)}, "has the input 'b' under the name 'a'")],
    ids=["no_input", "two_names"],
)
def test_wrong_inputs_are_refused_by_setup(open_app, take, inputs, fault):
    """Where the app's author is looking, not at the first request."""
    with pytest.raises(DefinitionError, match=fault):
        open_app(take, inputs=inputs)
