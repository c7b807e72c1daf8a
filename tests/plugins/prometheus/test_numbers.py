"""What is counted of runs, steps, threads and stalls."""

from __future__ import annotations

import asyncio
import gc
import threading
from dataclasses import dataclass

import pytest
from aiohttp import web
from aiohttp_steps import Limits, StepRegistry, exclusive, step
from aiohttp_steps_prometheus import Metrics
from pluggy import HookspecMarker
from prometheus_client import CollectorRegistry

parallel = step(concurrency="parallel", views=["v"])


@pytest.mark.looptime
async def test_times_of_runs_and_steps_are_histograms(registry, add, numbers):
    """By view, and by view and step; in seconds."""

    @parallel
    async def long():
        await asyncio.sleep(3)

    @parallel
    async def short():
        await asyncio.sleep(0.02)

    add(long, short)
    await registry.run("v")
    await registry.run("v")
    assert numbers("run_duration_seconds_count", view="v") == 2
    assert numbers("run_duration_seconds_sum", view="v") == 6
    assert numbers("step_run_seconds_count", view="v", step="long") == 2
    assert numbers("step_run_seconds_sum", view="v", step="long") == 6
    assert numbers("step_run_seconds_sum", view="v", step="short") == pytest.approx(0.04)
    assert numbers("step_run_seconds_bucket", view="v", step="short", le="0.01") == 0
    assert numbers("step_run_seconds_bucket", view="v", step="short", le="0.025") == 2
    assert numbers("step_queue_wait_seconds_count", view="v", step="long") == 2
    assert numbers("step_queue_wait_seconds_sum", view="v", step="long") == 0


@pytest.mark.looptime
async def test_waits_are_counted_apart_and_locks_for_exclusive_steps_alone(registry, add, numbers):
    """The rest would be zeros, of which there are many as it is."""

    @step(concurrency=exclusive("key"), views=["v"])
    async def write():
        await asyncio.sleep(2)

    @step(concurrency="parallel", views=["v"], limit=1)
    async def upstream():
        await asyncio.sleep(1)

    add(write, upstream)
    await asyncio.gather(registry.run("v"), registry.run("v"))
    assert numbers("step_lock_wait_seconds_sum", view="v", step="write") == 2
    assert numbers("step_queue_wait_seconds_sum", view="v", step="write") == 2
    assert numbers("step_lock_wait_seconds_count", view="v", step="upstream") is None
    assert numbers("step_queue_wait_seconds_sum", view="v", step="upstream") == 0


@pytest.mark.looptime
async def test_steps_are_counted_by_how_they_ended(registry, add, numbers):
    """Succeeded, failed, timed out, skipped; who never came to wait or run is in no histogram."""

    @parallel
    async def fine(): ...

    @parallel
    async def broken():
        raise OSError

    @parallel
    async def takes(*, broken): ...

    @step(concurrency="parallel", views=["v"], timeout=1)
    async def hang():
        await asyncio.sleep(9)

    add(fine, broken, takes, hang)
    await registry.run("v")
    assert numbers.all("step_outcomes_total") == {
        ("v", "fine", "succeeded"): 1,
        ("v", "broken", "failed"): 1,
        ("v", "takes", "skipped"): 1,
        ("v", "hang", "timed_out"): 1,
    }
    assert numbers("step_run_seconds_count", view="v", step="takes") == 0
    assert numbers("step_queue_wait_seconds_count", view="v", step="takes") == 0
    assert numbers("step_run_seconds_sum", view="v", step="hang") == 1


async def fails():
    raise OSError


async def redirects():
    raise web.HTTPFound("/login")


async def breaks():
    raise web.HTTPBadGateway


async def answers():
    return web.Response()


async def works(): ...


@pytest.mark.parametrize(
    ("body", "required", "result"),
    [
        (works, True, "completed"),
        (fails, False, "partial"),
        (fails, True, "failed"),
        (redirects, True, "answered"),
        (answers, True, "answered"),
        (breaks, True, "failed"),
    ],
    ids=["completed", "partial", "failed", "redirect", "answer", "502"],
)
async def test_runs_are_counted_by_their_result(registry, add, numbers, body, required, result):
    """A login that is asked for is an answer; an upstream that is down is a failure."""
    marked = step(name="a", concurrency="parallel", views=["v"], required=required)(body)
    add(marked)
    program = registry.program("v")
    await registry.execute(program, {}, answers=(web.StreamResponse,))
    assert numbers.all("runs_total") == {("v", result): 1}


async def test_runs_under_way_are_a_gauge_also_when_they_are_cancelled(registry, add, numbers):
    """Whatever becomes of them, in the end it is 0."""
    begun = asyncio.Barrier(3)

    @parallel
    async def hang():
        await begun.wait()
        await asyncio.Event().wait()

    add(hang)
    running = [asyncio.create_task(registry.run("v")) for _ in range(2)]
    await begun.wait()
    assert numbers("runs_in_flight", view="v") == 2
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    assert numbers("runs_in_flight", view="v") == 0
    assert numbers.all("runs_total") == {("v", "cancelled"): 2}
    assert numbers.all("step_outcomes_total") == {("v", "hang", "cancelled"): 2}


def test_run_that_is_thrown_away_with_its_loop_is_not_under_way_for_ever(metrics, numbers, bundle):
    """Its end is told when Python closes it, without an event loop."""
    begun = []

    @step(views=["v"])
    async def hang():
        begun.append(True)
        await asyncio.Event().wait()

    registry = StepRegistry()
    registry.register(metrics)
    registry.register(bundle(hang), "p")
    loop = asyncio.new_event_loop()
    running = loop.create_task(registry.run("v"))
    while not begun:
        loop.call_soon(loop.stop)
        loop.run_forever()
    loop.close()
    del running
    gc.collect()
    assert numbers("runs_in_flight", view="v") == 0
    assert numbers.all("runs_total") == {("v", "cancelled"): 1}


