"""What spans say of how steps and runs ended."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from types import SimpleNamespace

import pytest
from aiohttp import web
from aiohttp_steps import Retry, StepError, StepRegistry, exclusive, hookimpl, step
from aiohttp_steps_otel import Tracing
from opentelemetry import context
from opentelemetry.trace import StatusCode

STEP = "aiohttp_steps.step."

parallel = step(concurrency="parallel", views=["v"])


def facts(span):
    """Return the attributes of a step's span that are ours, without our prefix."""
    return {
        name.removeprefix(STEP): value for name, value in span.attributes.items() if name.startswith(STEP)
    }


async def test_span_says_what_the_step_is(registry, add, spans):
    """Where it is written is told by the names of the semantic conventions."""

    @parallel
    def branch(): ...

    add(branch, plugin="git")
    await registry.run("v")
    attributes = spans["step branch"].attributes
    assert attributes["code.function.name"] == f"{__name__}.{branch.__qualname__}"
    assert attributes["code.file.path"] == __file__
    assert attributes["code.line.number"] == branch.__code__.co_firstlineno
    known = facts(spans["step branch"])
    waited_s = known.pop("queue_wait_s")
    assert 0 <= waited_s < 5
    assert known == {
        "name": "branch",
        "plugin": "git",
        "concurrency": "parallel",
        "runner": "thread",
        "required": False,
        "status": "succeeded",
        "attempts": 1,
    }
    assert spans["step branch"].status.status_code is StatusCode.UNSET
    assert dict(spans["run v"].attributes) == {
        "aiohttp_steps.view": "v",
        "aiohttp_steps.run.steps": 1,
        "aiohttp_steps.run.sequential": False,
        "aiohttp_steps.run.completed": True,
        "aiohttp_steps.run.cancelled": False,
    }
    scope = spans["run v"].instrumentation_scope
    assert (scope.name, scope.version) == ("aiohttp_steps_otel", "0.1.0")


@pytest.mark.looptime
async def test_waits_for_locks_are_told_apart_from_running(registry, add, spans):
    """The span begins when the step might: a long one is explained by what it waited for."""

    @step(concurrency=exclusive("key"), views=["v"])
    async def write():
        await asyncio.sleep(2)

    add(write)
    await asyncio.gather(registry.run("v"), registry.run("v"))
    waits = [(facts(span)["queue_wait_s"], facts(span)["lock_wait_s"]) for span in spans.named("step write")]
    assert sorted(waits) == [(0, 0), (2, 2)]


@pytest.mark.looptime
async def test_waits_for_slots_are_queue_waits(registry, add, spans):
    """Nothing is locked: the step is only limited."""

    @step(concurrency="parallel", views=["v"], limit=1)
    async def upstream():
        await asyncio.sleep(3)

    add(upstream)
    await asyncio.gather(registry.run("v"), registry.run("v"))
    assert sorted(facts(span)["queue_wait_s"] for span in spans.named("step upstream")) == [0, 3]
    assert "lock_wait_s" not in facts(spans.named("step upstream")[0])


async def test_span_begins_when_the_step_is_called_and_not_when_it_starts(registry, add, spans):
    """In a waterfall, the wait is seen: the second begins before the first has ended."""
    both, may_end = asyncio.Barrier(2), asyncio.Event()

    @step(concurrency="parallel", views=["v"], limit=1)
    async def upstream():
        await may_end.wait()

    @parallel
    async def other():
        await both.wait()

    add(upstream, other)
    running = [asyncio.create_task(registry.run("v")) for _ in range(2)]
    await asyncio.sleep(0.01)
    may_end.set()
    await asyncio.gather(*running)
    first, second = sorted(spans.named("step upstream"), key=lambda span: span.end_time)
    assert first.start_time <= second.start_time < first.end_time <= second.end_time
    runs = spans.named("run v")
    assert min(run.start_time for run in runs) <= first.start_time
    assert second.end_time <= max(run.end_time for run in runs)


async def test_step_that_another_plugin_refuses_has_a_span(registry, add, spans):
    """A circuit breaker's refusal is part of what happened, whichever plugin came first."""

    def refuse(call_next):
        async def call(call):
            raise OwnError("open")

        return call

    @parallel
    async def upstream(): ...

    registry.unregister("otel")
    registry.register(SimpleNamespace(step_middleware=hookimpl(lambda step: refuse)), "breaker")
    registry.register(Tracing(spans.provider), "otel")
    add(upstream)
    await registry.run("v")
    assert spans["step upstream"].status.description == "OwnError: open"
    assert facts(spans["step upstream"])["attempts"] == 0


