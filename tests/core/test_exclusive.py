"""`exclusive(key)`: law 9, on a virtual clock."""

from __future__ import annotations

import asyncio
import threading

import pytest
from aiohttp_steps import exclusive, step
from aiohttp_steps.errors import DefinitionError, StepError, StepTimeoutError, UnknownNameError
from aiohttp_steps.policies import ProcessLocks
from aiohttp_steps.types import Status

pytestmark = pytest.mark.looptime


@pytest.fixture
def locks(registry):
    """Give the registry locks of its own, so that a test sees only its keys."""
    registry.locks = ProcessLocks()
    return registry.locks


@pytest.fixture
def trace(add, locks):
    """Register a step that holds `k:{key}` for a second, and return the list of what it does."""
    events = []

    @step(concurrency=exclusive("k:{key}"), views=["v"], queue_timeout=2.5)
    async def hold(*, key, who):
        events.append(("in", who))
        await asyncio.sleep(1)
        events.append(("out", who))
        return who

    add(hold)
    return events


async def test_holders_of_one_key_run_one_by_one_in_order_of_coming(registry, trace):
    """Fair: who came first is served first, and nobody overlaps."""
    await asyncio.gather(*[registry.run("v", inputs={"key": 1, "who": who}) for who in "abc"])
    assert trace == [(what, who) for who in "abc" for what in ("in", "out")]


async def test_different_keys_do_not_wait_for_each_other(registry, trace):
    """Exclusive is not global: two repositories are committed to at once."""
    reports = await asyncio.gather(*[registry.run("v", inputs={"key": k, "who": k}) for k in range(3)])
    assert [report.timing.wall_s for report in reports] == [1.0] * 3
    assert [what for what, _ in trace] == ["in"] * 3 + ["out"] * 3


async def test_wait_for_the_key_is_shown_as_lock_wait(registry, trace):
    """Whoever reads a trace must see why a step was late; its own run time is not to blame."""
    reports = await asyncio.gather(*[registry.run("v", inputs={"key": 1, "who": who}) for who in "abc"])
    outcomes = [report.outcome("hold") for report in reports]
    assert [outcome.lock_s for outcome in outcomes] == [0.0, 1.0, 2.0]
    assert [outcome.queue_s for outcome in outcomes] == [0.0, 1.0, 2.0]
    assert [outcome.run_s for outcome in outcomes] == [1.0, 1.0, 1.0]


async def test_queue_timeout_covers_the_wait_for_the_key(registry, trace, locks):
    """The fourth would wait three seconds; it is told that it never started, and takes no place."""
    reports = await asyncio.gather(*[registry.run("v", inputs={"key": 1, "who": who}) for who in "abcd"])
    outcome = reports[3].outcome("hold")
    assert outcome.status is Status.TIMED_OUT
    assert isinstance(outcome.error, StepTimeoutError)
    assert (outcome.error.waiting, outcome.started_s) == (True, None)
    assert ("in", "d") not in trace
    assert locks.held == ()


async def test_key_is_released_on_failure_timeout_and_cancellation(registry, add, locks):
    """The lock is let go of on every way out, or one bad request would stop the view for good."""

    @step(concurrency=exclusive("k"), views=["v"], name="end", timeout=1)
    async def end(*, how):
        if how == "fail":
            raise OSError
        if how != "succeed":
            await asyncio.Event().wait()

    with pytest.raises(DefinitionError, match="names nothing"):
        exclusive("k{}")
    add(end)
    for how in ("fail", "time out", "succeed"):
        await registry.run("v", inputs={"how": how})
        assert locks.held == ()
    run = asyncio.create_task(registry.run("v", inputs={"how": "hang"}))
    await asyncio.sleep(0.5)
    assert locks.held == ("k",)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert locks.held == ()


async def test_cancelled_waiter_leaves_the_queue_to_the_next(registry, trace, locks):
    """A client that leaves while it waits neither gets the key nor keeps it from others."""
    runs = [asyncio.create_task(registry.run("v", inputs={"key": 1, "who": who})) for who in "abc"]
    await asyncio.sleep(0.5)
    runs[1].cancel()
    await asyncio.wait(runs)
    assert [who for _, who in trace] == ["a", "a", "c", "c"]
    assert locks.held == ()


