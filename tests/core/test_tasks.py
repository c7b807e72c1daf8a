"""Which tasks a run makes, what it costs in turns of the loop, and how far it carries."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import weakref

import pytest
from aiohttp_steps import step

parallel = step(concurrency="parallel", views=["v"])

is_eager = sys.version_info >= (3, 12)


@pytest.fixture
def count_turns():
    """Return a function that awaits something and counts the turns of the loop meanwhile."""

    async def count(awaitable):
        loop = asyncio.get_running_loop()
        turns = 0

        def tick():
            nonlocal turns, handle
            turns += 1
            handle = loop.call_soon(tick)

        handle = loop.call_soon(tick)
        result = await awaitable
        handle.cancel()
        return turns, result

    return count


@pytest.fixture
def made(registry):
    """Return a function that runs the view, and gives the report and the tasks that were made."""

    async def run():
        tasks = []

        def factory(loop, coroutine, **options):
            task = asyncio.Task(coroutine, loop=loop, **options)
            tasks.append(task)
            return task

        loop = asyncio.get_running_loop()
        loop.set_task_factory(factory)
        try:
            return await registry.run("v"), tasks
        finally:
            loop.set_task_factory(None)

    return run


@pytest.mark.parametrize("kind", ["gate", "sequential", "parallel"])
async def test_a_step_of_its_own_tier_runs_in_the_requests_task(add, registry, count_turns, kind):
    """No task, no turn of the loop: a single step costs what a plain `await` costs."""

    @step(concurrency=kind, views=["v"])
    async def alone():
        return asyncio.current_task()

    add(alone)
    turns, report = await count_turns(registry.run("v"))
    assert report["alone"] is asyncio.current_task()
    assert turns == 0


async def test_steps_that_do_not_wait_cost_no_turn(add, registry, count_turns):
    """Eager start, where Python has it: ten no-op steps must not cost ten rounds through the loop."""

    @parallel
    async def a(): ...

    @step(concurrency="parallel", views=["v"], runner="inline")
    def b(): ...

    @parallel
    async def c(*, a): ...

    add(a, b, c)
    turns, report = await count_turns(registry.run("v"))
    assert report.completed
    assert turns == 0 if is_eager else turns <= 2


async def test_inline_steps_need_no_task(add, registry, made, count_turns):
    """What cannot wait is called where the request is."""
    inline = step(concurrency="parallel", views=["v"], runner="inline")

    @inline
    def a():
        return asyncio.current_task()

    @inline
    def b():
        return asyncio.current_task()

    @inline
    def c(*, a, b):
        return [a, b, asyncio.current_task()]

    add(a, b, c)
    turns, (report, tasks) = await count_turns(made())
    assert report["c"] == [asyncio.current_task()] * 3
    assert (turns, tasks) == (0, [])


async def test_steps_that_do_not_wait_share_one_task(add, registry, made):
    """A task for each would cost more than such steps do."""
    seen = []

    def make(name):
        async def each():
            seen.append(asyncio.current_task())

        each.__name__ = name
        return parallel(each)

    add(*map(make, ["a", "b", "c", "d"]))
    report, tasks = await made()
    assert report.completed
    if is_eager:  # a factory that is not: whether a step waits is known too late
        assert [task.get_name() for task in tasks] == ["a", "b", "c", "d"]
    else:
        assert [task.get_name() for task in tasks] == ["a"]
        assert set(seen) == set(tasks)


async def test_a_step_that_waits_holds_up_no_other(add, registry):
    """Whoever drives several steps has to leave the others to somebody else before it waits."""
    started, go = [], asyncio.Event()

    def make(name, *, waits):
        async def each():
            started.append(name)
            if waits:
                await go.wait()

        each.__name__ = name
        return parallel(each)

    add(make("a", waits=False), make("b", waits=True), make("c", waits=False), make("d", waits=True))
    for _ in range(2):  # the second time it is known that one of them waits
        started.clear()
        go.clear()
        run = asyncio.ensure_future(registry.run("v"))
        for _ in range(4):
            await asyncio.sleep(0)
        assert started == ["a", "b", "c", "d"]
        go.set()
        assert (await run).completed


async def test_a_chain_runs_in_the_task_of_the_request(add, registry, count_turns):
    """Only one of its steps can run at a time: there is nothing for other tasks to do."""

    @parallel
    async def a():
        return [asyncio.current_task()]

    @parallel
    async def b(*, a):
        return [*a, asyncio.current_task()]

    @parallel
    async def c(*, a, b):
        return [*b, asyncio.current_task()]

    add(a, b, c)
    turns, report = await count_turns(registry.run("v"))
    assert report["c"] == [asyncio.current_task()] * 3
    assert turns == 0


async def test_a_chain_has_copies_of_the_context(add, registry):
    """Parallel steps do not see what others set, whichever task runs them; nor does the caller."""
    variable = contextvars.ContextVar("variable", default="unset")

    @parallel
    async def a():
        variable.set("a")
        await asyncio.sleep(0)
        return variable.get()

    @parallel
    async def b(*, a):
        return [a, variable.get()]

    add(a, b)
    assert (await registry.run("v"))["b"] == ["a", "unset"]
    assert variable.get() == "unset"


async def test_a_chain_needs_one_task(add, registry, made):
    """Whoever ends a step goes on with the next: tasks are made for width, not for length."""

    @parallel
    async def neighbour():
        await asyncio.sleep(0)

    @parallel
    async def a():
        await asyncio.sleep(0)

    @parallel
    async def b(*, a):
        await asyncio.sleep(0)

    @parallel
    async def c(*, b):
        await asyncio.sleep(0)

    add(neighbour, a, b, c)
    report, tasks = await made()
    assert report.completed
    assert [task.get_name() for task in tasks] == ["neighbour", "a"]


@pytest.mark.skipif(not is_eager, reason="eager task factories come with Python 3.12")
async def test_an_eager_task_factory_is_respected(add, registry):
    """An app that made its whole loop eager keeps that."""

    @parallel
    async def a():
        return asyncio.current_task()

    @parallel
    async def b():
        await asyncio.sleep(0)
        return 1

    @parallel
    async def c(*, a, b):
        return a

    add(a, b, c)
    loop = asyncio.get_running_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    try:
        report = await registry.run("v")
    finally:
        loop.set_task_factory(None)
    assert report["b"] == 1
    assert report["c"] is not asyncio.current_task()


@pytest.mark.parametrize(
    ("waits", "fails"),
    [(False, False), (True, False), (False, True)],
    ids=["at_once", "waiting", "skipping"],
)
async def test_a_chain_of_5000_steps_does_not_overflow_the_stack(registry, make_plugin, waits, fails):
    """Plans may be made by machines; how deep they are must not depend on Python's stack."""
    wait = "await sleep(0)" if waits else "pass"
    namespace = {"sleep": asyncio.sleep, "mark": parallel}
    source = ["@mark", "async def other(): ...", "@mark", "async def s0():"]
    source += [f"    {wait}", "    raise LookupError" if fails else "    return 0"]
    for number in range(1, 5000):
        source += [
            "@mark",
            f"async def s{number}(*, s{number - 1}):",
            f"    {wait}",
            f"    return s{number - 1} + 1",
        ]
    exec("\n".join(source), namespace)
    registry.register(make_plugin("p", namespace["other"], *(namespace[f"s{n}"] for n in range(5000))))

    report = await registry.run("v")

    if fails:
        assert report.outcomes[-1].status.value == "skipped"
    else:
        assert report["s4999"] == 4999


