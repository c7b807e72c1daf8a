"""Real spans: the SDK's exporter in memory, and a registry whose runs it sees."""

from __future__ import annotations

import types
from collections import Counter

import pytest
from aiohttp_steps import StepRegistry
from aiohttp_steps_otel import Tracing
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


class Balance(SpanProcessor):
    """Counts spans that were started and not ended, by name."""

    def __init__(self):
        self.open = Counter()

    def on_start(self, span, parent_context=None):
        self.open[span.name] += 1

    def on_end(self, span):
        self.open[span.name] -= 1


class Spans:
    """What was recorded so far."""

    def __init__(self, provider, exporter, balance):
        self.provider = provider
        self._exporter = exporter
        self._balance = balance

    @property
    def all(self):
        return self._exporter.get_finished_spans()

    @property
    def names(self):
        return sorted(span.name for span in self.all)

    @property
    def open(self):
        return sorted((+self._balance.open).elements())

    def named(self, name):
        return [span for span in self.all if span.name == name]

    def __getitem__(self, name):
        """Return the only span of this name."""
        (span,) = self.named(name)
        return span

    def parent(self, name):
        """Return the name of the span that is the parent of the only one of this name, `None` for a root."""
        parent = self[name].parent
        if parent is None:
            return None
        (found,) = [span for span in self.all if span.context.span_id == parent.span_id]
        assert found.context.trace_id == self[name].context.trace_id
        return found.name

    def events(self, name):
        """Return names and attributes of the events of the only span of this name."""
        return [(event.name, dict(event.attributes)) for event in self[name].events]


@pytest.fixture
def exporter():
    return InMemorySpanExporter()


@pytest.fixture
def balance():
    return Balance()


@pytest.fixture
def provider(exporter, balance):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(balance)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider
    provider.shutdown()


@pytest.fixture
def spans(provider, exporter, balance):
    return Spans(provider, exporter, balance)


@pytest.fixture
async def open_registry():
    """Return a function that makes registries with tracing; they are closed with the test."""
    opened = []

    def make(provider, **options):
        registry = StepRegistry(**options)
        registry.register(Tracing(provider), "otel")
        opened.append(registry)
        return registry

    yield make
    for registry in opened:
        await registry.close()


@pytest.fixture
async def registry(open_registry, provider):
    """Return a registry with tracing."""
    return open_registry(provider)


@pytest.fixture
def add(registry):
    """Return a function that registers functions as one plugin, called `p` if not said."""

    def register(*functions, plugin="p"):
        made = types.SimpleNamespace(**{function.__name__: function for function in functions})
        registry.register(made, plugin)

    return register
