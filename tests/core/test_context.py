"""Context variables: whose changes stay, and who sees them."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar, copy_context

import pytest
from aiohttp_steps import hookimpl, step
from aiohttp_steps.engine.context import go_on

user: ContextVar[str] = ContextVar("user", default="nobody")

parallel = step(concurrency="parallel", views=["v"])


def make_setter(runner, name, value, *, dependency=None, **options):
    """Make a step that sets the variable and returns what it was before."""
    parameters = f"*, {dependency}" if dependency else ""
    prefix = "async " if runner == "loop" else ""
    namespace = {"user": user, "value": value}
    exec(
        f"{prefix}def {name}({parameters}):\n    seen = user.get()\n    user.set(value)\n    return seen",
        namespace,
    )
    return step(views=["v"], runner=runner, **options)(namespace[name])


RUNNERS = ["loop", "inline", "thread"]
LIMITS = [pytest.param(None, id="bare"), pytest.param(60.0, id="with_limit")]


@pytest.fixture(autouse=True)
def fresh_user():
    """Set the variable anew, whatever tests before have done."""
    user.set("nobody")


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("kind", ["gate", "sequential", "parallel"])
async def test_what_a_step_of_its_own_tier_sets_stays(add, registry, kind, runner, limit):
    """A gate that sets the current user must be believed by the handler, whether `def` or `async def`."""
    add(make_setter(runner, "sets", "alice", concurrency=kind, timeout=limit))

    report = await registry.run("v")

    assert report["sets"] == "nobody"
    assert user.get() == "alice"


@pytest.mark.parametrize("runner", RUNNERS)
async def test_what_a_failing_step_of_its_own_tier_sets_stays(add, registry, runner):
    """A plain `await` keeps what was set before the error; a thread must do as much."""

    def fails():
        user.set("alice")
        raise LookupError("gone")

    async def fails_too():
        fails()

    function = fails_too if runner == "loop" else fails
    function.__name__ = "fails"
    add(step(views=["v"], required=False, runner=runner)(function))
    await registry.run("v")
    assert user.get() == "alice"


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("runner", RUNNERS)
async def test_what_parallel_steps_set_does_not_come_back(add, registry, runner, limit):
    """Two steps at once would leave whichever was the last: so neither does."""
    add(
        make_setter(runner, "one", "alice", concurrency="parallel", timeout=limit),
        make_setter(runner, "two", "bob", concurrency="parallel", timeout=limit),
    )
    report = await registry.run("v")
    assert user.get() == "nobody"
    assert [report["one"], report["two"]] == ["nobody", "nobody"]


@pytest.mark.parametrize("runner", RUNNERS)
async def test_parallel_steps_see_what_gates_set(add, registry, runner):
    """They get a copy of the context as it is when their tier begins."""
    add(
        make_setter("loop", "gate", "alice", concurrency="gate"),
        make_setter(runner, "one", "bob", concurrency="parallel"),
        make_setter(runner, "two", "carol", concurrency="parallel"),
    )
    report = await registry.run("v")
    assert [report["one"], report["two"]] == ["alice", "alice"]
    assert user.get() == "alice"


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("second", RUNNERS)
@pytest.mark.parametrize("first", RUNNERS)
async def test_a_dependent_does_not_see_what_its_predecessor_set(add, registry, first, second, limit):
    """Which steps share a task is the engine's affair: no step may notice."""
    options = {"concurrency": "parallel", "timeout": limit}
    add(
        make_setter("loop", "other", "zoe", concurrency="parallel"),
        make_setter(first, "one", "alice", **options),
        make_setter(second, "two", "bob", dependency="one", **options),
        make_setter(second, "three", "carol", dependency="two", **options),
    )
    report = await registry.run("v")
    assert [report[name] for name in ("one", "two", "three")] == ["nobody"] * 3
    assert user.get() == "nobody"


