"""Who is whose parent, wherever a step runs; and what is current inside its body."""

from __future__ import annotations

import asyncio
import pickle
import sys
import threading

import pytest
from aiohttp_steps import step
from aiohttp_steps_otel import activate, pack_context
from opentelemetry import baggage, context, trace

parallel = step(concurrency="parallel", views=["v"])
sequential = step(views=["v"])


def current():
    return trace.get_current_span().get_span_context().span_id


def id_of(span):
    return span.context.span_id


@pytest.mark.parametrize("is_sequential", [False, True], ids=["parallel", "sequential"])
async def test_steps_hang_below_their_run_and_are_current_in_their_bodies(
    registry, add, spans, is_sequential
):
    """In the request's own task, in tasks, in threads and inline; one after another it is the same trace."""
    home = threading.get_ident()

    @step(concurrency="gate", views=["v"])
    async def gate():
        return current(), threading.get_ident() == home

    @sequential
    async def alone():
        return current(), threading.get_ident() == home

    @parallel
    async def task():
        await asyncio.sleep(0)
        return current(), threading.get_ident() == home

    @parallel
    def thread():
        return current(), threading.get_ident() == home

    @step(concurrency="parallel", views=["v"], runner="inline")
    def inline():
        return current(), threading.get_ident() == home

    steps = [gate, alone, task, thread, inline]
    add(*steps)
    report = await registry.run("v", sequential=is_sequential)
    for each in steps:
        name = f"step {each.__name__}"
        assert report[each] == (id_of(spans[name]), each is not thread)
        assert spans.parent(name) == "run v"
    assert spans.parent("run v") is None
    assert len(spans.all) == 6
    assert spans.open == []


async def test_run_hangs_below_the_span_that_is_current(registry, add, provider, spans):
    """An instrumentation of aiohttp has a span for the request; that is current again for the handler."""

    @sequential
    async def a(): ...

    add(a)
    with provider.get_tracer("test").start_as_current_span("server"):
        before = context.get_current()
        await registry.run("v")
        assert context.get_current() is before
    assert spans.parent("run v") == "server"
    assert spans.parent("step a") == "run v"


async def test_worker_that_goes_on_with_another_step_changes_the_span(registry, add, spans):
    """One task may run several steps of a chain: the second is no child of the first."""

    @parallel
    async def first():
        await asyncio.sleep(0)
        return current()

    @parallel
    async def second(*, first):
        await asyncio.sleep(0)
        return current()

    @parallel
    async def other():
        await asyncio.sleep(0)
        return current()

    add(first, second, other)
    report = await registry.run("v")
    for name in ("first", "second", "other"):
        assert report[name] == id_of(spans[f"step {name}"])
        assert spans.parent(f"step {name}") == "run v"


async def test_what_a_step_makes_hangs_below_it(registry, add, provider, spans):
    """Clients of databases and upstreams are instrumented: their spans tell which step asked."""
    tracer = provider.get_tracer("test")

    @parallel
    async def asks():
        await asyncio.sleep(0)
        with tracer.start_as_current_span("GET upstream"):
            await asyncio.sleep(0)

    @parallel
    def reads():
        with tracer.start_as_current_span("SELECT"):
            pass

    add(asks, reads)
    await registry.run("v")
    assert spans.parent("GET upstream") == "step asks"
    assert spans.parent("SELECT") == "step reads"


async def test_run_within_a_step_hangs_below_that_step(registry, add, spans):
    """A step may run a view of its own; afterwards it is still itself that is current."""

    @sequential
    async def outer():
        await registry.run("w")
        return current()

    @step(views=["w"])
    async def inner(): ...

    add(outer, inner)
    report = await registry.run("v")
    assert spans.parent("step inner") == "run w"
    assert spans.parent("run w") == "step outer"
    assert report["outer"] == id_of(spans["step outer"])


