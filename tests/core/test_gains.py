"""What-if: what parallelism brings to a run, worked out from the times of one run."""

from __future__ import annotations

import asyncio

import looptime
import pytest
from aiohttp_steps import exclusive, step
from aiohttp_steps.testing import run_steps
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.looptime


def make(name, seconds, *, takes="", **options):
    """Make a step that takes so many virtual seconds."""
    source = f"async def {name}(*, {takes}): await sleep({seconds})" if takes else None
    source = source or f"async def {name}(): await sleep({seconds})"
    scope = {"sleep": asyncio.sleep}
    exec(source, scope)
    return step(views=["v"], **options)(scope[name])


async def test_seed_gains_what_its_parallel_steps_hide(add, registry):
    """The example of the project's beginning: the longest decides, and the others are free beside it."""
    times = {"history": 117, "status": 19, "branch": 9}
    add(*[make(name, seconds, concurrency="parallel") for name, seconds in times.items()])
    report = await registry.run("v")
    assert report.timing.wall_s == 117
    assert report.what_if == {"history": 19, "status": 19, "branch": 9}


async def test_sequential_step_says_what_it_would_bring_to_make_it_parallel(add, registry):
    """That is the number to look at before anybody claims that a step is safe."""
    add(make("slow", 10), make("quick", 4), make("history", 7, concurrency="parallel"))
    report = await registry.run("v")
    assert report.timing.wall_s == 21
    # "history" runs after the sequential ones in any case: a step made parallel runs beside it.
    assert report.what_if == {"slow": 7, "quick": 4, "history": 0}


async def test_order_that_data_demands_gains_nothing(add, registry):
    """A chain stays a chain, whatever class its links have."""
    add(make("first", 3), make("second", 4, takes="first"))
    report = await registry.run("v")
    assert report.what_if == {"first": 0, "second": 0}


async def test_gates_are_left_out(add, registry):
    """A gate is a gate by law: nobody may be told to make it parallel."""
    add(make("user", 5, concurrency="gate"), make("page", 1, concurrency="parallel"))
    report = await registry.run("v")
    assert list(report.what_if) == ["page"]


async def test_exclusive_step_counts_as_sequential(add, registry):
    """What the key costs the request itself; what it protects is for its author to know."""
    commit = make("commit", 5, concurrency=exclusive("repo:{project}"), takes="project")
    add(commit, make("page", 3, concurrency="parallel"))
    report = await registry.run("v", inputs={"project": "x"})
    assert report.what_if == {"commit": 3, "page": 0}


async def test_times_of_a_sequential_run_say_what_the_parallel_one_would_bring(add, registry):
    """Whoever went back to sequential runs sees what that costs."""
    add(make("slow", 10, concurrency="parallel"), make("quick", 4, concurrency="parallel"))
    report = await registry.run("v", sequential=True)
    assert report.timing.wall_s == 14
    assert report.what_if == {"slow": 4, "quick": 4}


@settings(max_examples=25)
@given(
    times=st.lists(st.integers(0, 9), min_size=1, max_size=6),
    kinds=st.lists(st.sampled_from(["sequential", "parallel"]), min_size=6, max_size=6),
    data=st.data(),
)
def test_estimates_are_what_the_changed_plan_really_takes(times, kinds, data):
    """Each estimate is held against a run of the steps with that one step in the other class."""
    takes = [
        data.draw(st.sampled_from([""] + [f"s{n}" for n in range(at)]), label=f"s{at} takes")
        for at in range(len(times))
    ]

    def run(changed=None):
        steps = []
        for at, seconds in enumerate(times):
            kind = kinds[at]
            if at == changed:
                kind = "parallel" if kind == "sequential" else "sequential"
            steps.append(make(f"s{at}", seconds, takes=takes[at], concurrency=kind))
        loop = looptime.new_event_loop()
        try:
            return loop.run_until_complete(run_steps(*steps))
        finally:
            loop.close()

    now = run()
    for at, kind in enumerate(kinds[: len(times)]):
        difference = run(changed=at).timing.wall_s - now.timing.wall_s
        expected = difference if kind == "parallel" else -difference
        assert now.what_if[f"s{at}"] == pytest.approx(max(0, expected))