@pytest.mark.looptime
async def test_attempts_are_counted_and_handled_errors_are_none(registry, add, spans):
    """A step that succeeds in the end has not failed."""
    left = [OSError("busy"), OSError("busy")]

    @step(concurrency="parallel", views=["v"], retry=Retry(attempts=3))
    async def flaky():
        if left:
            raise left.pop()

    add(flaky)
    await registry.run("v")
    span = spans["step flaky"]
    assert (facts(span)["attempts"], facts(span)["status"]) == (3, "succeeded")
    assert (span.status.status_code, span.events) == (StatusCode.UNSET, ())


class OwnError(StepError):
    """An error of a plugin."""


async def test_failure_is_an_error_with_its_exception(registry, add, spans):
    """An optional step's failure is data for the run, which goes on and is none."""

    @parallel
    async def broken():
        raise OwnError("no such branch")

    add(broken)
    await registry.run("v")
    span = spans["step broken"]
    assert (span.status.status_code, span.status.description) == (
        StatusCode.ERROR,
        "OwnError: no such branch",
    )
    assert span.attributes["error.type"] == f"{__name__}.OwnError"
    ((name, told),) = spans.events("step broken")
    assert name == "exception"
    assert (told["exception.type"], told["exception.message"]) == (f"{__name__}.OwnError", "no such branch")
    assert "test_endings.py" in told["exception.stacktrace"]
    assert facts(span)["status"] == "failed"
    assert spans["run v"].status.status_code is StatusCode.UNSET
    assert spans["run v"].attributes["aiohttp_steps.run.completed"] is False


async def test_failure_of_a_required_step_is_the_run_s(registry, add, spans):
    """The exception is recorded once, where it was raised; steps that were kept from starting are told."""

    @step(views=["v"])
    async def broken():
        raise SystemExit(3)

    @step(views=["v"], after=["broken"])
    async def later(): ...

    add(broken, later)
    await registry.run("v")
    for name in ("run v", "step broken"):
        assert spans[name].status.status_code is StatusCode.ERROR
        assert spans[name].attributes["error.type"] == "SystemExit"
    assert spans["run v"].attributes["aiohttp_steps.run.failed_step"] == "broken"
    assert [name for name, _ in spans.events("step broken")] == ["exception"]
    assert spans.events("run v") == [(STEP + "not_started", {STEP + "name": "later", STEP + "plugin": "p"})]


async def test_skipped_step_is_an_event_of_the_run(registry, add, spans):
    """It never ran, so it has no span; who is to blame is said."""

    @parallel
    async def broken():
        raise OSError

    @parallel
    async def takes(*, broken): ...

    add(broken, takes)
    await registry.run("v")
    assert spans.names == ["run v", "step broken"]
    told = {STEP + "name": "takes", STEP + "plugin": "p", STEP + "because_of": "broken"}
    assert spans.events("run v") == [(STEP + "skipped", told)]
    (event,) = spans["run v"].events
    assert spans["run v"].start_time <= event.timestamp <= spans["run v"].end_time


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("options", "attempts"),
    [({"timeout": 1}, 1), ({"queue_timeout": 1, "limit": 1}, 0)],
    ids=["run", "queue"],
)
async def test_timeout_is_an_error(registry, add, spans, options, attempts):
    """The span of a step that never started shows what it waited."""

    @step(concurrency="parallel", views=["v"], **options)
    async def hang():
        await asyncio.sleep(10)

    add(hang)
    await asyncio.gather(registry.run("v"), registry.run("v"))
    late = [span for span in spans.named("step hang") if facts(span)["status"] == "timed_out"]
    assert len(late) == 1 + attempts
    for span in late:
        assert span.status.status_code is StatusCode.ERROR
        assert span.attributes["error.type"] == "aiohttp_steps.errors.StepTimeoutError"
        assert facts(span)["attempts"] == attempts
        assert facts(span)["queue_wait_s"] == 1 - attempts


@pytest.mark.looptime
async def test_deadline_of_a_view_is_a_timeout_of_its_steps(registry, add, spans):
    """It comes as a cancellation, but the report calls it a timeout, and so does the span."""

    @parallel
    async def hang():
        await asyncio.Event().wait()

    @step(concurrency="parallel", views=["v"])
    async def takes(*, hang): ...

    add(hang, takes)
    await registry.run("v", deadline_s=1)
    span = spans["step hang"]
    assert facts(span)["status"] == "timed_out"
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"] == "aiohttp_steps.errors.StepTimeoutError"
    assert [name for name, _ in spans.events("run v")] == [STEP + "timed_out"]
    assert spans.open == []


