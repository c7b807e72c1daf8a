"""What happens where nobody looks: no SDK, no sample, an SDK that fails."""

from __future__ import annotations

import subprocess
import sys

import pytest
from aiohttp_steps import step
from opentelemetry import context, trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import NoOpTracerProvider

parallel = step(concurrency="parallel", views=["v"])
gate = step(concurrency="gate", views=["v"])


async def test_without_an_sdk_nothing_is_made_current(open_registry):
    """Not even an invalid span: the step sees the context that was there."""
    registry = open_registry(NoOpTracerProvider())

    @gate
    async def look():
        return context.get_current()

    registry.register(type("P", (), {"look": staticmethod(look)})(), "p")
    before = context.get_current()
    assert (await registry.run("v"))["look"] is before
    assert context.get_current() is before


@pytest.fixture
def unsampled():
    """Return a provider whose sampler records nothing, and a list of what is started all the same."""
    started = []

    class Started(SpanProcessor):
        def on_start(self, span, parent_context=None):
            started.append(span)

    provider = TracerProvider(sampler=ParentBased(ALWAYS_OFF), shutdown_on_exit=False)
    provider.add_span_processor(Started())
    return provider, started


async def test_trace_that_is_not_sampled_stays_so_below(open_registry, unsampled):
    """An upstream that is asked by a step must be told, or half of the trace would be kept there."""
    provider, started = unsampled
    registry = open_registry(provider)

    @gate
    async def look():
        return trace.get_current_span().get_span_context()

    @parallel
    def thread():
        return trace.get_current_span().get_span_context()

    registry.register(type("P", (), {"look": staticmethod(look), "thread": staticmethod(thread)})(), "p")
    report = await registry.run("v")
    assert report["look"].is_valid
    assert not report["look"].trace_flags.sampled
    assert report["thread"] == report["look"], "one span for all, and none for a step"
    assert not trace.get_current_span().get_span_context().is_valid
    assert started == []


class Fails(SpanProcessor):
    """An exporter that is broken, at the beginning or the end of spans."""

    def __init__(self, moment):
        setattr(self, moment, self.fail)

    def fail(self, span, parent_context=None):
        if span.name.startswith("step "):
            raise LookupError("collector is down")


@pytest.mark.parametrize("moment", ["on_start", "on_end"])
async def test_telemetry_that_fails_takes_no_step_with_it(open_registry, caplog, moment):
    """It is told to the log; values, errors and tear-downs are as without it."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Fails(moment))
    registry = open_registry(provider)
    left = []

    @parallel
    async def a():
        return 1

    @parallel
    async def broken():
        raise OSError("its own")

    @parallel
    async def resource():
        yield 2
        left.append(True)

    steps = {each.__name__: staticmethod(each) for each in (a, broken, resource)}
    registry.register(type("P", (), steps)(), "p")
    before = context.get_current()
    report = await registry.run("v")
    assert (report["a"], report["resource"], left) == (1, 2, [True])
    assert str(report.errors["broken"]) == "its own"
    assert report.resource_errors == {}
    assert context.get_current() is before
    assert {record.name for record in caplog.records} == {"aiohttp_steps_otel"}
    assert "collector is down" in caplog.records[0].exc_text


LATE = """
import asyncio
from types import SimpleNamespace
from aiohttp_steps import StepRegistry, step
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

@step(concurrency="parallel", views=["v"])
async def a(): ...

async def main():
    async with StepRegistry() as registry:
        registry.load_entry_points()
        registry.register(SimpleNamespace(a=a), "p")
        await registry.run("v")
        exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        trace.set_tracer_provider(provider)
        await registry.run("v")
        print(*[span.name for span in exporter.get_finished_spans()], sep=", ")

asyncio.run(main())
"""


def test_installed_plugin_records_once_there_is_a_provider():
    """No line of the app names it; a provider that is set after plans were compiled counts as well."""
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, check=True)
    assert done.stdout == "step a, run v\n"
    assert done.stderr == ""
