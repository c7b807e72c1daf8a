"""Values of steps as JSON."""

from __future__ import annotations

import datetime as dt
import enum
import logging
import uuid
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import msgspec
import pytest
from aiohttp_steps import StepError, step


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Commit:
    id: str
    parents: tuple[str, ...]


class Struct(msgspec.Struct):
    at: dt.datetime
    path: Path


WHEN = dt.datetime(2024, 5, 6, 7, 8, 9, tzinfo=dt.UTC)

VALUES = [
    (None, None),
    (0, 0),
    (2**70, 2**70),
    ("é\n\u2028", "é\n\u2028"),
    ([1, (2, 3)], [1, [2, 3]]),
    (Commit("a", ("b", "c")), {"id": "a", "parents": ["b", "c"]}),
    (Struct(WHEN, Path("/a")), {"at": "2024-05-06T07:08:09Z", "path": "/a"}),
    (WHEN, "2024-05-06T07:08:09Z"),
    (dt.date(2024, 5, 6), "2024-05-06"),
    (Colour.RED, "red"),
    (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (b"hi", "aGk="),
    (PurePosixPath("a/b"), "a/b"),
    ({"x"}, ["x"]),
    (frozenset({1}), [1]),
    ({1: Path("a")}, {"1": "a"}),
    (float("nan"), None),
]


@pytest.mark.parametrize(("value", "expected"), VALUES, ids=[repr(value)[:30] for value, _ in VALUES])
async def test_values_of_steps_are_encoded(serve, fetch, value, expected):
    """Steps return what is natural in Python and never think of JSON."""

    @step(concurrency="parallel", views=["v"])
    async def work():
        return value

    answer = await fetch(await serve(work), "GET", "/views/v")
    assert answer.json["errors"] == {}
    assert answer.json["data"] == {"work": expected}


def make_cycle():
    cycle = []
    cycle.append(cycle)
    return cycle


UNENCODABLE = [object, lambda: {"deep": [object()]}, make_cycle, lambda: "\ud800", lambda: {(1, 2): 3}]
UNENCODABLE_IDS = ["object", "deep", "cycle", "surrogate", "key"]


@pytest.mark.parametrize("make", UNENCODABLE, ids=UNENCODABLE_IDS)
async def test_unencodable_value_of_an_optional_step_becomes_its_error(serve, fetch, make):
    """One odd value must not cost the client all the others; body and header say the same."""

    @step(concurrency="parallel", views=["v"])
    async def odd():
        return make()

    @step(concurrency="parallel", views=["v"])
    async def fine():
        return 1

    answer = await fetch(await serve(odd, fine), "GET", "/views/v")
    assert answer.status == 200
    assert answer.json["data"] == {"odd": None, "fine": 1}
    assert list(answer.json["errors"]) == ["odd"]
    assert answer.json["errors"]["odd"]["type"] == "encoding"
    assert "the value of step 'odd' is no JSON" in answer.json["errors"]["odd"]["message"]
    assert answer.json["completed"] is False
    assert answer.headers["Steps-Completed"] == "false"


@pytest.mark.parametrize("make", UNENCODABLE, ids=UNENCODABLE_IDS)
async def test_unencodable_value_of_a_required_step_is_a_problem_that_names_it(serve, fetch, caplog, make):
    """Without it there is no answer; who has to mend it is the step's author."""

    @step(views=["v"], on_disconnect="cancel")
    async def odd():
        return make()

    answer = await fetch(await serve(odd), "GET", "/views/v")
    assert answer.status == 500
    assert answer.headers["Content-Type"].split(";")[0] == "application/problem+json"
    assert (answer.json["step"], answer.json["plugin"], answer.json["error"]) == ("odd", "tested", "encoding")
    assert answer.json["detail"].startswith("the value of step 'odd' is no JSON: ")
    assert answer.headers["Steps-Completed"] == "false"
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_unshown_values_need_not_be_json(serve, fetch):
    """Steps hand each other connections and trees; only what joined the view goes out."""

    @step(concurrency="parallel")
    async def connection():
        return object()

    @step(concurrency="parallel", views=["v"])
    async def asked(*, connection):
        return 1

    @step(concurrency="parallel")
    async def broken():
        raise StepError("no luck")

    @step(concurrency="parallel", views=["v"])
    async def lenient(*, broken=None):
        return broken

    answer = await fetch(await serve(connection, asked, broken, lenient), "GET", "/views/v")
    assert answer.json["data"] == {"asked": 1, "lenient": None}
    assert list(answer.json["errors"]) == ["broken"]


async def test_keys_stand_in_plan_order(serve, fetch):
    """Not in the order of finishing: two runs of one view are to be compared with diff."""
    import asyncio

    second_is_done = asyncio.Event()

    @step(concurrency="parallel", views=["v"])
    async def first():
        await second_is_done.wait()
        raise StepError("last to end")

    @step(concurrency="parallel", views=["v"])
    async def second():
        second_is_done.set()
        raise StepError("first to end")

    answer = await fetch(await serve(first, second), "GET", "/views/v")
    assert list(answer.json["data"]) == ["first", "second"]
    assert list(answer.json["errors"]) == ["first", "second"]