@pytest.mark.parametrize("waits", [False, True], ids=["at_once", "waiting"])
async def test_a_fan_of_2000_steps_works(registry, make_plugin, waits):
    """All steps that one makes ready, at once; and one that takes them all."""
    size = 2000
    wait = "await sleep(0)" if waits else "pass"
    namespace = {"sleep": asyncio.sleep, "mark": parallel}
    source = ["@mark", "async def first(): return 1"]
    for number in range(size):
        source += ["@mark", f"async def s{number}(*, first):", f"    {wait}", "    return first"]
    names = [f"s{number}" for number in range(size)]
    source += ["@mark", f"async def last(*, {', '.join(names)}):", f"    return {' + '.join(names)}"]
    exec("\n".join(source), namespace)
    registry.register(make_plugin("p", *(namespace[name] for name in ("first", *names, "last"))))

    assert (await registry.run("v"))["last"] == size


async def test_a_ladder_of_1000_forks_works(registry, make_plugin):
    """Each end makes two steps ready, at once: workers that start workers must not nest."""
    namespace = {"mark": parallel}
    source = ["@mark", "async def a0(): return 0", "@mark", "async def b0(): return 0"]
    for n in range(1, 1000):
        for letter in "ab":
            source += ["@mark", f"async def {letter}{n}(*, a{n - 1}, b{n - 1}): return a{n - 1} + 1"]
    exec("\n".join(source), namespace)
    names = [f"{letter}{n}" for n in range(1000) for letter in "ab"]
    registry.register(make_plugin("p", *(namespace[name] for name in names)))

    assert (await registry.run("v"))["b999"] == 999


class Value:
    """Something that can be watched."""


@pytest.mark.parametrize("size", [1, 3], ids=["alone", "together"])
async def test_a_run_without_errors_leaves_no_cycles(add, registry, size):
    """Values of a request, maybe megabytes, go when the report goes, not when the collector comes."""
    values = weakref.WeakSet()

    async def make():
        value = Value()
        values.add(value)
        return value

    async def take(*, make):
        await asyncio.sleep(0)
        return make

    async def other():
        await asyncio.sleep(0)

    add(*map(parallel, [make, take, other][:size]))
    gc.collect()
    gc.disable()
    try:
        report = await registry.run("v")
        assert len(values) == 1
        del report
        assert len(values) == 0
    finally:
        gc.enable()


async def test_many_runs_of_one_plan_do_not_mix(add, registry):
    """A plan is shared by all requests; what happens in one of them is its own."""

    @parallel
    async def a(*, number):
        await asyncio.sleep(0)
        return number

    @parallel
    async def b(*, number):
        return -number

    @parallel
    async def c(*, a, b):
        await asyncio.sleep(0)
        return (a, b)

    add(a, b, c)
    reports = await asyncio.gather(*(registry.run("v", inputs={"number": n}) for n in range(50)))
    assert [report["c"] for report in reports] == [(n, -n) for n in range(50)]
    assert len({id(report.plan) for report in reports}) == 1


async def test_runs_under_way_keep_their_plan(add, registry):
    """A plugin that is taken out meanwhile finishes what it began."""
    started, go = asyncio.Event(), asyncio.Event()

    @parallel
    async def a():
        started.set()
        await go.wait()
        return 1

    @parallel
    async def b(*, a):
        return a + 1

    plugin = add(a, b)
    task = asyncio.create_task(registry.run("v"))
    await started.wait()
    registry.unregister(plugin)
    go.set()
    report = await task
    assert report["b"] == 2
    assert registry.views == ()
