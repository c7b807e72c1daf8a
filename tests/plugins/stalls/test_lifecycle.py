"""When the monitor watches, and that nothing of it is left."""

# ruff: noqa: ASYNC251 - what holds the loop is what is tested

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp_steps import StepRegistry, setup
from aiohttp_steps.errors import StepsError
from aiohttp_steps_stalls import StallMonitor, monitor_of, plugin, stalls_of
from aiohttp_steps_stalls.monitor import VARIABLE


def timers():
    """Return what is scheduled in this loop."""
    return [handle for handle in asyncio.get_running_loop()._scheduled if not handle.cancelled()]


def descriptors():
    folder = Path("/proc/self/fd")
    return {each.name for each in folder.iterdir()} if folder.is_dir() else set()


async def test_nothing_is_left_after_it_was_stopped(registry, watchers) -> None:
    """No thread, no timer, no open file: a test suite makes hundreds of applications."""
    before, files = len(timers()), descriptors()
    async with StallMonitor(registry, threshold_s=0.05):
        assert len(watchers()) == 1
        assert len(timers()) == before + 1
    assert watchers() == []
    assert len(timers()) == before
    assert descriptors() == files


async def test_nothing_is_left_when_it_is_stopped_in_a_stall(registry, watchers) -> None:
    """The thread looks just then; what it has seen is let go of."""

    class Held:
        pass

    async def block():
        held = Held()
        found = weakref.ref(held)
        time.sleep(0.4)
        return found

    async with StallMonitor(registry, threshold_s=0.05) as monitor:
        held = await asyncio.create_task(block())
    assert watchers() == []
    assert [stall.how for stall in monitor.stalls] == ["blocked"]
    gc.collect()
    assert held() is None


async def test_counts_and_stalls_are_kept_after_it_was_stopped(registry, add) -> None:
    """They are often read at the end."""

    async def blocks():
        time.sleep(0.4)

    add(blocks=blocks)
    async with StallMonitor(registry, threshold_s=0.05) as monitor:
        report = await registry.run("v")
    assert monitor.counts["blocks"].number == 1
    assert [stall.steps for stall in monitor.stalls_of(report)] == [("blocks",)]
    assert stalls_of(report) == ()


async def test_application_watches_while_it_runs(aiohttp_client, watchers) -> None:
    """Installed is active: the entry point's plugin needs no line of the app."""
    registry = StepRegistry()
    registry.register(plugin, "stalls")
    app = web.Application()
    setup(app, registry)
    monitor = monitor_of(registry)
    assert monitor is not None
    assert watchers() == []
    client = await aiohttp_client(app)
    assert len(watchers()) == 1
    await client.close()
    assert watchers() == []


async def test_applications_of_one_registry_share_a_watch(aiohttp_client, watchers) -> None:
    """Otherwise each stall would be counted twice; it ends with the last of them."""
    registry = StepRegistry()
    registry.register(plugin, "stalls")
    clients = []
    for _ in range(2):
        app = web.Application()
        setup(app, registry)
        clients.append(await aiohttp_client(app))
    assert len(watchers()) == 1
    await clients[0].close()
    assert len(watchers()) == 1
    await clients[1].close()
    assert watchers() == []


async def test_own_monitor_takes_the_place_of_the_installed_one(aiohttp_client, watchers) -> None:
    """Who wants another threshold need not block anything."""
    registry = StepRegistry()
    registry.register(plugin, "stalls")
    own = StallMonitor(threshold_s=0.5)
    registry.register(own, "my_stalls")
    app = web.Application()
    setup(app, registry)
    await aiohttp_client(app)
    assert monitor_of(registry) is own
    assert len(watchers()) == 1


async def test_clean_up_without_start_up_is_harmless(registry) -> None:
    """What failed to start is cleaned up all the same."""
    registry.register(plugin, "stalls")
    app = web.Application()
    setup(app, registry)
    await app.cleanup()


