"""How steps end, and what that means for those that take their results and for the run."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp_steps import StepError, step
from aiohttp_steps.errors import StepSkippedError, StepTimeoutError
from aiohttp_steps.types import MISSING, Dependency, Status

parallel = step(concurrency="parallel", views=["v"])
sequential = step(views=["v"])
gate = step(concurrency="gate", views=["v"])


def statuses(report):
    return {outcome.step.name: outcome.status.value for outcome in report.outcomes}


async def test_results_reach_those_that_take_them(add, registry):
    """A run is a graph of values: each step gets what it names, inputs included."""

    @parallel
    async def total(*, number, doubled):
        return number + doubled

    @step(runner="inline")
    def doubled(*, number):
        return number * 2

    add(total, doubled)
    report = await registry.run("v", inputs={"number": 7})

    assert report["total"] == 21
    assert report.completed
    assert report.errors == {}


async def test_none_is_a_value(add, registry):
    """What pluggy would drop is kept: a step that finds nothing has succeeded, and its dependents run."""

    @parallel
    async def nothing():
        return None

    @parallel
    async def dependent(*, nothing):
        return [nothing]

    add(nothing, dependent)
    report = await registry.run("v")
    assert report["nothing"] is None
    assert report["dependent"] == [None]


async def test_an_optional_failure_is_data(add, registry):
    """One broken panel must not take the page with it."""

    @parallel
    async def broken():
        raise StepError("no luck")

    @parallel
    async def fine():
        return 1

    add(broken, fine)
    report = await registry.run("v")

    assert statuses(report) == {"broken": "failed", "fine": "succeeded"}
    assert not report.completed
    assert report.failure is None
    report.raise_for_failure()
    with pytest.raises(StepError, match="no luck"):
        report["broken"]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"concurrency": "gate"}, id="gate"),
        pytest.param({}, id="sequential"),
        pytest.param({"required": True, "concurrency": "parallel"}, id="required_parallel"),
    ],
)
async def test_a_required_failure_ends_the_run(add, registry, options):
    """What was not asked for again is not worth the time: the answer is an error anyway."""

    @step(views=["v"], **options)
    async def broken():
        raise LookupError("gone")

    @parallel
    async def after(*, broken): ...

    add(broken, after)
    report = await registry.run("v")

    assert statuses(report) == {"broken": "failed", "after": "not_started"}
    assert report.failure is report.outcomes[0]
    with pytest.raises(LookupError, match="gone"):
        report.raise_for_failure()


async def test_a_step_that_the_handler_needs_ends_the_run(add, registry):
    """The author calls it optional, but this route cannot do without."""

    @step(concurrency="parallel")
    async def broken():
        raise LookupError("gone")

    @step(concurrency="parallel")
    async def other(): ...

    add(broken, other)
    needed = await registry.run(wanted=["broken"])
    welcome = await registry.run(
        wanted=[Dependency("broken", required=False), Dependency("other", required=True)]
    )

    assert needed.failure.step.name == "broken"
    assert welcome.failure is None


async def test_a_default_stands_in_for_a_failure_that_is_reported(add, registry):
    """A default keeps the dependents going, but hides nothing from the report."""

    @step(views=["v"], default=[])
    async def broken():
        raise LookupError("gone")

    @parallel
    async def count(*, broken):
        return len(broken)

    add(broken, count)
    report = await registry.run("v")

    assert report["broken"] == []
    assert report["count"] == 0
    assert list(report.errors) == ["broken"]
    assert not report.completed
    assert report.failure is None


async def test_a_default_counts_even_if_the_handler_needs_the_step(add, registry):
    """The handler asked for a value, and there is one."""

    @step(concurrency="parallel", default=0)
    async def broken():
        raise LookupError("gone")

    add(broken)
    report = await registry.run(wanted=["broken"])
    assert report.failure is None
    assert report["broken"] == 0


async def test_none_can_be_a_default(add, registry):
    """`None` is a value here as well: only an absent default is none."""

    @parallel
    async def dependent(*, broken):
        return [broken]

    @step(concurrency="parallel", default=None)
    async def broken():
        raise LookupError("gone")

    add(broken, dependent)
    assert (await registry.run("v"))["dependent"] == [None]


async def test_dependents_of_a_failure_are_skipped_with_the_chain_of_causes(add, registry):
    """A reader of the last error must find the first without guessing."""

    @parallel
    async def first():
        raise LookupError("gone")

    @parallel
    async def second(*, first): ...

    @parallel
    async def third(*, second): ...

    add(first, second, third)
    report = await registry.run("v")

    assert statuses(report) == {"first": "failed", "second": "skipped", "third": "skipped"}
    error = report.errors["third"]
    assert isinstance(error, StepSkippedError)
    assert str(error) == "skipped, because 'second' gave no value"
    assert error.because_of == "second"
    assert isinstance(error.__cause__, StepSkippedError)
    assert error.__cause__.__cause__ is report.errors["first"]
    assert report.outcome("third").started_s is None


async def test_a_skipped_required_step_ends_the_run(add, registry):
    """A write that cannot be done is a failure of the request, whoever is to blame."""

    @step(concurrency="parallel")
    async def broken():
        raise LookupError("gone")

    @sequential
    async def write(*, broken): ...

    @sequential
    async def next_write(): ...

    add(broken, write, next_write)
    report = await registry.run("v")
    assert statuses(report) == {"broken": "failed", "write": "skipped", "next_write": "not_started"}
    assert report.failure.step.name == "write"
    with pytest.raises(StepSkippedError, match="because 'broken'"):
        report.raise_for_failure()


async def test_a_skipped_step_with_a_default_has_its_default(add, registry):
    """`default` is for when it gives no value, and being skipped is one of the ways."""

    @parallel
    async def broken():
        raise LookupError("gone")

    @step(concurrency="parallel", default="none", views=["v"])
    async def skipped(*, broken): ...

    add(broken, skipped)
    report = await registry.run("v")
    assert report["skipped"] == "none"
    assert report.outcome("skipped").status is Status.SKIPPED


@pytest.mark.parametrize("how", ["failed", "skipped", "absent"])
async def test_an_optional_dependency_falls_back_to_its_default(add, registry, how):
    """The three ways in which a value can be missing look the same to those who can do without."""

    @parallel
    async def root():
        raise LookupError("gone")

    @parallel
    async def failed():
        raise LookupError("gone")

    @parallel
    async def skipped(*, root): ...

    steps = {"failed": (failed,), "skipped": (root, skipped), "absent": ()}[how]
    namespace = {}
    exec(f"async def dependent(*, {how}='default'): return {how}", namespace)
    add(*steps, parallel(namespace["dependent"]))

    assert (await registry.run("v"))["dependent"] == "default"


async def test_a_step_error_carries_its_own_type(add, registry):
    """Authors declare failures by subclassing, and clients tell them apart by `type`."""

    class RateLimitedError(StepError):
        type = "rate_limited"

    @parallel
    async def limited():
        raise RateLimitedError("later, please")

    add(limited)
    report = await registry.run("v")
    assert report.outcome("limited").status is Status.FAILED
    assert report.errors["limited"].type == "rate_limited"


@pytest.mark.parametrize("runner", ["loop", "inline", "thread"])
async def test_system_exit_is_the_failure_of_its_step(add, registry, runner):
    """A command line tool used as a library calls `sys.exit`; that must not end the server."""

    async def loop():
        raise SystemExit(3)

    def other():
        raise SystemExit(3)

    function = loop if runner == "loop" else other
    function.__name__ = "leaves"
    add(step(views=["v"], required=False, runner=runner)(function))
    report = await registry.run("v")

    assert report.outcome("leaves").status is Status.FAILED
    assert isinstance(report.errors["leaves"], SystemExit)


@pytest.mark.parametrize("place", ["alone", "together"])
@pytest.mark.parametrize("runner", ["loop", "inline", "thread"])
async def test_stop_iteration_is_the_failure_of_its_step(add, registry, runner, place):
    """`next()` on nothing raises what drives coroutines; it must not end somebody else's."""

    async def loop():
        raise StopIteration(1)

    def other():
        raise StopIteration(1)

    @parallel
    async def neighbour():
        return 1

    function = loop if runner == "loop" else other
    function.__name__ = "stops"
    marked = step(views=["v"], concurrency="parallel", runner=runner)(function)
    add(marked, *([neighbour] if place == "together" else []))
    report = await registry.run("v")

    assert report.outcome("stops").status is Status.FAILED
    assert isinstance(report.errors["stops"], RuntimeError)