@pytest.fixture
def add_second(add):
    """Return a function that adds a step as the second one of a worker, beside a neighbour."""

    def register(function, **options):
        @parallel
        async def neighbour():
            await asyncio.sleep(0)

        @parallel
        async def first():
            user.set("first")
            await asyncio.sleep(0)

        add(neighbour, first, step(concurrency="parallel", views=["v"], after=["first"], **options)(function))

    return register


async def test_a_second_step_keeps_its_own_context_over_each_wait(add_second, registry):
    """Every resumption has to happen in the step's context, not in the task's."""

    async def second():
        token = user.set("second")
        seen = []
        for _ in range(3):
            await asyncio.sleep(0)
            seen.append(user.get())
        user.reset(token)
        return [*seen, user.get()]

    add_second(second)
    assert (await registry.run("v"))["second"] == ["second", "second", "second", "nobody"]


async def test_tasks_and_callbacks_of_a_second_step_inherit_its_context(add_second, registry):
    """What a step starts belongs to it."""

    async def read():
        await asyncio.sleep(0)
        return user.get()

    async def second():
        user.set("second")
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(lambda: future.set_result(user.get()))
        return [await asyncio.create_task(read()), await future, await asyncio.to_thread(user.get)]

    add_second(second)
    assert (await registry.run("v"))["second"] == ["second", "second", "second"]


@pytest.mark.looptime
@pytest.mark.parametrize("limit", LIMITS)
async def test_timeouts_and_the_current_task_work_in_a_second_step(add_second, registry, limit):
    """`asyncio.timeout` cancels the current task: it has to be one, and the right one."""

    async def second():
        before = asyncio.current_task()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await asyncio.sleep(5)
        await asyncio.wait_for(asyncio.sleep(1), 5)
        return before is asyncio.current_task()

    add_second(second, timeout=limit)
    report = await registry.run("v")
    assert report["second"] is True
    assert report.outcome("second").run_s == 2.0


async def test_async_generators_work_in_a_second_step(add_second, registry):
    """Their clean-up hooks belong to the loop; their context is the step's."""
    closed = []

    async def numbers():
        try:
            for number in range(3):
                await asyncio.sleep(0)
                yield number, user.get()
        finally:
            await asyncio.sleep(0)
            closed.append(user.get())

    async def second():
        user.set("second")
        found = [item async for item in numbers()]
        half = numbers()
        await anext(half)
        await half.aclose()
        return found

    add_second(second)
    assert (await registry.run("v"))["second"] == [(0, "second"), (1, "second"), (2, "second")]
    assert closed == ["second", "second"]


async def test_errors_of_a_second_step_show_its_own_line(add_second, registry):
    """A traceback that ends in the engine helps nobody."""

    async def second():
        await asyncio.sleep(0)
        raise LookupError("gone")

    add_second(second)
    error = (await registry.run("v")).errors["second"]
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    assert trace.tb_frame.f_code.co_name == "second"


def test_a_second_step_that_is_thrown_away_is_closed_in_its_context():
    """A loop that is torn down closes its coroutines: the step's clean-up still runs, and sees its own."""
    seen = []

    async def second():
        user.set("second")
        try:
            await asyncio.sleep(0)
        finally:
            seen.append(user.get())

    async def worker():
        run = copy_context().run
        half = second()
        await go_on(run, half, run(half.send, None))

    working = worker()
    working.send(None)
    working.close()
    assert seen == ["second"]


async def test_a_middleware_may_give_any_awaitable(registry, make_plugin):
    """The contract of a step call says `Awaitable`: a future is one, also for the second step of a worker."""

    @parallel
    async def neighbour(): ...

    @parallel
    async def first():
        return 1

    @parallel
    async def second(*, first):
        return first + 1

    def step_middleware(step):
        return lambda call_next: lambda call: asyncio.ensure_future(call_next(call))

    plugin = make_plugin("p", neighbour, first, second)
    plugin.step_middleware = hookimpl(step_middleware)
    registry.register(plugin)
    assert (await registry.run("v"))["second"] == 2