@pytest.mark.parametrize(
    ("answer", "is_error"),
    [(web.HTTPUnauthorized, False), (web.HTTPBadGateway, True)],
    ids=["401", "502"],
)
async def test_answer_that_is_raised_is_an_error_from_500_on(registry, add, spans, answer, is_error):
    """As for the server's span: to ask for a login is no fault of ours."""

    @step(concurrency="gate", views=["v"])
    async def login():
        raise answer

    add(login)
    await registry.run("v")
    for name in ("run v", "step login"):
        assert (spans[name].status.status_code is StatusCode.ERROR) is is_error
        assert ("error.type" in spans[name].attributes) is is_error
        assert spans[name].attributes["http.response.status_code"] == answer.status_code
    assert len(spans["step login"].events) == is_error


async def test_cancelled_run_leaves_nothing_open_and_is_no_error(registry, add, spans):
    """A client that leaves is no fault; context and spans are as they were before."""
    begun = asyncio.Event()

    @parallel
    async def hang():
        begun.set()
        await asyncio.Event().wait()

    @parallel
    async def takes(*, hang): ...

    @step(concurrency="parallel", views=["v"], limit=1)
    async def other():
        await asyncio.Event().wait()

    async def run():
        before = context.get_current()
        try:
            await registry.run("v")
        finally:
            assert context.get_current() is before

    add(hang, takes, other)
    running = asyncio.create_task(run())
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert spans.open == []
    assert {span.status.status_code for span in spans.all} == {StatusCode.UNSET}
    assert facts(spans["step hang"])["status"] == "cancelled"
    assert spans["run v"].attributes["aiohttp_steps.run.cancelled"] is True
    assert spans["step hang"].events == ()
    assert [(name, told[STEP + "name"]) for name, told in spans.events("run v")] == [
        (STEP + "not_started", "takes")
    ]


async def test_run_cancelled_at_any_of_its_turns_leaves_nothing_open(registry, add, spans, caplog):
    """Whatever had just begun; and no token is used in a context that is not its own."""

    @step(concurrency="gate", views=["v"])
    async def gate():
        await asyncio.sleep(0)

    @parallel
    async def a():
        await asyncio.sleep(0)

    @step(concurrency="parallel", views=["v"], share=True)
    async def b(*, a):
        await asyncio.sleep(0)

    @parallel
    async def resource(*, a):
        yield 1
        await asyncio.sleep(0)

    add(gate, a, b, resource)
    turns = 0
    while True:
        running = asyncio.create_task(registry.run("v"))
        for _ in range(turns):
            await asyncio.sleep(0)
        if running.done():
            break
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        assert spans.open == [], f"cancelled at turn {turns}"
        turns += 1
    assert turns > 4
    assert len(spans.named("run v")) == turns  # the first was cancelled before it began
    assert not caplog.records


async def test_tear_down_has_a_span_below_its_step(registry, add, provider, spans):
    """What it commits or closes is part of the step's story; its error is that of the tear-down."""
    tracer = provider.get_tracer("test")

    @parallel
    async def transaction():
        yield 1
        await asyncio.sleep(0)
        with tracer.start_as_current_span("COMMIT"):
            pass
        raise OwnError("disk full")

    @parallel
    async def other(): ...

    add(transaction, other)
    await registry.run("v")
    assert spans.parent("COMMIT") == "step transaction tear-down"
    assert spans.parent("step transaction tear-down") == "step transaction"
    assert spans["step transaction"].status.status_code is StatusCode.UNSET
    assert spans["step transaction tear-down"].status.description == "OwnError: disk full"
    assert spans.open == []


async def test_tear_down_in_a_thread_has_its_span_too(registry, add, provider, spans):
    """A plain generator is left in a thread, which gets a copy of the context."""
    tracer = provider.get_tracer("test")

    @step(views=["v"])
    def resource():
        yield 1
        with tracer.start_as_current_span("CLOSE"):
            pass

    add(resource)
    await registry.run("v")
    assert spans.parent("CLOSE") == "step resource tear-down"


def test_run_that_is_thrown_away_with_its_loop_is_not_logged_as_a_fault(provider, spans, caplog):
    """Python closes it in a context that is not its own, in which no token may be used."""
    begun = []

    @step(views=["v"])
    async def hang():
        begun.append(True)
        await asyncio.Event().wait()

    registry = StepRegistry()
    registry.register(Tracing(provider), "otel")
    registry.register(SimpleNamespace(hang=hang), "p")
    loop = asyncio.new_event_loop()
    running = loop.create_task(registry.run("v"))
    while not begun:
        loop.call_soon(loop.stop)
        loop.run_forever()
    loop.close()
    del running
    gc.collect()
    assert spans.open == []
    assert facts(spans["step hang"])["status"] == "cancelled"
    assert {record.name for record in caplog.records} == {"asyncio"}
