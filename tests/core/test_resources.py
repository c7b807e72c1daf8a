"""Generator steps: entered in the run, left after it, in the same task."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest
from aiohttp_steps import exclusive, step
from aiohttp_steps.errors import DefinitionError, StepError
from aiohttp_steps.types import Status

VARIABLE = contextvars.ContextVar("VARIABLE", default="outside")


@pytest.fixture
def events():
    return []


@pytest.fixture
def make_resource(events):
    """Return a function that makes a generator step which writes down what happens to it."""

    def make(name, *, takes="", kind="async", fail=None, **options):
        async def over_async(**_):
            events.append(f"{name} in")
            try:
                yield name
            except BaseException as error:
                events.append(f"{name} sees {type(error).__name__}")
                raise
            finally:
                events.append(f"{name} out")
                if fail:
                    raise fail

        def over_sync(**_):
            events.append(f"{name} in")
            try:
                yield name
            except BaseException as error:
                events.append(f"{name} sees {type(error).__name__}")
                raise
            finally:
                events.append(f"{name} out")
                if fail:
                    raise fail

        body = over_async if kind == "async" else over_sync
        header = "async def" if kind == "async" else "def"
        parameters = f"*, {takes}" if takes else ""
        arguments = f"{takes}={takes}" if takes else ""
        loop = "async for" if kind == "async" else "yield from"
        # Parameters are names of steps, so each resource needs a signature of its own.
        made = {"body": body}
        if kind == "async":
            source = f"{header} {name}({parameters}):\n    made = body({arguments})\n"
            source += (
                "    value = await anext(made)\n    try:\n        yield value\n"
                "    except BaseException as error:\n"
                "        try:\n            await made.athrow(error)\n"
                "        except StopAsyncIteration:\n            pass\n        else:\n            raise\n"
                "    else:\n        await anext(made, None)\n"
            )
        else:
            source = f"{header} {name}({parameters}):\n    {loop} body({arguments})\n"
        exec(source, made)
        return step(**{"views": ["v"], **options})(made[name])

    return make


@pytest.mark.parametrize("kind", ["async", "sync"])
@pytest.mark.parametrize("concurrency", ["sequential", "parallel"])
@pytest.mark.parametrize("runner", [None, "inline"])
async def test_resources_are_left_in_reverse_order(
    registry, add, events, make_resource, kind, concurrency, runner
):
    """What was opened last may rest on what was opened first."""
    if kind == "async" and runner:
        pytest.skip("inline is for plain functions")
    first = make_resource("first", kind=kind, concurrency=concurrency, runner=runner)
    second = make_resource("second", takes="first", kind=kind, concurrency=concurrency, runner=runner)

    @step(views=["v"])
    async def use(*, first, second):
        events.append(f"use {first} {second}")

    add(first, second, use)
    report = await registry.run("v")
    assert report.completed
    assert events == ["first in", "second in", "use first second", "second out", "first out"]


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_failure_of_the_run_is_raised_at_the_yield(registry, add, events, make_resource, kind):
    """So that a transaction knows whether to commit or to roll back."""

    @step(views=["v"])
    async def break_it(*, database):
        raise ConnectionError

    add(make_resource("database", kind=kind), break_it)
    report = await registry.run("v")
    assert isinstance(report.failure.error, ConnectionError)
    assert events == ["database in", "database sees ConnectionError", "database out"]
    assert report.resource_errors == {}


async def test_failing_optional_step_is_no_failure_of_the_run(registry, add, events, make_resource):
    """The answer is given all the same: nothing is to be rolled back."""

    @step(views=["v"], required=False)
    async def break_it(*, database):
        raise ConnectionError

    add(make_resource("database"), break_it)
    await registry.run("v")
    assert events == ["database in", "database out"]


@pytest.mark.parametrize("concurrency", ["sequential", "parallel"])
async def test_cancelled_run_leaves_its_resources(registry, add, events, make_resource, others, concurrency):
    """A client that leaves must not leave connections open."""
    reached = asyncio.Event()

    @step(views=["v"])
    async def hang(*, database):
        reached.set()
        await asyncio.Event().wait()

    beside = make_resource("beside", concurrency=concurrency)
    add(make_resource("database", concurrency=concurrency), beside, hang)
    run = asyncio.create_task(registry.run("v"))
    await reached.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert events[-2:] == ["database sees CancelledError", "database out"]
    assert not others()


@pytest.mark.parametrize("concurrency", ["sequential", "parallel"])
async def test_resource_is_entered_and_left_in_one_task_and_context(registry, add, concurrency):
    """Cancel scopes and context variables that straddle the yield break otherwise (PEP 789)."""
    tasks = []

    @step(concurrency=concurrency, views=["v"])
    async def scope():
        token = VARIABLE.set("inside")
        tasks.append(asyncio.current_task())
        async with asyncio.timeout(60):
            yield
        tasks.append(asyncio.current_task())
        VARIABLE.reset(token)

    @step(concurrency="parallel", views=["v"])
    async def beside():
        await asyncio.sleep(0)

    add(scope, beside)
    report = await registry.run("v")
    assert report.resource_errors == {}
    assert tasks[0] is tasks[1]
    assert VARIABLE.get() == "outside"


async def test_error_of_one_tear_down_stops_no_other_and_hides_nothing(
    registry, add, make_resource, events, caplog
):
    """All are left; the first error is the answer, the others are in the log and the report."""

    @step(views=["v"])
    async def break_it(*, second):
        raise ConnectionError

    add(make_resource("first"), make_resource("second", takes="first", fail=KeyError("late")), break_it)
    report = await registry.run("v")
    assert isinstance(report.failure.error, ConnectionError)
    assert list(report.resource_errors) == ["second"]
    assert events[-1] == "first out"
    assert "tear-down of step 'second' of plugin 'p'" in caplog.text


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_generator_that_does_not_yield_fails(registry, add, kind):
    """There is no value to hand on."""

    async def over_async():
        if False:
            yield

    def over_sync():
        if False:
            yield

    body = over_async if kind == "async" else over_sync
    body.__name__ = "empty"
    add(step(views=["v"])(body))
    report = await registry.run("v")
    assert isinstance(report.errors["empty"], StepError)
    assert "without a yield" in str(report.errors["empty"])


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_generator_that_yields_twice_is_told(registry, add, kind, caplog):
    """It is closed, and its author reads why."""
    closed = []

    async def over_async():
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    def over_sync():
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    body = over_async if kind == "async" else over_sync
    body.__name__ = "eager"
    add(step(views=["v"])(body))
    report = await registry.run("v")
    assert report["eager"] == 1
    assert "a second time" in str(report.resource_errors["eager"])
    assert closed == [True]


async def test_resource_that_fails_to_open_fails_as_any_step(registry, add):
    """Nothing is to be left."""

    @step(concurrency="parallel", views=["v"])
    async def database():
        raise ConnectionError
        yield

    @step(concurrency="parallel", views=["v"])
    async def beside(): ...

    add(database, beside)
    report = await registry.run("v")
    assert report.outcome("database").status is Status.FAILED
    assert report.resource_errors == {}


@pytest.mark.parametrize("moment", ["opens", "closes"])
@pytest.mark.parametrize("concurrency", ["sequential", "parallel"])
async def test_system_exit_of_a_resource_is_its_failure(registry, add, concurrency, moment):
    """It has a task of its own when it is parallel, and a task that raises SystemExit ends the event loop."""

    @step(concurrency=concurrency, views=["v"], required=False)
    async def database():
        if moment == "opens":
            raise SystemExit(3)
        yield "open"
        raise SystemExit(3)

    @step(concurrency="parallel", views=["v"])
    async def beside(): ...

    add(database, beside)
    report = await registry.run("v")
    error = report.errors["database"] if moment == "opens" else report.resource_errors["database"]
    assert type(error) is SystemExit
    assert error.code == 3


async def test_plain_generator_runs_in_threads(registry, add):
    """As any plain def: opening a file or connection must not hold up the loop."""
    threads = []

    @step(views=["v"])
    def database():
        threads.append(threading.current_thread())
        yield
        threads.append(threading.current_thread())

    add(database)
    await registry.run("v")
    assert len(threads) == 2
    assert threading.main_thread() not in threads


@pytest.mark.parametrize(
    ("options", "word"),
    [({"share": True}, "share"), ({"concurrency": exclusive("k")}, "exclusive")],
    ids=["share", "exclusive"],
)
def test_policies_that_end_before_the_resource_are_refused(add, options, word):
    """A key that is let go while the resource is still written to would protect nothing."""

    @step(**options)
    async def database():
        yield

    with pytest.raises(DefinitionError, match=word):
        add(database)
