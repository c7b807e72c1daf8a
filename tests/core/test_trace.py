"""A run in the Chrome trace event format, held against the rules of the format."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise

import pytest
from aiohttp_steps import exclusive, step
from aiohttp_steps.engine import build_trace

pytestmark = pytest.mark.looptime

PHASES = {"M", "X", "i", "s", "f"}


@pytest.fixture
def run(add, registry):
    """Return what runs steps with each kind of tier, wait and ending, on the test's virtual clock."""

    @step(concurrency="gate", views=["v"])
    async def user():
        await asyncio.sleep(1)

    @step(concurrency=exclusive("k:{user}"), views=["v"])
    async def write(*, user):
        await asyncio.sleep(2)

    @step(concurrency="parallel", views=["v"])
    async def broken():
        await asyncio.sleep(1)
        raise ValueError("in words")

    @step(concurrency="parallel", views=["v"])
    async def skipped(*, broken): ...

    @step(concurrency="parallel", views=["v"])
    async def history(*, write):
        await asyncio.sleep(3)

    add(user, write, broken, skipped, history)

    async def run_twice():
        first = asyncio.create_task(registry.run("v"))
        await asyncio.sleep(0.5)
        second = await registry.run("v")  # waits for the key that the first one holds
        await first
        return second

    return run_twice


def spans(trace, category):
    return {
        event["tid"]: event
        for event in trace["traceEvents"]
        if event.get("cat") == category and "ts" in event
    }


async def test_each_event_has_what_the_format_demands(run):
    """A viewer drops what it does not understand, without a word."""
    report = await run()
    trace = json.loads(json.dumps(build_trace(report)))
    assert trace["displayTimeUnit"] == "ms"
    for event in trace["traceEvents"]:
        assert event["ph"] in PHASES
        assert isinstance(event["name"], str)
        assert isinstance(event["pid"], int)
        assert isinstance(event["tid"], int)
        if event["ph"] == "M":
            assert event["name"] in {"process_name", "thread_name", "thread_sort_index"}
            assert set(event["args"]) == {"sort_index" if event["name"].endswith("index") else "name"}
            continue
        assert isinstance(event["cat"], str)
        assert event["ts"] >= 0
        if event["ph"] == "X":
            assert event["dur"] >= 0
        if event["ph"] == "i":
            assert event["s"] in {"g", "p", "t"}
        if event["ph"] == "f":
            assert event["bp"] == "e"


async def test_spans_of_a_lane_nest_or_follow_each_other(run):
    """The format knows a stack per thread: what overlaps otherwise is drawn wrong."""
    report = await run()
    by_lane = {}
    for event in build_trace(report)["traceEvents"]:
        if event["ph"] == "X":
            by_lane.setdefault(event["tid"], []).append((event["ts"], -event["dur"]))
    assert {0, 1, 2, 3} <= set(by_lane)
    for lane in by_lane.values():
        for (at, minus), (then, minus_then) in pairwise(sorted(lane)):
            assert then >= at - minus or then - minus_then <= at - minus


async def test_lanes_show_the_run_and_each_step_where_they_were(run):
    """Microseconds from the start of the run; waits apart from runs."""
    report = await run()
    trace = build_trace(report)
    names = {e["tid"]: e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "thread_name"}
    assert names.pop(0) == "view v"
    assert list(names.values()) == [outcome.step.name for outcome in report.outcomes]
    lanes = {name: lane for lane, name in names.items()}
    steps = spans(trace, "step")
    for outcome in report.outcomes:
        event = steps[lanes[outcome.step.name]]
        assert event["args"]["status"] == outcome.status.value
        if outcome.started_s is not None:
            assert event["ts"] == pytest.approx(outcome.started_s * 1e6)
            assert event["dur"] == pytest.approx(outcome.run_s * 1e6)
    lock = spans(trace, "lock")[lanes["write"]]
    assert lock["dur"] == pytest.approx(report.outcome("write").lock_s * 1e6)
    assert lock["dur"] > 0
    assert lock["ts"] + lock["dur"] == pytest.approx(steps[lanes["write"]]["ts"])
    assert steps[lanes["broken"]]["args"]["error"]["message"] == "ValueError: in words"
    assert steps[lanes["skipped"]]["ph"] == "i"
    assert [e["args"]["critical"] for e in (steps[lanes["history"]], steps[lanes["broken"]])] == [True, False]


async def test_arrows_bind_to_the_spans_that_they_join(run):
    """A flow event binds to the span that encloses its moment on its lane."""
    report = await run()
    trace = build_trace(report)
    steps = spans(trace, "step")
    starts = {e["id"]: e for e in trace["traceEvents"] if e["ph"] == "s"}
    ends = {e["id"]: e for e in trace["traceEvents"] if e["ph"] == "f"}
    assert starts.keys() == ends.keys()
    assert len(starts) == 2  # user -> write -> history; what was skipped has no span
    for number, start in starts.items():
        source, target = steps[start["tid"]], steps[ends[number]["tid"]]
        assert source["ts"] <= start["ts"] < source["ts"] + source["dur"]
        assert target["ts"] <= ends[number]["ts"] <= target["ts"] + target["dur"]
        assert start["ts"] <= ends[number]["ts"]


async def test_report_without_values_gives_the_same_trace(run):
    """So that the trace of a run that is long over can be made when somebody asks."""
    report = await run()
    kept = build_trace(report.without_values())
    told = build_trace(report)
    for event in told["traceEvents"] + kept["traceEvents"]:
        event.get("args", {}).pop("error", None)
    assert kept == told
