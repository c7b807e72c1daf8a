"""Who is named for a loop that did not turn: real holds, of lengths that a busy machine does not make."""

# ruff: noqa: ASYNC251 - what holds the loop is what is tested

from __future__ import annotations

import asyncio
import functools
import threading
import time
from types import SimpleNamespace

import pytest
from aiohttp import web
from aiohttp_steps import StepRegistry, hookimpl, inject, setup, step
from aiohttp_steps_stalls import StallMonitor, monitor_of, stalls_of

# Real threads on a machine that others use too: it may hide one hold from who looks, but not three in a row.
pytestmark = pytest.mark.flaky(reruns=2)

BASE = 3**20_000


async def test_step_that_holds_the_gil_in_a_thread_is_named(add, registry, monitor, hold_gil) -> None:
    """This is `git_status` by `Repository.status()`: parallel in name only."""

    def git_status():
        return hold_gil()

    async def other():
        await asyncio.sleep(0)

    add("git", git_status=git_status, other=other)
    report = await registry.run("v")
    (stall,) = stalls_of(report)
    assert (stall.how, stall.steps, stall.plugins) == ("gil", ("git_status",), ("git",))
    assert stall.lasted_s > 0.05
    assert stall.where.startswith(f"{__file__}:")
    assert "hold_gil" in stall.inside


async def test_step_that_has_left_the_stack_is_named(add, registry, monitor, exponent) -> None:
    """An operator gives nobody else a turn: when they get one, the body has returned."""
    add(git_status=lambda: BASE**exponent, other=lambda: time.sleep(0.3))
    report = await registry.run("v")
    assert {(stall.how, stall.steps) for stall in stalls_of(report)} == {("gil", ("git_status",))}


async def test_step_whose_start_is_waited_for_is_named(add, registry, monitor, exponent) -> None:
    """With a timeout the loop hears of the start only when it turns again, which is too late."""
    add(git_status=lambda: BASE**exponent, timeout=60)
    report = await registry.run("v")
    assert {(stall.how, stall.steps) for stall in stalls_of(report)} == {("gil", ("git_status",))}


async def test_steps_behind_decorators_and_in_objects_are_named(registry, monitor, hold_gil, named) -> None:
    """A decorator's own code is shared by all that it decorates, so that it names nobody."""

    def decorated(function):
        @functools.wraps(function)
        def call(*arguments, **keywords):
            return function(*arguments, **keywords)

        return call

    class Plugin:
        @step(concurrency="parallel", views=["v"])
        @decorated
        def guilty(self):
            return hold_gil()

        @step(concurrency="parallel", views=["v"])
        @decorated
        def innocent(self):
            time.sleep(0.3)

    registry.register(Plugin())
    await registry.run("v")
    assert named(monitor) == {"guilty"}


@pytest.mark.parametrize("how", ["sleeps", "computes", "computes in Python"])
async def test_async_step_that_does_not_await_is_named(add, registry, monitor, hold_gil, how) -> None:
    """The classic: something slow in an `async def`."""

    async def summary():
        await asyncio.sleep(0)
        if how == "sleeps":
            time.sleep(0.4)
        elif how == "computes":
            hold_gil()
        else:
            ends_at = time.thread_time() + 0.3
            while time.thread_time() < ends_at:
                pass

    async def other():
        await asyncio.sleep(0)

    add(summary=summary, other=other)
    report = await registry.run("v")
    stalls = stalls_of(report)
    assert {(stall.how, stall.steps) for stall in stalls} == {("blocked", ("summary",))}
    assert all(stall.where.startswith(f"{__file__}:") for stall in stalls)


async def test_step_that_blocks_without_a_processor_is_named_while_others_compute(
    add, registry, monitor, hash_without_gil, named
) -> None:
    """The thread that computes has most of the time, and lets go of the GIL: it is not what held the loop."""

    async def waits():
        threading.Event().wait(0.4)

    add(waits=waits, hashes=lambda: hash_without_gil())  # noqa: PLW0108 - not marked for other tests
    await registry.run("v")
    assert named(monitor) == {"waits"}