async def test_key_handed_to_a_waiter_that_is_cancelled_at_once_goes_on(locks):
    """Between the hand-over and the waiter's next turn it may be cancelled: the key must not be lost."""
    first = locks.hold("k")
    await first.__aenter__()

    async def wait():
        async with locks.hold("k"):
            return "held"

    second, third = asyncio.create_task(wait()), asyncio.create_task(wait())
    await asyncio.sleep(0)
    await first.__aexit__(None, None, None)
    second.cancel()
    assert await third == "held"
    assert second.cancelled()
    assert locks.held == ()


async def test_several_keys_are_held_in_sorted_order_so_that_nobody_waits_for_ever(registry, add, locks):
    """Named in opposite orders, two keys taken as written would deadlock."""

    @step(concurrency=exclusive("{a}", "{b}"), views=["v"], timeout=5, queue_timeout=5)
    async def both(*, a, b):
        assert set(locks.held) >= {a, b}
        await asyncio.sleep(1)

    add(both)
    pairs = [("x", "y"), ("y", "x"), ("x", "z"), ("z", "y")]
    reports = await asyncio.gather(*[registry.run("v", inputs={"a": a, "b": b}) for a, b in pairs])
    assert all(report.completed for report in reports)
    assert locks.held == ()


async def test_key_may_be_made_of_a_step_that_is_no_parameter(registry, add, locks):
    """The step needs what the key names, as if it took it, but is not given it."""
    held = []

    @step(concurrency="parallel")
    async def user():
        return {"id": 7}

    @step(concurrency=exclusive("user:{user[id]}"), views=["v"])
    async def write(*, note="none"):
        held.extend(locks.held)
        return note

    add(user, write)
    report = await registry.run("v")
    assert held == ["user:7"]
    assert report["write"] == "none"


async def test_key_that_cannot_be_filled_fails_its_step_alone(registry, add, locks):
    """What a result lacks is the step's failure, with the key in the message."""

    @step(concurrency=exclusive("{user.id}"), views=["v"])
    async def write(*, user): ...

    add(write)
    report = await registry.run("v", inputs={"user": object()})
    assert isinstance(report.errors["write"], StepError)
    assert "{user.id}" in str(report.errors["write"])


async def test_unknown_name_in_a_key_is_refused_when_the_plan_is_compiled(registry, add):
    """A typo in a key would otherwise show at the first request."""

    @step(concurrency=exclusive("git:{project_pth}"), views=["v"])
    async def commit(*, project_path): ...

    add(commit)
    with pytest.raises(UnknownNameError, match="did you mean 'project_path'"):
        registry.plan("v", inputs=["project_path"])


@pytest.mark.parametrize("keys", [(), ("{}",), ("{0}",), ("{",), ("a}",)], ids=repr)
def test_keys_that_are_no_templates_of_names_are_refused(keys):
    """At the decorator, where the author sees it."""
    with pytest.raises(DefinitionError, match="exclusive"):
        exclusive(*keys)


async def test_lock_may_be_replaced(registry, add):
    """A plugin's lock may span processes or machines; it is asked at each call."""
    asked = []

    class Elsewhere:
        def hold(self, key):
            asked.append(key)
            return asyncio.Lock()

    @step(concurrency=exclusive("b", "a"), views=["v"])
    async def write(): ...

    add(write)
    registry.plan("v")
    registry.locks = Elsewhere()
    assert (await registry.run("v")).completed
    assert asked == ["a", "b"]


def test_key_is_held_across_event_loops_of_one_process():
    """Two servers in two threads of one process share keys; the later one is woken in its own loop."""
    locks = ProcessLocks()
    inside, order = threading.Event(), []
    may_leave = threading.Event()

    async def first():
        async with locks.hold("k"):
            inside.set()
            await asyncio.to_thread(may_leave.wait, 10)
            order.append("first")

    async def second():
        async with locks.hold("k"):
            order.append("second")

    threads = [threading.Thread(target=lambda: asyncio.run(first()))]
    threads[0].start()
    inside.wait(10)
    threads.append(threading.Thread(target=lambda: asyncio.run(second())))
    threads[1].start()
    may_leave.set()
    for thread in threads:
        thread.join(10)
    assert order == ["first", "second"]
    assert locks.held == ()
