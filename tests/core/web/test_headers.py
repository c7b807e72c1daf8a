"""Headers that tell how a run went: `Steps-Completed` and `Server-Timing`."""

from __future__ import annotations

import re

import pytest
from aiohttp import web
from aiohttp_steps import StepError, step, view

ENTRY = re.compile(r'^[\w%]+;dur=\d+\.\d(;desc="(gate|sequential|exclusive|parallel)")?$')


@step(concurrency="parallel", views=["v", "half"])
async def good():
    return 1


@step(concurrency="parallel", views=["half"])
async def bad():
    raise StepError("no luck")


@step(views=["none"])
async def fatal():
    raise StepError("no luck")


async def answer_plainly(request):
    return web.Response(text="own")


async def stream(request):
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"own")
    await response.write_eof()
    return response


@pytest.mark.parametrize("handler", [answer_plainly, stream])
@pytest.mark.parametrize(("name", "expected"), [("v", "true"), ("half", "false")])
async def test_every_answer_says_whether_the_run_completed(serve, fetch, handler, name, expected):
    """A client reads one header, whatever the handler makes of the report; also on streams."""
    client = await serve(good, bad, routes=[web.get("/", view(name)(handler))])
    answer = await fetch(client, "GET", "/")
    assert (answer.text, answer.headers["Steps-Completed"]) == ("own", expected)


async def test_problems_say_it_too(serve, fetch):
    """Whoever looks at the header alone must not take a failure for success."""
    client = await serve(good, fatal)
    answer = await fetch(client, "POST", "/views/none")
    assert (answer.status, answer.headers["Steps-Completed"]) == (500, "false")


async def test_answers_without_a_run_do_not_say_it(serve, fetch, answer_report):
    """There was nothing to complete."""
    client = await serve(good, routes=[web.get("/", answer_plainly)])
    for path in ("/", "/views", "/nowhere"):
        assert "Steps-Completed" not in (await fetch(client, "GET", path)).headers


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, False),
        ({"debug": True}, True),
        ({"debug": True, "server_timing": False}, False),
        ({"server_timing": True}, True),
        ({"debug": False, "server_timing": True}, True),
    ],
    ids=["default", "debug", "debug_but_off", "asked", "asked_without_debug"],
)
async def test_server_timing_is_on_when_asked_for_or_in_debug_mode(serve, fetch, options, expected):
    """It tells strangers about the inside: nobody gets it by default."""
    client = await serve(good, **options)
    answer = await fetch(client, "GET", "/views/v")
    assert ("Server-Timing" in answer.headers) is expected


async def test_server_timing_has_each_step_in_plan_order_and_the_total(serve, fetch):
    """Browsers draw it in this order; it must not change with who was the fastest."""

    @step(concurrency="gate", views=["all"])
    async def first():
        return 1

    @step(concurrency="parallel", views=["all"])
    async def third(*, second):
        return second

    @step(views=["all"])
    async def second():
        return 2

    answer = await fetch(await serve(third, second, first, server_timing=True), "POST", "/views/all")
    entries = answer.headers["Server-Timing"].split(", ")
    assert all(ENTRY.match(entry) for entry in entries)
    assert [re.sub(r"dur=[\d.]+;?", "", entry) for entry in entries] == [
        'first;desc="gate"',
        'second;desc="sequential"',
        'third;desc="parallel"',
        "total;",
    ]


async def test_server_timing_gives_no_time_of_what_did_not_run(serve, fetch):
    """A time of 0 for a step that was skipped would be a wrong number, and to leave it out a riddle."""

    @step(concurrency="parallel", views=["half"])
    async def skipped(*, bad):
        return bad

    answer = await fetch(await serve(good, bad, skipped, server_timing=True), "GET", "/views/half")
    entries = [re.sub(r"dur=[\d.]+", "dur=", each) for each in answer.headers["Server-Timing"].split(", ")]
    assert entries == [
        'good;dur=;desc="parallel"',
        'bad;dur=;desc="parallel"',
        'skipped;desc="parallel (skipped)"',
        "total;dur=",
    ]


async def test_server_timing_names_are_tokens(serve, fetch):
    """A step's name may be any identifier, a header's token only ASCII."""

    @step(concurrency="parallel", views=["v"])
    async def größe():  # noqa: PLC2401
        return 1

    answer = await fetch(await serve(größe, server_timing=True), "GET", "/views/v")
    assert answer.headers["Server-Timing"].startswith("gr%C3%B6%C3%9Fe;dur=")


def make_named(view, number, name):
    async def work():
        return number

    work.__name__ = name
    return step(concurrency="parallel", views=[view])(work)


async def test_server_timing_is_cut_between_entries_at_two_kilobytes(serve, fetch):
    """Proxies answer 502 to headers that grow (joomla#37087); the total is worth more than the tail."""
    widths = range(20, 80, 2)  # so that the cut falls on each place in an entry
    steps = [
        make_named(f"v{width}", number, f"step_{number:03}_{'x' * width}_{width}")
        for width in widths
        for number in range(60)
    ]
    client = await serve(*steps, server_timing=True)
    for width in widths:
        header = (await fetch(client, "GET", f"/views/v{width}")).headers["Server-Timing"]
        *entries, total = header.split(", ")
        assert 1900 < len(header.encode()) <= 2048
        assert all(ENTRY.match(entry) for entry in entries)
        assert [int(entry[5:8]) for entry in entries] == list(range(len(entries)))
        assert re.match(r"^total;dur=\d+\.\d$", total)


@pytest.mark.parametrize("theirs", [["db;dur=1.0"], ["db;dur=1.0", "cache;dur=2.0"]], ids=["one", "two"])
async def test_server_timing_is_appended_to_what_the_handler_says(serve, fetch, theirs):
    """The app's own measures are not ours to drop."""

    @view("v")
    async def handler(request):
        response = web.Response()
        for value in theirs:
            response.headers.add("Server-Timing", value)
        return response

    client = await serve(good, routes=[web.get("/", handler)], server_timing=True)
    answer = await fetch(client, "GET", "/")
    entries = ", ".join(answer.headers.getall("Server-Timing")).split(", ")
    assert entries[: len(theirs)] == theirs
    assert [entry.split(";")[0] for entry in entries[len(theirs) :]] == ["good", "total"]


@pytest.mark.parametrize(
    ("width", "expected"), [(2015, ["total"]), (2040, []), (5000, [])], ids=["total", "full", "over"]
)
async def test_server_timing_leaves_room_for_what_the_handler_says(serve, fetch, width, expected):
    """The limit is for the header as a proxy sees it; what is not ours is never cut."""
    theirs = "x" * width

    @view("v")
    async def handler(request):
        return web.Response(headers={"Server-Timing": theirs})

    client = await serve(good, routes=[web.get("/", handler)], server_timing=True)
    first, *entries = (await fetch(client, "GET", "/")).headers["Server-Timing"].split(", ")
    assert first == theirs
    assert [entry.split(";")[0] for entry in entries] == expected