def test_monitor_serves_one_loop_after_another(watchers) -> None:
    """Also if one of them was closed without ending it."""
    monitor = StallMonitor(StepRegistry(), threshold_s=0.05)

    async def use():
        async with monitor:
            await asyncio.sleep(0)

    async def leave():
        monitor.start()

    asyncio.run(use())
    asyncio.run(leave())
    asyncio.run(use())
    assert len(watchers()) == 0


async def test_second_loop_at_once_is_refused() -> None:
    """One loop's beat says nothing of another."""
    monitor = StallMonitor(StepRegistry(), threshold_s=0.05)

    async def use():
        monitor.start()

    async with monitor:
        with pytest.raises(StepsError, match="make one for each"):
            await asyncio.to_thread(asyncio.run, use())


def test_registry_is_not_kept_alive() -> None:
    """Monitors are found by their registries, which come and go."""
    registry = StepRegistry()
    monitor = StallMonitor(registry)
    found = weakref.ref(registry)
    del registry
    gc.collect()
    assert found() is None
    assert monitor.stalls == ()


@pytest.mark.parametrize(("text", "threshold_s"), [(None, 0.01), ("25", 0.025), ("0.5", 0.0005)])
def test_threshold_comes_from_the_environment(monkeypatch, text, threshold_s) -> None:
    """The installed plugin has no other place to be told."""
    monkeypatch.delenv(VARIABLE, raising=False)
    if text is not None:
        monkeypatch.setenv(VARIABLE, text)
    assert StallMonitor().threshold_s == pytest.approx(threshold_s)


@pytest.mark.parametrize("text", ["ten", "-1", "nan"])
def test_threshold_that_makes_no_sense_is_refused(monkeypatch, text) -> None:
    """With the name of the variable: nobody remembers having set it."""
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(StepsError, match=VARIABLE):
        StallMonitor()


def test_threshold_below_zero_is_refused() -> None:
    """A loop always turns later than it did."""
    with pytest.raises(StepsError, match="threshold_s=-1"):
        StallMonitor(threshold_s=-1)


async def test_threshold_of_zero_turns_it_off(registry, watchers, monkeypatch) -> None:
    """Installed, and out of the way."""
    monkeypatch.setenv(VARIABLE, "0")
    async with StallMonitor(registry) as monitor:
        assert watchers() == []
        time.sleep(0.05)
        await asyncio.sleep(0)
    assert monitor.stalls == ()


async def test_loop_at_rest_is_woken_seldom_until_a_step_begins_in_a_thread(registry, add) -> None:
    """An idle server is woken by nothing else; the first request is watched as closely as the thousandth."""
    add(holds=lambda: None)
    async with StallMonitor(registry, threshold_s=0.05) as monitor:
        registry.register(monitor)
        watch = monitor._watch
        assert watch is not None
        usual_s = watch._beat_s
        watch._busy_at -= 60
        watch._judged_at = watch._base_at = 0.0
        watch._expect(time.monotonic())
        assert watch._beat_s == 4 * usual_s
        await registry.run("v")
        assert watch._beat_s == usual_s
        assert len([handle for handle in timers() if handle._callback == watch._beat]) == 1


async def test_monitor_goes_on_after_a_stall_that_it_could_not_explain(registry, add, watchers) -> None:
    """Whatever is wrong with one stall: the next one is another."""
    failed = asyncio.Event()
    asyncio.get_running_loop().set_exception_handler(lambda *_: failed.set())

    async def blocks():
        time.sleep(0.4)

    add(blocks=blocks)
    async with StallMonitor(registry, threshold_s=0.05) as monitor:
        monitor.counts = None  # what it keeps is broken
        await registry.run("v")
        await failed.wait()
        monitor.counts = {}
        await registry.run("v")
        assert [stall.steps for stall in monitor.stalls][-1] == ("blocks",)
