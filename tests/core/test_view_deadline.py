"""A deadline for a whole run, handed down to its steps; on a virtual clock."""

from __future__ import annotations

import asyncio
import threading

import pytest
from aiohttp_steps import step
from aiohttp_steps.errors import StepTimeoutError
from aiohttp_steps.types import Status

pytestmark = pytest.mark.looptime


async def test_what_has_not_ended_by_then_has_timed_out(registry, add, others):
    """What has ended keeps its result: a partial answer in time beats a whole one too late."""

    @step(concurrency="parallel", views=["v"])
    async def quick():
        return 1

    @step(concurrency="parallel", views=["v"])
    async def slow():
        await asyncio.sleep(10)

    @step(concurrency="parallel", views=["v"], default="instead")
    async def later(*, slow): ...

    add(quick, slow, later)
    report = await registry.run("v", deadline_s=2)
    assert report.timing.wall_s == 2
    assert report["quick"] == 1
    assert report["later"] == "instead"
    assert report.failure is None
    statuses = [report.outcome(name).status for name in ("slow", "later")]
    assert statuses == [Status.TIMED_OUT, Status.TIMED_OUT]
    error = report.errors["slow"]
    assert isinstance(error, StepTimeoutError)
    assert (error.of_view, error.waiting, str(error)) == (True, False, "ran longer than the 2 s of its view")
    assert report.errors["later"].waiting
    assert not others()


async def test_required_step_that_has_not_ended_fails_the_run(registry, add):
    """As it would by a timeout of its own."""

    @step(views=["v"])
    async def write():
        await asyncio.sleep(10)

    add(write)
    report = await registry.run("v", deadline_s=2)
    assert report.failure is not None
    assert report.failure.step.name == "write"
    assert report.failure.error.status == 504


async def test_run_within_its_deadline_is_not_touched(registry, add):
    """The deadline belongs to the run, not to what comes after it."""

    @step(views=["v"])
    async def write():
        await asyncio.sleep(1)

    add(write)
    report = await registry.run("v", deadline_s=2)
    await asyncio.sleep(5)
    assert report.completed


async def test_cancellation_from_outside_is_no_deadline(registry, add):
    """It passes, as without a deadline."""

    @step(views=["v"])
    async def write():
        await asyncio.sleep(10)

    add(write)
    run = asyncio.create_task(registry.run("v", deadline_s=20))
    await asyncio.sleep(1)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


@pytest.mark.looptime(False)
async def test_thread_does_not_hold_up_the_deadline(registry, add, wait_until):
    """It cannot be stopped, so it is left behind and counted, as after a timeout of its own."""
    release = threading.Event()

    @step(concurrency="parallel", views=["v"])
    def stuck():
        release.wait(10)

    @step(concurrency="parallel", views=["v"])
    async def beside(): ...

    add(stuck, beside)
    report = await registry.run("v", deadline_s=0.4)
    assert report.outcome("stuck").status is Status.TIMED_OUT
    assert registry.left_behind() == ("stuck",)
    release.set()
    await wait_until(lambda: not registry.left_behind())