async def test_runs_at_once_do_not_mix(registry, add, spans):
    """Each request's steps belong to its own trace."""
    barrier = asyncio.Barrier(3)

    @parallel
    async def meet():
        await barrier.wait()

    @parallel
    def thread(): ...

    add(meet, thread)
    await asyncio.gather(*[registry.run("v") for _ in range(3)])
    traces = {}
    for span in spans.all:
        traces.setdefault(span.context.trace_id, []).append(span.name)
    assert sorted(map(sorted, traces.values())) == [["run v", "step meet", "step thread"]] * 3


async def test_run_of_a_handler_without_a_view_has_a_span(registry, add, spans):
    """`@inject` runs only what a signature asks for: there is no view to be named after."""

    @step(concurrency="parallel")
    async def a(): ...

    add(a)
    await registry.run(wanted=["a"])
    assert spans.names == ["run", "step a"]
    assert "aiohttp_steps.view" not in spans["run"].attributes


PROCESS = """
from aiohttp_steps import step
from opentelemetry import baggage, trace

@step(concurrency="parallel", views=["v"], runner="process")
def away():
    span = trace.get_current_span().get_span_context()
    return span.trace_id, span.span_id, span.is_remote, int(span.trace_flags), baggage.get_baggage("user")

@step(concurrency="parallel", views=["w"], runner="process")
def away_again():
    return trace.get_current_span().get_span_context().is_valid
"""


@pytest.fixture
def away(tmp_path, monkeypatch):
    """Give a module that worker processes can import."""
    (tmp_path / "steps_of_otel_tests.py").write_text(PROCESS)
    monkeypatch.syspath_prepend(tmp_path)
    import steps_of_otel_tests

    yield steps_of_otel_tests
    del sys.modules["steps_of_otel_tests"]


async def test_worker_process_has_the_span_as_its_remote_parent(open_registry, provider, spans, away):
    """What is recorded over there belongs to the same trace; baggage comes along."""
    registry = open_registry(provider, processes=1)
    registry.register(away, "p")
    token = context.attach(baggage.set_baggage("user", "ada"))
    report = await registry.run("v")
    context.detach(token)
    span = spans["step away"].context
    assert report["away"] == (span.trace_id, span.span_id, True, int(span.trace_flags), "ada")
    assert spans.parent("step away") == "run v"
    assert (await registry.run("w"))["away_again"] is True
    assert spans["step away_again"].attributes["aiohttp_steps.step.runner"] == "process"


def test_remote_parent_is_current_for_the_time_of_a_block():
    """A worker process serves many: one's trace must not become the next one's."""
    before = context.get_current()
    with activate({"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}):
        assert trace.get_current_span().get_span_context().is_remote
        packed = pickle.dumps(pack_context())
    assert context.get_current() is before
    with pickle.loads(packed)():
        assert trace.format_span_id(current()) == "b7ad6b7169203331"
    assert context.get_current() is before


async def test_shared_run_belongs_to_who_came_first_and_others_are_linked(registry, add, provider, spans):
    """The body runs once, in one trace; the other traces say where."""
    tracer = provider.get_tracer("test")
    has_begun, may_end = asyncio.Event(), asyncio.Event()

    @step(concurrency="parallel", views=["v"], share=True)
    async def shared():
        has_begun.set()
        with tracer.start_as_current_span("GET upstream"):
            await may_end.wait()

    add(shared)
    first = asyncio.create_task(registry.run("v"))
    await has_begun.wait()
    others = [asyncio.create_task(registry.run("v")) for _ in range(2)]
    await asyncio.sleep(0.01)
    may_end.set()
    await asyncio.gather(first, *others)

    found = spans.named("step shared")
    led, *joined = sorted(found, key=lambda span: span.attributes["aiohttp_steps.step.shared"])
    assert [span.attributes["aiohttp_steps.step.shared"] for span in joined] == [True, True]
    assert [[link.context for link in span.links] for span in joined] == [[led.context], [led.context]]
    assert not led.links
    assert spans["GET upstream"].parent.span_id == led.context.span_id
    assert len({span.context.trace_id for span in found}) == 3