async def test_stop_iteration_in_the_second_step_of_a_worker_is_its_failure(add, registry):
    """The second step of a worker is driven by a generator of ours: there it is most dangerous."""

    @parallel
    async def first(): ...

    @parallel
    async def neighbour(): ...

    @parallel
    async def stops(*, first):
        raise StopIteration(1)

    add(first, neighbour, stops)
    report = await registry.run("v")
    assert isinstance(report.errors["stops"], RuntimeError)


async def test_an_exception_group_is_a_failure_like_any_other(add, registry):
    """Steps may use task groups; what these raise stays whole."""

    @parallel
    async def grouped():
        raise BaseExceptionGroup("two", [SystemExit(1), ValueError("x")])

    add(grouped)
    report = await registry.run("v")
    assert report.outcome("grouped").status is Status.FAILED
    assert [type(e) for e in report.errors["grouped"].exceptions] == [SystemExit, ValueError]


@pytest.mark.parametrize("limit", [None, 60.0], ids=["without_limit", "with_limit"])
@pytest.mark.parametrize("runner", ["loop", "inline", "thread"])
async def test_a_steps_own_timeout_error_is_no_timeout_of_ours(add, registry, runner, limit):
    """For `TimeoutError` aiohttp answers a bare 504; the step's database timing out is a failed step."""

    async def loop():
        raise TimeoutError("database")

    def other():
        raise TimeoutError("database")

    function = loop if runner == "loop" else other
    function.__name__ = "late"
    add(step(views=["v"], concurrency="parallel", runner=runner, timeout=limit)(function))
    report = await registry.run("v")

    assert report.outcome("late").status is Status.FAILED
    assert type(report.errors["late"]) is TimeoutError