@pytest.mark.parametrize("kind", ["sleeps", "hashes"])
async def test_step_that_lets_go_of_the_gil_is_not_named(
    add, registry, monitor, hash_without_gil, named, kind
) -> None:
    """That is what threads are for."""
    add(innocent=lambda: hash_without_gil() if kind == "hashes" else time.sleep(0.3))
    await registry.run("v")
    assert named(monitor) == set()


async def test_guilty_thread_is_told_from_one_that_sleeps(add, registry, monitor, hold_gil, named) -> None:
    """Who has not had a processor cannot have held the GIL."""

    def innocent():
        time.sleep(0.4)

    def guilty():
        return hold_gil()

    add(innocent=innocent, guilty=guilty)
    await registry.run("v")
    assert named(monitor) == {"guilty"}


async def test_guilty_thread_is_told_from_one_that_computes(
    add, registry, monitor, hold_gil, hash_without_gil
) -> None:
    """Both had a processor all the time; one of them runs on while somebody else has the GIL.

    Where the machine stopped it just then they cannot be told apart, and both are suspects: so not each time.
    """

    def innocent():
        hash_without_gil()

    def guilty():
        return hold_gil()

    add(innocent=innocent, guilty=guilty)
    for _ in range(20):
        await registry.run("v")
        blamed = [stall.steps for stall in monitor.stalls]
        if ("guilty",) in blamed:
            break
    assert ("guilty",) in blamed


async def test_steps_made_of_one_function_are_told_apart_by_who_runs(
    add, registry, monitor, hold_gil
) -> None:
    """A factory makes many steps of one code."""

    def make(function):
        return lambda: function()  # noqa: PLW0108 - the code that they share

    add("a", view="a", guilty=make(hold_gil))
    add("b", view="b", idle=make(lambda: None))
    report = await registry.run("a")
    assert {stall.steps for stall in stalls_of(report)} == {("guilty",)}


async def test_steps_registered_later_are_named(add, registry, monitor, hold_gil, named) -> None:
    """Plugins may come while an application runs."""
    add("first", view="a", idle=lambda: None)
    await registry.run("a")
    add("second", view="b", late=lambda: hold_gil())  # noqa: PLW0108 - the code of its own
    await registry.run("b")
    assert named(monitor) == {"late"}


@pytest.mark.parametrize("is_asleep", [True, False], ids=["sleeps", "computes"])
async def test_handler_that_blocks_names_no_step(aiohttp_client, hold_gil, is_asleep) -> None:
    """The steps before it are done, and not to blame; where it is, is told."""
    hold = functools.partial(time.sleep, 0.2) if is_asleep else hold_gil

    class Plugin:
        def __init__(self):
            self.stalls = []

        @step(concurrency="parallel")
        async def branch(self):
            return "main"

        @hookimpl(optionalhook=True)
        def step_stalled(self, stall):
            self.stalls.append(stall)

    @inject
    async def handler(request, *, branch):
        hold()
        return web.Response(text=branch)

    registry = StepRegistry()
    plugin = Plugin()
    registry.register(plugin)
    registry.register(StallMonitor(threshold_s=0.05), "stalls")
    app = web.Application()
    app.router.add_get("/", handler)
    setup(app, registry)
    client = await aiohttp_client(app)
    assert await (await client.get("/")).text() == "main"
    await asyncio.sleep(0)
    stalls = monitor_of(registry).stalls
    assert {(stall.how, stall.steps) for stall in stalls} == {("blocked", ())}
    # Who computes lets nobody look before it is over, and the same callback may have gone on then.
    if is_asleep:
        assert all(__file__.rpartition("/")[0] in stall.where for stall in stalls)
    assert tuple(plugin.stalls) == stalls


