"""`Tracing`: the plugin as an object, for apps that have a tracer provider of their own."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

from aiohttp_steps import hookimpl
from opentelemetry import context, trace

from aiohttp_steps_otel.attributes import SCHEMA_URL
from aiohttp_steps_otel.runs import RunSpan
from aiohttp_steps_otel.steps import StepSpans

if TYPE_CHECKING:
    from aiohttp_steps.types import Report, RunInfo, Step, StepMiddleware
    from opentelemetry.trace import TracerProvider


class Tracing:
    """A plugin that records runs and steps as spans.

    Args:
        tracer_provider: who makes the spans; `None`: the process's own, also if it is set later.
    """

    def __init__(self, tracer_provider: TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer(
            "aiohttp_steps_otel",
            metadata.version("aiohttp-steps-otel"),
            tracer_provider=tracer_provider,
            schema_url=SCHEMA_URL,
        )
        self._key = context.create_key("aiohttp-steps-run")
        # Not a weak mapping: a run that is thrown away with its loop would be gone before its end is told.
        self._runs: dict[RunInfo, RunSpan] = {}

    @hookimpl(tryfirst=True)
    def steps_run_started(self, run: RunInfo) -> None:
        """Start the span of a run below the one that is current, and make it current."""
        span = RunSpan(self._tracer, run.plan, self._key)
        if span.is_of_use:
            self._runs[run] = span
            span.attach()

    @hookimpl(trylast=True)
    def steps_run_finished(self, report: Report) -> None:
        """End the span of a run, and make current what was so before."""
        span = self._runs.pop(report.run, None)
        if span is None:
            return
        span.detach()
        if span.is_recording:
            span.end(report)

    @hookimpl(tryfirst=True)
    def step_middleware(self, step: Step) -> StepMiddleware:
        """Wrap each step in a span, outside of what other plugins wrap."""
        return StepSpans(self._tracer, step, self._key)
