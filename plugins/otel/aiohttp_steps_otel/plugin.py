"""The hook implementations behind the entry point: spans by the process's own tracer provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp_steps import hookimpl

from aiohttp_steps_otel.tracing import Tracing

if TYPE_CHECKING:
    from aiohttp_steps.types import Report, RunInfo, Step, StepMiddleware

_TRACING = Tracing()


@hookimpl(tryfirst=True)
def steps_run_started(run: RunInfo) -> None:
    """Start the span of a run, and make it current."""
    _TRACING.steps_run_started(run)


@hookimpl(trylast=True)
def steps_run_finished(report: Report) -> None:
    """End the span of a run."""
    _TRACING.steps_run_finished(report)


@hookimpl(tryfirst=True)
def step_middleware(step: Step) -> StepMiddleware:
    """Wrap each step in a span, outside of what other plugins wrap."""
    return _TRACING.step_middleware(step)