@pytest.mark.looptime
async def test_a_step_may_time_itself_out(add, registry):
    """`asyncio.timeout` inside of a step is the step's own affair."""

    @step(views=["v"], concurrency="parallel", timeout=10.0)
    async def late():
        async with asyncio.timeout(1):
            await asyncio.sleep(5)

    add(late)
    report = await registry.run("v")
    assert report.outcome("late").status is Status.FAILED
    assert not isinstance(report.errors["late"], StepTimeoutError)
    assert report.outcome("late").run_s == 1.0


@pytest.mark.parametrize("runner", ["inline", "thread"])
async def test_a_plain_function_that_gives_a_coroutine_is_told_so(add, registry, runner):
    """A decorator that hides `async def` would otherwise give a coroutine that nobody awaits."""

    async def hidden(): ...

    @step(views=["v"], concurrency="parallel", runner=runner)
    def wrapped():
        return hidden()

    add(wrapped)
    report = await registry.run("v")
    with pytest.raises(StepError, match=r"a plain def returned a coroutine.*write async def"):
        report["wrapped"]


async def test_steps_take_the_request_if_they_name_it(add, registry):
    """Steps that know nothing of HTTP never see the request."""
    request = object()

    @gate
    async def needs(request):
        return request

    @parallel
    async def may(request=None):
        return request

    @parallel
    async def last(request, *, may):
        return request, may

    @step(views=["v"], concurrency="parallel", runner="inline")
    def plain(request):
        return request

    add(needs, may, last, plain)
    report = await registry.run("v", request=request)
    assert report["needs"] is report["may"] is report["plain"] is request
    assert report["last"] == (request, request)


async def test_an_optional_request_is_left_out_without_http(add, registry):
    """`request=None` says that the step also works on the command line."""

    @parallel
    async def may(request="nobody"):
        return request

    @step(views=["v"], concurrency="parallel", runner="thread")
    def plain(request="nobody"):
        return request

    add(may, plain)
    report = await registry.run("v")
    assert [report["may"], report["plain"]] == ["nobody", "nobody"]


async def test_a_value_of_an_early_step_is_gone_for_nobody_but_asked_by_name(add, registry):
    """A step that never started has no value, and says which failure is to blame."""

    @gate
    async def user():
        raise PermissionError("no")

    @parallel
    async def data(): ...

    add(user, data)
    report = await registry.run("v")
    outcome = report.outcome("data")
    assert (outcome.status, outcome.value, outcome.error) == (Status.NOT_STARTED, MISSING, None)
    with pytest.raises(StepSkippedError, match="'user'") as caught:
        report["data"]
    assert caught.value.because_of == "user"