async def test_run_that_began_before_the_plugin_is_not_counted(bundle, caplog):
    """A gauge below 0 would be worse than a run that is missing."""
    may_end, begun = asyncio.Event(), asyncio.Event()
    metrics = Metrics()

    @parallel
    async def slow():
        begun.set()
        await may_end.wait()

    async with StepRegistry() as registry:
        registry.register(bundle(slow), "p")
        registry.register(Metrics(), "others")
        running = asyncio.create_task(registry.run("v"))
        await begun.wait()
        registry.register(metrics, "late")
        may_end.set()
        await running
    assert not [s for f in metrics.collectors.collect() for s in f.samples if s.name.endswith("in_flight")]
    assert not caplog.records


async def test_shed_steps_are_counted(metrics, numbers, bundle):
    """They failed, but because of us: that is what to alert on."""
    may_end = asyncio.Event()

    @parallel
    async def upstream():
        await may_end.wait()

    async with StepRegistry(limits=Limits(steps=1, waiting=1)) as registry:
        registry.register(metrics, "prometheus")
        registry.register(bundle(upstream), "p")
        running = [asyncio.create_task(registry.run("v")) for _ in range(4)]
        await asyncio.sleep(0.01)
        may_end.set()
        await asyncio.gather(*running)
    assert numbers("step_shed_total", view="v", step="upstream") == 2
    assert numbers("step_outcomes_total", view="v", step="upstream", status="failed") == 2


async def test_threads_left_behind_are_counted_while_they_are(registry, add, metrics, numbers):
    """Enough of them fill the pool; the one that has ended goes on as 0, so that an alert ends."""
    may_end = threading.Event()

    @step(concurrency="parallel", views=["v"], timeout=0.01)
    def hang():
        may_end.wait(30)

    add(hang)
    metrics.watch(registry)
    metrics.watch(registry)
    assert numbers.all("threads_left_behind") == {}
    await registry.run("v")
    assert numbers("threads_left_behind", step="hang") == 1
    may_end.set()
    async with asyncio.timeout(5):
        while registry.left_behind():  # noqa: ASYNC110 - it is a thread that ends
            await asyncio.sleep(0.001)
    assert numbers("threads_left_behind", step="hang") == 0


async def test_registry_that_is_gone_is_not_kept(metrics, numbers):
    """Metrics of a process outlive the applications that it has had."""
    registry = StepRegistry()
    metrics.watch(registry)
    await registry.close()
    del registry
    assert numbers.all("threads_left_behind") == {}


@dataclass
class Stall:
    """As another plugin tells of it."""

    lasted_s: float
    how: str
    steps: tuple[str, ...]
    where: str = "git.py:12"


class StallHooks:
    """The hookspec of that plugin."""

    @HookspecMarker("aiohttp_steps")
    def step_stalled(self, stall): ...


async def test_stalls_are_counted_by_the_steps_that_held_the_loop(registry, numbers):
    """Told by a plugin that need not be installed; what no step did is counted without one."""
    registry.check_pending()
    registry.plugin_manager.add_hookspecs(StallHooks)
    tell = registry.plugin_manager.hook.step_stalled
    tell(stall=Stall(0.3, "blocked", ("a", "b")))
    tell(stall=Stall(0.2, "gil", ("a",)))
    tell(stall=Stall(0.1, "blocked", ()))
    assert numbers.all("loop_stall_seconds_sum") == {
        ("a", "blocked"): 0.3,
        ("b", "blocked"): 0.3,
        ("a", "gil"): 0.2,
        ("", "blocked"): 0.1,
    }


async def test_what_requests_ask_for_makes_no_new_series(registry, add, metrics):
    """Labels are written in code; values of inputs are not among them."""

    @parallel
    async def page(*, number):
        if number % 3 == 1:
            raise OSError(number)

    add(page)

    async def count_after(numbers):
        for number in numbers:
            await registry.run("v", inputs={"number": number})
        return sum(len(family.samples) for family in metrics.collectors.collect())

    assert await count_after(range(4)) == await count_after(range(4, 40))


async def test_handler_without_a_view_is_counted_without_one(registry, numbers, bundle):
    """Its steps are told by their names."""

    @step(concurrency="parallel")
    async def a(): ...

    registry.register(bundle(a), "p")
    await registry.run(wanted=["a"])
    assert numbers("step_run_seconds_count", view="", step="a") == 1


def test_two_plugins_have_numbers_of_their_own():
    """Each has a registry of collectors, unless it is told one; one cannot hold the same names twice."""
    assert Metrics().collectors is not Metrics().collectors
    collectors = CollectorRegistry()
    assert Metrics(collectors=collectors).collectors is collectors
    with pytest.raises(ValueError, match="aiohttp_steps_runs"):
        Metrics(collectors=collectors)


async def test_buckets_can_be_chosen(bundle):
    """A view that takes minutes needs other bounds."""
    metrics = Metrics(buckets=[60, 600])
    async with StepRegistry() as registry:
        registry.register(metrics)
        registry.register(bundle(parallel(works)), "p")
        await registry.run("v")
    bounds = [
        sample.labels["le"]
        for family in metrics.collectors.collect()
        for sample in family.samples
        if sample.name == "aiohttp_steps_step_run_seconds_bucket"
    ]
    assert bounds == ["60.0", "600.0", "+Inf"]
