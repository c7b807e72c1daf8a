"""`limit`, and the limits of runners and registry; on a virtual clock."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp_steps import Limits, step
from aiohttp_steps.errors import DefinitionError, StepShedError
from aiohttp_steps.policies.slots import Slots
from aiohttp_steps.types import Call

pytestmark = pytest.mark.looptime


@pytest.fixture
def overlap():
    """Return a body of one second, and how many of it ran at once at the most."""
    state = {"now": 0, "most": 0}

    async def body():
        state["now"] += 1
        state["most"] = max(state["most"], state["now"])
        try:
            await asyncio.sleep(1)
        finally:
            state["now"] -= 1

    return body, state


@pytest.fixture
def make_call(registry, add):
    """Return a function that makes calls of some step, of no run."""

    @step
    async def some(): ...

    add(some)
    return lambda *, required=True: Call(registry.steps[0], None, {}, required=required)


async def run_many(registry, times, **options):
    return await asyncio.gather(*[registry.run("v", **options) for _ in range(times)])


async def test_no_more_runs_of_a_step_than_its_limit(registry, add, overlap):
    """The others wait, in order, and their wait is queue wait."""
    body, state = overlap

    @step(concurrency="parallel", views=["v"], limit=2)
    async def limited():
        await body()

    add(limited)
    reports = await run_many(registry, 5)
    assert state == {"now": 0, "most": 2}
    assert [report.outcome("limited").queue_s for report in reports] == [0, 0, 1, 1, 2]


@pytest.mark.parametrize(
    "limits", [Limits(steps=2), Limits(runners={"loop": 2})], ids=["all steps", "steps of a runner"]
)
async def test_limits_of_the_registry_hold_over_all_steps(open_registry, make_plugin, overlap, limits):
    """Different steps share them."""
    body, state = overlap

    @step(concurrency="parallel", views=["v"])
    async def one():
        await body()

    @step(concurrency="parallel", views=["v"])
    async def two():
        await body()

    registry = open_registry(limits=limits)
    registry.register(make_plugin("p", one, two))
    reports = await run_many(registry, 3)
    assert state["most"] == 2
    assert all(report.completed for report in reports)


async def test_optional_steps_are_shed_when_too_many_wait(open_registry, make_plugin, overlap):
    """At once: a queue that only grows answers nobody in time."""
    body, _ = overlap

    @step(concurrency="parallel", views=["v"], limit=1)
    async def limited():
        await body()

    registry = open_registry(limits=Limits(waiting=1))
    registry.register(make_plugin("p", limited))
    reports = await run_many(registry, 3)
    assert [report.completed for report in reports] == [True, True, False]
    error = reports[2].errors["limited"]
    assert isinstance(error, StepShedError)
    assert (error.type, error.status, error.retry_after_s) == ("shed", 503, 1)
    assert reports[2].timing.wall_s == 0


async def test_required_step_takes_the_place_of_an_optional_one_that_waits(overlap, make_call):
    """Optional steps are shed first; the one that came last goes first."""
    body, _ = overlap
    slots = Slots("limit", 1, 2)

    async def use(*, required):
        call = make_call(required=required)
        await slots.acquire(call)
        try:
            await body()
        finally:
            slots.release(call)

    tasks = [asyncio.create_task(use(required=required)) for required in (True, False, False, True, True)]
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(result, StepShedError) for result in done] == [False, True, True, False, False]
    assert (slots.taken, slots.waiting) == (0, 0)


async def test_required_step_is_shed_when_only_required_ones_wait(overlap, make_call):
    """Somebody has to be refused, and the one that comes last is."""
    body, _ = overlap
    slots = Slots("limit", 1, 1)

    async def use():
        call = make_call()
        await slots.acquire(call)
        try:
            await body()
        finally:
            slots.release(call)

    done = await asyncio.gather(*[use() for _ in range(3)], return_exceptions=True)
    assert [type(result) for result in done] == [type(None), type(None), StepShedError]


async def test_cancelled_waiter_gives_its_place_and_its_slot_back(make_call):
    """Also when it got the slot and was cancelled in the same turn."""
    slots = Slots("limit", 1, 10)
    first = make_call()
    await slots.acquire(first)

    async def use():
        call = make_call()
        await slots.acquire(call)
        slots.release(call)
        return "used"

    second, third, fourth = (asyncio.create_task(use()) for _ in range(3))
    await asyncio.sleep(0)
    third.cancel()
    slots.release(first)
    second.cancel()
    assert await fourth == "used"
    await asyncio.wait([second, third])
    assert (slots.taken, slots.waiting) == (0, 0)


@pytest.mark.parametrize("limit", [0, -1, True, 1.5, "2"], ids=repr)
def test_limit_that_is_no_number_of_runs_is_refused(limit):
    """At the decorator, where the author sees it."""

    async def limited(): ...

    with pytest.raises(DefinitionError, match="whole number from 1 on"):
        step(limit=limit)(limited)
