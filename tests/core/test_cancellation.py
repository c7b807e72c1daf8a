"""On each way out of a run every step has ended, or was cancelled and waited for."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from aiohttp_steps import hookimpl, step
from aiohttp_steps.types import Status

parallel = step(concurrency="parallel", views=["v"])
sequential = step(views=["v"])


async def turns(count):
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.looptime
async def test_siblings_of_a_failure_are_cancelled_and_waited_for(add, registry, others):
    """A sibling that still cleans up would touch a session that the response has closed."""
    done = []

    @step(concurrency="parallel", views=["v"], required=True)
    async def broken():
        await asyncio.sleep(1)
        raise LookupError("gone")

    @parallel
    async def tidy():
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(2)
            done.append("tidy")

    add(broken, tidy)
    report = await registry.run("v")

    assert done == ["tidy"]
    assert others() == set()
    assert [o.status for o in report.outcomes] == [Status.FAILED, Status.CANCELLED]
    assert report.outcome("tidy").error is None
    assert report.timing.wall_s == 3.0


@pytest.mark.looptime
async def test_what_goes_wrong_in_clean_up_does_not_replace_the_failure(add, registry):
    """The client must hear of the cause, not of its echo."""

    @step(concurrency="parallel", views=["v"], required=True)
    async def broken():
        await asyncio.sleep(1)
        raise LookupError("gone")

    @step(concurrency="parallel", views=["v"], required=True)
    async def untidy():
        try:
            await asyncio.sleep(100)
        finally:
            raise RuntimeError("while cleaning up")

    add(broken, untidy)
    report = await registry.run("v")
    assert report.failure.step.name == "broken"
    assert str(report.errors["untidy"]) == "while cleaning up"


@pytest.mark.looptime
async def test_a_step_that_will_not_be_cancelled_is_waited_for(add, registry, others):
    """There is no safe way to leave it: it may be in the middle of a write."""

    @step(concurrency="parallel", views=["v"], required=True)
    async def broken():
        await asyncio.sleep(1)
        raise LookupError("gone")

    @parallel
    async def stubborn():
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            await asyncio.sleep(5)
        return "done"

    @parallel
    async def dependent(*, stubborn):
        pytest.fail("started although the run was over")

    add(broken, stubborn, dependent)
    report = await registry.run("v")
    assert report["stubborn"] == "done"
    assert report.timing.wall_s == 6.0
    assert report.outcome("dependent").status is Status.NOT_STARTED
    assert others() == set()


@pytest.mark.looptime
@pytest.mark.parametrize("times", [1, 2, 3], ids=["once", "twice", "three_times"])
async def test_cancelling_the_request_leaves_nothing(add, registry, others, times):
    """The client left, then the server shuts down: a second cancellation must not cut the clean-up short."""
    done = []

    @parallel
    async def one():
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(5)
            done.append("one")

    @parallel
    async def two():
        await asyncio.sleep(100)

    add(one, two)
    task = asyncio.create_task(registry.run("v"))
    for _ in range(times):
        await asyncio.sleep(1)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert done == ["one"]
    assert others() == set()
    assert asyncio.get_running_loop().time() == 6.0


@pytest.mark.looptime
@pytest.mark.parametrize("wait", range(8))
@pytest.mark.parametrize("shape", ["alone", "together", "chain", "gates", "failing"])
async def test_a_run_can_be_cancelled_at_each_of_its_turns(add, registry, others, shape, wait):
    """Every `await` is a place where the client may leave, also the one where the run is ending anyway."""
    open_now = set()

    def make(name, parameters="", **options):
        namespace = {"open_now": open_now, "turns": turns, "name": name, "fails": options.pop("fails", False)}
        source = f"""async def {name}({parameters}):
            open_now.add(name)
            try:
                await turns(2)
                if fails:
                    raise LookupError(name)
            finally:
                try:
                    await turns(2)
                finally:
                    open_now.discard(name)"""
        exec(source, namespace)
        return step(views=["v"], **options)(namespace[name])

    steps = {
        "alone": [make("a")],
        "together": [make(name, concurrency="parallel") for name in "abc"],
        "chain": [
            make("a", concurrency="parallel"),
            make("b", concurrency="parallel"),
            make("c", "*, a", concurrency="parallel"),
        ],
        "gates": [make("a", concurrency="gate"), make("b", concurrency="parallel"), make("c")],
        "failing": [
            make("a", concurrency="parallel", required=True, fails=True),
            make("b", concurrency="parallel"),
        ],
    }
    add(*steps[shape])
    task = asyncio.create_task(registry.run("v"))
    await turns(wait)
    task.cancel()
    await turns(1)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        assert task.cancelled()

    assert open_now == set()
    assert others() == set()


@pytest.mark.looptime
async def test_a_timeout_around_a_run_stays_a_timeout(add, registry, others):
    """Apps put their own limits around a view: `asyncio.timeout` must see its own cancellation come back."""

    @parallel
    async def one():
        await asyncio.sleep(100)

    @step(concurrency="parallel", views=["v"], timeout=50.0)
    async def two():
        await asyncio.sleep(100)

    add(one, two)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await registry.run("v")
    assert others() == set()
    assert asyncio.current_task().cancelling() == 0


@pytest.mark.looptime
async def test_cancellation_reaches_the_second_step_of_a_worker(add, registry, others):
    """The second step is driven by hand; what is thrown into its task has to reach it, and its clean-up."""
    seen = []

    @parallel
    async def neighbour():
        await asyncio.sleep(100)

    @parallel
    async def first():
        await asyncio.sleep(1)

    @parallel
    async def second(*, first):
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            await asyncio.sleep(3)
            seen.append("cancelled")
            raise

    add(neighbour, first, second)
    task = asyncio.create_task(registry.run("v"))
    await asyncio.sleep(2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["cancelled"]
    assert asyncio.get_running_loop().time() == 5.0
    assert others() == set()


@pytest.mark.looptime
@pytest.mark.parametrize("place", ["alone", "together", "second"])
async def test_a_cancelled_error_of_a_step_passes(add, registry, others, place):
    """Cancellation is addressed to the task: a step that meets it cannot turn it into a failed panel."""
    ended = []

    @parallel
    async def first():
        await asyncio.sleep(1)

    async def cancelled(*, first=None):
        raise asyncio.CancelledError

    @parallel
    async def neighbour():
        try:
            await asyncio.sleep(100)
        finally:
            ended.append("neighbour")

    kind = "sequential" if place == "alone" else "parallel"
    add(*{"alone": [], "together": [neighbour], "second": [first, neighbour]}[place])
    add(step(concurrency=kind, views=["v"], required=False)(cancelled), plugin="q")
    with pytest.raises(asyncio.CancelledError):
        await registry.run("v")
    assert ended == ([] if place == "alone" else ["neighbour"])
    assert others() == set()


@pytest.mark.parametrize("when", ["at_once", "later"])
@pytest.mark.parametrize("place", ["alone", "together", "second"])
def test_keyboard_interrupt_passes(add, registry, place, when):
    """Ctrl-C in the middle of a step ends the program, not the step; still everything is cleaned up."""
    started, ended = [], []

    @parallel
    async def first(): ...

    async def interrupted(*, first=None):
        if when == "later":
            await asyncio.sleep(0)
        raise KeyboardInterrupt

    @parallel
    async def neighbour():
        started.append("neighbour")
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("neighbour")

    add(*{"alone": [], "together": [neighbour], "second": [first, neighbour]}[place])
    kind = "sequential" if place == "alone" else "parallel"
    add(step(concurrency=kind, views=["v"], required=False)(interrupted), plugin="q")

    loop = asyncio.new_event_loop()
    try:
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(registry.run("v"))
        for task in asyncio.all_tasks(loop):
            task.cancel()
            # One that had no turn yet finds the run over, and just returns.
            with contextlib.suppress(asyncio.CancelledError, KeyboardInterrupt):
                loop.run_until_complete(task)
    finally:
        loop.close()
    assert ended == started


async def test_a_run_that_was_cancelled_before_its_first_turn_never_began(add, registry):
    """A request that is gone already costs nothing."""

    @parallel
    async def one():
        pytest.fail("started")

    add(one)
    task = asyncio.create_task(registry.run("v"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.looptime
async def test_a_task_group_inside_of_steps_works_as_elsewhere(add, registry, others):
    """Task groups cancel the task that they are in; that must stay between them and the step."""

    async def broken():
        raise ValueError("inner")

    async def grouped(*, first=None):
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(100))
            group.create_task(broken())

    @parallel
    async def first(): ...

    @parallel
    async def neighbour():
        await asyncio.sleep(1)

    add(first, neighbour, parallel(grouped))
    report = await registry.run("v")
    assert isinstance(report.errors["grouped"], ExceptionGroup)
    assert [o.step.name for o in report.outcomes if o.status is Status.SUCCEEDED] == ["first", "neighbour"]
    assert others() == set()


@pytest.mark.looptime
async def test_a_run_that_was_cancelled_is_reported_as_such(registry, make_plugin):
    """Whoever counts what is under way, or opened a span, must hear of each end."""
    told = []

    @parallel
    async def one():
        await asyncio.sleep(100)

    @parallel
    async def two(): ...

    @parallel
    async def three(*, one): ...

    @hookimpl
    def steps_run_started(run):
        told.append(run)

    @hookimpl
    def steps_run_finished(report):
        told.append(report)

    plugin = make_plugin("p", one, two, three, steps_run_started, steps_run_finished)
    registry.register(plugin)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await registry.run("v")
    run, report = told
    assert report.run is run
    assert report.cancelled
    assert not report.completed
    assert {o.step.name: o.status for o in report.outcomes} == {
        "one": Status.CANCELLED,
        "two": Status.SUCCEEDED,
        "three": Status.NOT_STARTED,
    }
    assert report.timing.wall_s == 1