async def test_thread_that_is_no_steps_names_no_step(registry, monitor, hold_gil) -> None:
    """The GIL may be held by anybody: the line is told."""

    def elsewhere():
        return hold_gil()

    await asyncio.to_thread(elsewhere)
    (stall,) = monitor.stalls
    assert (stall.how, stall.steps) == ("gil", ())
    assert "conftest.py" in stall.where
    assert monitor.counts == {}


async def test_stalls_are_counted_per_step(add, registry, monitor, hold_gil) -> None:
    """What the log leaves out is in the counts."""

    async def blocks():
        time.sleep(0.4)

    def holds():
        return hold_gil()

    add("a", view="a", blocks=blocks)
    add("b", view="b", holds=holds)
    for number, view in enumerate("abb", start=1):
        await registry.run(view)
        # Where nobody looks, stalls without a turn between them are one.
        assert len([stall for stall in monitor.stalls if stall.steps]) == number
    count = monitor.counts["holds"]
    assert (count.step, count.plugin, count.number, count.gil, count.blocked) == ("holds", "b", 2, 2, 0)
    assert 0.05 < count.worst_s < count.total_s
    assert (monitor.counts["blocks"].number, monitor.counts["blocks"].blocked) == (1, 1)


@pytest.mark.parametrize("sequential", [False, True], ids=["parallel", "sequential"])
async def test_report_of_the_run_that_stalled_has_it_at_once(add, registry, monitor, sequential) -> None:
    """The run may end in the very turn in which the stall does, before the next beat."""

    async def blocks():
        time.sleep(0.4)

    async def idle():
        return None

    async def innocent():
        return None

    add("a", view="a", blocks=blocks, idle=idle)
    add("b", view="b", innocent=innocent)
    seen = []

    class Listener:
        @hookimpl
        def steps_run_finished(self, report):
            seen.append((report.view, [stall.steps for stall in stalls_of(report)]))

    registry.register(Listener())
    before = await registry.run("b", sequential=sequential)
    report = await registry.run("a", sequential=sequential)
    after = await registry.run("b", sequential=sequential)
    assert [stall.steps for stall in stalls_of(report)] == [("blocks",)]
    assert seen == [("b", []), ("a", [("blocks",)]), ("b", [])]
    assert stalls_of(before) == stalls_of(after) == ()
    assert [stall.steps for stall in stalls_of(report.without_values())] == [("blocks",)]


async def test_report_of_another_run_of_the_same_step_has_nothing(add, registry, monitor, hold_gil) -> None:
    """A step that stalls once a day must not look guilty in each report."""
    holds = True

    def sometimes():
        return hold_gil() if holds else None

    add(sometimes=sometimes)
    first = await registry.run("v")
    holds = False
    second = await registry.run("v")
    assert [stall.steps for stall in stalls_of(first)] == [("sometimes",)]
    assert stalls_of(second) == ()
    assert stalls_of(first) == stalls_of(first)


def test_monitor_names_steps_by_identity() -> None:
    """A registry's own monitor is found by it; a registry without one has none."""
    registry = StepRegistry()
    assert monitor_of(registry) is None
    monitor = StallMonitor(registry)
    assert monitor_of(registry) is monitor
    registry.register(SimpleNamespace(), "p")


async def test_step_of_another_registry_is_not_counted_here(add, registry, monitor, exponent) -> None:
    """Two registries in one process may have steps of one name."""

    def guilty():
        return BASE**exponent

    async with StepRegistry() as other:
        other.register(SimpleNamespace(guilty=step(concurrency="parallel", views=["v"])(guilty)), "p")
        other.register(SimpleNamespace(step_middleware=monitor.step_middleware), "stalls")
        add(guilty=lambda: None)
        await other.run("v")
    assert {(stall.how, stall.steps) for stall in monitor.stalls} == {("gil", ())}
    assert monitor.counts == {}
