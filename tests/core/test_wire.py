"""A report as JSON: the contract on the wire."""

from __future__ import annotations

import asyncio
import datetime as dt
import enum
import json
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp_steps import StepError, step
from aiohttp_steps.engine import describe_outcome, encode_report

parallel = step(concurrency="parallel", views=["v"])


@pytest.fixture
def document(registry):
    """Return a function that runs view `v` and reads its JSON."""

    async def run(*, debug=False, **options):
        return json.loads(encode_report(await registry.run("v", **options), debug=debug).body)

    return run


@pytest.mark.looptime
async def test_the_document_of_the_design(add, document):
    """Field by field, in order, as design and clients have it."""

    @dataclass
    class Branch:
        name: str

    @step(concurrency="parallel", views=["v"], name="git_branch")
    async def branch():
        await asyncio.sleep(0.5)
        return Branch("main")

    @step(concurrency="parallel", views=["v"], name="git_status", timeout=2.0)
    async def status():
        await asyncio.sleep(10)

    add(branch, status, plugin="git")
    found = await document()
    assert list(found) == ["view", "completed", "data", "errors", "timing"]
    assert found == {
        "view": "v",
        "completed": False,
        "data": {"git_branch": {"name": "main"}, "git_status": None},
        "errors": {"git_status": {"type": "timeout", "message": "ran longer than 2.0 s", "plugin": "git"}},
        "timing": {
            "wall_ms": 2000.0,
            "sum_ms": 2500.0,
            "critical_path_ms": 2000.0,
            "critical_path": ["git_status"],
        },
    }


async def test_a_complete_run_says_so(add, document):
    """Clients look at one flag before they look at errors."""

    @parallel
    async def nothing(): ...

    add(nothing)
    found = await document()
    assert (found["completed"], found["data"], found["errors"]) == (True, {"nothing": None}, {})


@pytest.mark.parametrize(
    ("debug", "message"),
    [
        pytest.param(False, "the step failed; the server's log says why", id="hidden"),
        pytest.param(True, "LookupError: secret of the database", id="debug"),
    ],
)
async def test_messages_of_unexpected_errors_are_for_debugging_only(add, document, debug, message):
    """They may hold paths, queries, passwords."""

    @parallel
    async def broken():
        raise LookupError("secret of the database")

    add(broken)
    found = await document(debug=debug)
    assert found["errors"]["broken"] == {"type": "error", "message": message, "plugin": "p"}
    assert ("secret" in json.dumps(found)) is debug


async def test_messages_of_step_errors_are_for_clients(add, document):
    """Their authors wrote them for that."""

    class LimitedError(StepError):
        type = "limited"

    @parallel
    async def broken():
        raise LimitedError("try again later")

    @parallel
    async def dependent(*, broken): ...

    add(broken, dependent)
    assert (await document())["errors"] == {
        "broken": {"type": "limited", "message": "try again later", "plugin": "p"},
        "dependent": {
            "type": "skipped",
            "message": "skipped, because 'broken' gave no value",
            "plugin": "p",
        },
    }


async def test_helpers_are_not_shown_but_their_errors_are(add, document):
    """A view's data are the steps that joined it; what went wrong is told of all."""

    @step(concurrency="parallel")
    async def helper():
        return "inside"

    @step(concurrency="parallel")
    async def broken_helper():
        raise StepError("no luck")

    @parallel
    async def shown(*, helper, broken_helper=None):
        return helper

    add(helper, broken_helper, shown)
    found = await document()
    assert found["data"] == {"shown": "inside"}
    assert list(found["errors"]) == ["broken_helper"]


async def test_a_default_is_shown_with_the_error_that_it_stands_in_for(add, document):
    """Data to show, and the truth about it."""

    @step(concurrency="parallel", views=["v"], default=[])
    async def broken():
        raise StepError("no luck")

    add(broken)
    found = await document()
    assert found["data"] == {"broken": []}
    assert found["errors"]["broken"]["message"] == "no luck"
    assert found["completed"] is False


async def test_values_of_many_types_are_encoded(add, document):
    """What steps naturally return: no step should have to build dictionaries for JSON."""

    class Colour(enum.Enum):
        RED = "red"

    @parallel
    async def values():
        return {
            "path": Path("/tmp/x"),
            "id": uuid.UUID(int=1),
            "at": dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
            "raw": b"hi",
            "colour": Colour.RED,
            "pair": (1, 2),
            "set": {3},
        }

    add(values)
    assert (await document())["data"]["values"] == {
        "path": "/tmp/x",
        "id": "00000000-0000-0000-0000-000000000001",
        "at": "2026-01-02T00:00:00Z",
        "raw": "aGk=",
        "colour": "red",
        "pair": [1, 2],
        "set": [3],
    }


class Rude:
    """A value whose own methods fail."""

    def __iter__(self):
        raise RuntimeError("not now")


def recursive():
    value = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "make", [object, recursive, Rude, lambda: {1j: 1}], ids=["object", "cycle", "rude", "key"]
)
async def test_a_value_that_json_cannot_say_is_an_error_of_its_step(add, document, make):
    """One odd value must not cost the client all the others."""

    @parallel
    async def odd():
        return make()

    @parallel
    async def fine():
        return 1

    add(odd, fine)
    found = await document()
    assert found["data"] == {"odd": None, "fine": 1}
    assert found["completed"] is False
    error = found["errors"]["odd"]
    assert (error["type"], error["plugin"]) == ("encoding", "p")
    assert error["message"].startswith("the value of step 'odd' is no JSON: ")


async def test_a_required_value_that_json_cannot_say_is_an_error_of_the_request(add, registry):
    """There is nothing to answer with."""

    @step(views=["v"])
    async def odd():
        return object()

    add(odd)
    report = await registry.run("v")
    with pytest.raises(
        StepError, match="the value of step 'odd' is no JSON: objects of type object"
    ) as caught:
        encode_report(report)
    assert (caught.value.type, caught.value.status) == ("encoding", 500)


async def test_helpers_may_return_what_json_cannot_say(add, document):
    """A database session is a fine result for other steps."""

    @step(concurrency="parallel")
    async def session():
        return object()

    @parallel
    async def shown(*, session):
        return 1

    add(session, shown)
    assert (await document())["completed"] is True


async def test_a_run_that_ended_early_is_no_complete_document(add, registry):
    """Steps that never started have `null` and no error of their own."""

    @step(concurrency="gate", views=["v"])
    async def user():
        raise StepError("no")

    @parallel
    async def later(): ...

    add(user, later)
    found = json.loads(encode_report(await registry.run("v")).body)
    assert found["data"] == {"user": None, "later": None}
    assert list(found["errors"]) == ["user"]
    assert found["completed"] is False


@pytest.mark.looptime
async def test_an_outcome_is_described_without_its_value(add, registry):
    """`explain --analyze` shows times of steps whose values may be private."""

    @step(concurrency="gate", views=["v"])
    async def user():
        await asyncio.sleep(0.25)

    @parallel
    async def shown():
        await asyncio.sleep(0.5)

    @parallel
    async def skipped(*, missing_one): ...

    @parallel
    async def missing_one():
        raise LookupError

    add(user, shown, missing_one, skipped)
    report = await registry.run("v")
    assert describe_outcome(report.outcome(shown)) == {
        "status": "succeeded",
        "barrier_ms": 250.0,
        "queue_ms": 0.0,
        "lock_ms": 0.0,
        "run_ms": 500.0,
        "attempts": 1,
        "started_ms": 250.0,
    }
    assert describe_outcome(report.outcome(skipped))["started_ms"] is None
