"""The families of metrics: their names, labels and buckets.

Names follow https://prometheus.io/docs/practices/naming/. Labels are names of views and steps, which are
written in code: a request cannot make new ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import Counter, Gauge, Histogram

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp_steps.types import Outcome, Step
    from prometheus_client import CollectorRegistry

RUN_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds for what runs and steps take, in seconds."""

WAIT_BUCKETS: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0)
"""Upper bounds for waits, in seconds: whether there are any matters more than how long exactly."""

STALL_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
"""Upper bounds for stalls of the event loop, in seconds."""

_OF_VIEW: Final = ("view",)
_OF_STEP: Final = ("view", "step")


class Families:
    """All families of one registry of collectors.

    Args:
        collectors: where they are registered.
        buckets: upper bounds for run times, in seconds.
    """

    def __init__(self, collectors: CollectorRegistry, buckets: Sequence[float]) -> None:
        def histogram(name: str, text: str, labels: Sequence[str], bounds: Sequence[float]) -> Histogram:
            return Histogram(f"aiohttp_steps_{name}", text, labels, buckets=bounds, registry=collectors)

        def counter(name: str, text: str, labels: Sequence[str]) -> Counter:
            return Counter(f"aiohttp_steps_{name}", text, labels, registry=collectors)

        self.runs = counter("runs", "Runs that have ended, by how.", (*_OF_VIEW, "result"))
        self.run_duration = histogram(
            "run_duration_seconds", "Times of whole runs, without the handler.", _OF_VIEW, buckets
        )
        self.in_flight = Gauge(
            "aiohttp_steps_runs_in_flight",
            "Runs under way.",
            _OF_VIEW,
            registry=collectors,
            multiprocess_mode="livesum",
        )
        self.step_outcomes = counter("step_outcomes", "Steps by how they ended.", (*_OF_STEP, "status"))
        self.step_shed = counter("step_shed", "Steps refused because too many waited already.", _OF_STEP)
        self.step_run = histogram("step_run_seconds", "Times of the bodies of steps.", _OF_STEP, buckets)
        self.step_queue_wait = histogram(
            "step_queue_wait_seconds",
            "Times that steps waited to start once they might.",
            _OF_STEP,
            WAIT_BUCKETS,
        )
        self.step_lock_wait = histogram(
            "step_lock_wait_seconds",
            "The part of it that exclusive steps waited for keys.",
            _OF_STEP,
            WAIT_BUCKETS,
        )
        self.stalls = histogram(
            "loop_stall_seconds",
            "Stalls of the event loop, by the steps that held it.",
            ("step", "how"),
            STALL_BUCKETS,
        )


class ViewSeries:
    """What is counted of the runs of one view, looked up once.

    Attributes:
        in_flight: how many are under way.
        duration: how long they took.
    """

    __slots__ = ("_families", "_results", "_view", "duration", "in_flight")

    def __init__(self, families: Families, view: str) -> None:
        self._families = families
        self._view = view
        self.in_flight = families.in_flight.labels(view)
        self.duration = families.run_duration.labels(view)
        self._results: dict[str, Counter] = {}

    def count(self, result: str) -> None:
        """Count a run by its result."""
        counted = self._results.get(result)
        if counted is None:
            counted = self._results[result] = self._families.runs.labels(self._view, result)
        counted.inc()


class StepSeries:
    """What is counted of one step in one view, looked up once."""

    __slots__ = ("_families", "_labels", "_lock_wait", "_outcomes", "_queue_wait", "_run")

    def __init__(self, families: Families, view: str, step: Step) -> None:
        self._families = families
        self._labels = labels = (view, step.name)
        self._run = families.step_run.labels(*labels)
        self._queue_wait = families.step_queue_wait.labels(*labels)
        # Others would fill the page with zeros.
        is_exclusive = step.kind == "exclusive"
        self._lock_wait = families.step_lock_wait.labels(*labels) if is_exclusive else None
        self._outcomes: dict[str, Counter] = {}

    def observe(self, outcome: Outcome, *, is_shed: bool) -> None:
        """Count how the step ended once."""
        status = outcome.status
        counted = self._outcomes.get(status)
        if counted is None:
            counted = self._families.step_outcomes.labels(*self._labels, status.value)
            self._outcomes[status] = counted
        counted.inc()
        if outcome.started_s is not None:
            self._run.observe(outcome.run_s)
        elif outcome.ended_s is None or status == "skipped":
            return  # it never came to wait
        self._queue_wait.observe(outcome.queue_s)
        if self._lock_wait is not None:
            self._lock_wait.observe(outcome.lock_s)
        if is_shed:
            self._families.step_shed.labels(*self._labels).inc()
