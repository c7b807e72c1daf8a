"""Policy `timeout`: how long a body may run; on a virtual clock."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from aiohttp_steps import hookimpl, step
from aiohttp_steps.errors import StepTimeoutError
from aiohttp_steps.types import Status

pytestmark = pytest.mark.looptime


@pytest.fixture
def run(add, registry):
    """Return a function that runs one async function as a step with these options."""

    async def call(function, **options):
        function.__name__ = "limited"
        add(step(**{"concurrency": "parallel", "views": ["v"], **options})(function))
        return await registry.run("v")

    return call


async def test_a_step_that_runs_too_long_is_cancelled(run):
    """The limit belongs to the step, and so does the message."""
    ended = []

    async def slow():
        try:
            await asyncio.sleep(10)
        finally:
            ended.append(True)

    report = await run(slow, timeout=2.5)
    outcome = report.outcome("limited")
    assert outcome.status is Status.TIMED_OUT
    assert (outcome.run_s, report.timing.wall_s) == (2.5, 2.5)
    assert ended == [True]
    error = outcome.error
    assert isinstance(error, StepTimeoutError)
    assert not isinstance(error, TimeoutError)
    assert (error.limit_s, error.waiting, error.status, error.type) == (2.5, False, 504, "timeout")
    assert str(error) == "ran longer than 2.5 s"


async def test_a_step_within_its_limit_succeeds(run):
    """A limit that is not passed changes nothing."""

    async def quick():
        await asyncio.sleep(2)
        return 1

    report = await run(quick, timeout=2.5, queue_timeout=1)
    assert report["limited"] == 1
    assert report.outcome("limited").run_s == 2.0


async def test_the_queue_timeout_does_not_count_running(run):
    """A step of the loop starts at once, so its queue timeout never applies."""

    async def slow():
        await asyncio.sleep(10)

    report = await run(slow, queue_timeout=1.0)
    assert report.completed


async def test_a_late_value_is_no_success(run):
    """A step that swallows its cancellation may not make its limit longer."""

    async def stubborn():
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            await asyncio.sleep(1)
        return "late"

    report = await run(stubborn, timeout=2.0)
    outcome = report.outcome("limited")
    assert outcome.status is Status.TIMED_OUT
    assert outcome.run_s == 3.0
    assert asyncio.current_task().cancelling() == 0


async def test_an_error_raised_while_timing_out_is_the_cause(run):
    """It timed out, and then its clean-up failed: both are told."""

    async def untidy():
        try:
            await asyncio.sleep(10)
        finally:
            raise LookupError("while cleaning up")

    error = (await run(untidy, timeout=2.0)).errors["limited"]
    assert isinstance(error, StepTimeoutError)
    assert isinstance(error.__cause__, LookupError)


@pytest.mark.parametrize("kind", ["gate", "sequential", "parallel"])
async def test_a_required_step_that_times_out_ends_the_run(run, kind):
    """Limits apply to each class of steps, also in the request's own task."""

    async def slow():
        await asyncio.sleep(10)

    report = await run(slow, timeout=1.0, concurrency=kind, required=True)
    with pytest.raises(StepTimeoutError, match=r"ran longer than 1\.0 s"):
        report.raise_for_failure()


async def test_a_default_stands_in_for_a_step_that_times_out(run):
    """The commonest use of a default: better an old answer than a late one."""

    async def slow():
        await asyncio.sleep(10)

    report = await run(slow, timeout=1.0, default="stale")
    assert report["limited"] == "stale"
    assert report.outcome("limited").status is Status.TIMED_OUT


async def test_a_cancellation_from_outside_is_no_timeout(add, registry):
    """A client that left is not a slow step."""

    @step(views=["v"], timeout=10.0)
    async def slow():
        await asyncio.sleep(100)

    add(slow)
    task = asyncio.create_task(registry.run("v"))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.get_running_loop().time() == 1.0


class LateRunner:
    """Starts a body while its queue timeout is being handled, as a thread may."""

    name = "late"

    def bind(self, step):
        async def call(call):
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                call.mark_started(asyncio.get_running_loop().time())
                raise

        return call

    async def close(self): ...

    def left_behind(self):
        return ()


async def test_a_body_that_starts_while_its_queue_timeout_is_handled_has_waited_too_long(registry, run):
    """Two limits, two messages: this one must not say that it ran longer than no time at all."""
    runners = [LateRunner()]
    registry.register(
        SimpleNamespace(step_runners=hookimpl(specname="step_runners")(lambda: runners)), "late"
    )

    async def late(): ...

    error = (await run(late, runner="late", queue_timeout=1.0)).errors["limited"]
    assert str(error) == "waited to start longer than 1.0 s"
    assert error.waiting


async def test_a_middleware_outside_learns_of_the_start_too(registry, run):
    """`on_start` is handed on: a limit must not take it from those who asked first."""
    told = []

    def step_middleware(step):
        def middleware(call_next):
            def call(call):
                call.on_start = lambda: told.append(call.started_at)
                return call_next(call)

            return call

        return middleware

    registry.register(
        SimpleNamespace(step_middleware=hookimpl(specname="step_middleware")(step_middleware)), "telemetry"
    )

    async def quick(): ...

    assert (await run(quick, timeout=1.0)).completed
    assert told == [0.0]
