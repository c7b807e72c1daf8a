"""When two values are the same: by `==`, else by what JSON would say, else as far as can be told."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp_steps.race.observing import Snapshot, describe_value
from aiohttp_steps.types import MISSING


@dataclass
class Row:
    name: str
    read_at: float = field(compare=False, default=0.0)


class Plain:
    """Has no `==` of its own."""

    def __init__(self, number, inside=None):
        self.number = number
        self.inside = inside


class Sore:
    """Answers everything with an error."""

    __hash__ = None

    def __eq__(self, other):
        raise ValueError("neither yes nor no")

    def __repr__(self):
        raise ValueError("no words")


def make_used_lock():
    """Return a lock that was waited for."""

    async def use():
        async def hold():
            async with lock:
                await asyncio.sleep(0)

        lock = asyncio.Lock()
        await asyncio.gather(hold(), hold())
        return lock

    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(use())
    finally:
        loop.close()


SAME = [
    pytest.param(1, 1, id="numbers"),
    pytest.param(float("nan"), float("nan"), id="no numbers"),
    pytest.param({"a": {1, 2}}, {"a": {2, 1}}, id="sets in another order"),
    pytest.param({"a": 1, "b": 2}, {"b": 2, "a": 1}, id="dicts in another order"),
    pytest.param({(1, 2): 3}, {(1, 2): 3}, id="no JSON, but =="),
    pytest.param(Row("a", 1.0), Row("a", 2.0), id="== leaves a field out"),
    pytest.param(Path("a"), Path("a"), id="paths"),
    pytest.param(Plain(1), Plain(1), id="objects without =="),
    pytest.param([Plain(1)], [Plain(1)], id="objects without == in a list"),
    pytest.param(Plain(1, object()), Plain(1, object()), id="objects with something that has none"),
    pytest.param(object(), object(), id="of one type"),
    pytest.param(asyncio.Lock(), make_used_lock(), id="locks, whatever they have seen"),
    pytest.param(Sore(), Sore(), id="errors"),
    pytest.param(MISSING, MISSING, id="no value"),
]
DIFFERENT = [
    pytest.param(1, 2, id="numbers"),
    pytest.param(1, "1", id="types"),
    pytest.param([1, 2], [2, 1], id="orders"),
    pytest.param({(1, 2): 3}, {(1, 2): 4}, id="no JSON, but =="),
    pytest.param(Row("a"), Row("b"), id="dataclasses"),
    pytest.param(Plain(1), Plain(2), id="objects without =="),
    pytest.param([Plain(1)], [Plain(2)], id="objects without == in a list"),
    pytest.param(object(), Plain(1), id="types of objects"),
    pytest.param(MISSING, None, id="no value and None"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_is_the_same_is_no_difference(one, other):
    """A false alarm costs an hour, and the next one is not looked at."""
    assert Snapshot(one).equals(Snapshot(other))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_differs_is_seen(one, other):
    """Else the check is a ritual."""
    assert not Snapshot(one).equals(Snapshot(other))


@pytest.mark.parametrize("value", [[1], {(1, 2): [3]}], ids=["JSON", "no JSON"])
def test_a_snapshot_stays_when_its_value_changes(value):
    """Steps hand out the same dict in each run; it is compared as it was in each."""
    before = Snapshot(value)
    inside = value if isinstance(value, list) else value[1, 2]
    inside.append(4)
    assert not before.equals(Snapshot(value))


@pytest.mark.parametrize(
    ("value", "is_opaque"),
    [
        pytest.param({"a": 1}, False, id="plain"),
        pytest.param(Plain(1), False, id="plain attributes"),
        pytest.param(Plain(1, object()), True, id="something inside"),
        pytest.param(object(), True, id="nothing to see"),
        pytest.param([asyncio.Lock()], True, id="in a list"),
    ],
)
def test_what_cannot_be_looked_into_is_known(value, is_opaque):
    """The report says whose values were compared by type alone."""
    assert Snapshot(value).is_opaque is is_opaque


def test_long_values_are_told_by_their_ends():
    """A report of a megabyte is no report."""
    text = describe_value(list(range(10_000)))
    assert len(text) < 250
    assert text.startswith("[0, 1, 2")
    assert text.endswith("9998, 9999]")
    assert "Sore" in describe_value(Sore())
