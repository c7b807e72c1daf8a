"""The span of one run: from its beginning until the handler's turn."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from aiohttp_steps.errors import StepSkippedError
from opentelemetry import context, trace

from aiohttp_steps_otel import attributes

if TYPE_CHECKING:
    from aiohttp_steps.types import Outcome, Plan, Report
    from opentelemetry.trace import Tracer


class RunSpan:
    """A run's span, current from `attach` to `detach` in the context of the run.

    Attributes:
        is_recording: whether anybody will see it; if not, its steps get no spans.
        reached: names of the steps that have got a span of their own.
    """

    __slots__ = ("_began_ns", "_key", "_span", "_token", "is_recording", "reached")

    def __init__(self, tracer: Tracer, plan: Plan, key: str) -> None:
        self._key = key
        self._began_ns = time.time_ns()
        name = "run" if plan.view is None else f"run {plan.view}"
        self._span = tracer.start_span(
            name, attributes=attributes.describe_run(plan), start_time=self._began_ns
        )
        self._token: Any = None
        self.is_recording = self._span.is_recording()
        self.reached: set[str] = set()

    @property
    def is_of_use(self) -> bool:
        """Whether it is worth being current: it says at least that the trace is not sampled."""
        return self.is_recording or self._span.get_span_context().is_valid

    def attach(self) -> None:
        """Make the span current, and this object the value of the key."""
        within = trace.set_span_in_context(self._span)
        self._token = context.attach(context.set_value(self._key, self, within))

    def detach(self) -> None:
        """Make current what was so before."""
        # A run that is thrown away with its loop is closed in a context that is not its own.
        if context.get_value(self._key) is self:
            context.detach(self._token)

    def end(self, report: Report) -> None:
        """Say how the run ended, and end the span."""
        try:
            self._describe(report)
        finally:
            self._span.end()

    def _describe(self, report: Report) -> None:
        self._span.set_attributes(
            {attributes.RUN_COMPLETED: report.completed, attributes.RUN_CANCELLED: report.cancelled}
        )
        if report.completed:
            return
        for outcome in report.outcomes:
            if outcome.step.name not in self.reached:
                self._tell(outcome)
        failure = report.failure
        if failure is not None and failure.error is not None:
            self._span.set_attribute(attributes.RUN_FAILED_STEP, failure.step.name)
            attributes.mark_failed(self._span, failure.error, with_event=False)

    def _tell(self, outcome: Outcome) -> None:
        """Record a step that never came to have a span: it was skipped, or the run ended first."""
        facts = {attributes.STEP_NAME: outcome.step.name, attributes.STEP_PLUGIN: outcome.step.plugin}
        if isinstance(outcome.error, StepSkippedError):
            facts[attributes.STEP_BECAUSE_OF] = outcome.error.because_of
        at_ns = None if outcome.ended_s is None else self._began_ns + int(outcome.ended_s * 1e9)
        self._span.add_event(attributes.STEP + outcome.status, facts, timestamp=at_ns)
