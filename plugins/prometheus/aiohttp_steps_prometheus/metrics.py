"""`Metrics`: the plugin as an object, for apps that keep their metrics apart."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Literal, Protocol

from aiohttp import web
from aiohttp_steps import hookimpl
from aiohttp_steps.errors import StepShedError
from prometheus_client import CollectorRegistry

from aiohttp_steps_prometheus.families import RUN_BUCKETS, Families, StepSeries, ViewSeries
from aiohttp_steps_prometheus.page import make_handler
from aiohttp_steps_prometheus.threads import LeftBehind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiohttp_steps import StepRegistry
    from aiohttp_steps.types import Report, RunInfo

Result = Literal["completed", "partial", "failed", "answered", "cancelled"]

NO_STEP = ""
"""Stands for the step when none held the event loop; Prometheus treats an empty label as none."""

NO_VIEW = ""
"""Stands for the view of a handler that has none."""

_FIRST_ERROR_STATUS = 500

logger = logging.getLogger("aiohttp_steps_prometheus")


class Stall(Protocol):
    """A stall of the event loop, as far as it is counted."""

    @property
    def lasted_s(self) -> float:
        """How long it was, in seconds."""

    @property
    def how(self) -> str:
        """`"blocked"`: something ran in the loop; `"gil"`: a thread held the interpreter's lock."""

    @property
    def steps(self) -> Sequence[str]:
        """Names of the steps that held the loop; may be empty."""


class Metrics:
    """A plugin that counts runs and steps, and serves the numbers.

    Args:
        path: of the route that `setup` adds to an application; `None`: add none.
        collectors: where the metrics are registered, and what the route serves; `None`: a registry of its
            own, so that two of these in one process do not clash.
        buckets: upper bounds for the times of runs and steps, in seconds, ascending.

    Attributes:
        collectors: the registry of collectors.

    Raises:
        ValueError: `collectors` holds metrics of these names already, or `buckets` are not in order.
    """

    def __init__(
        self,
        *,
        path: str | None = "/metrics",
        collectors: CollectorRegistry | None = None,
        buckets: Sequence[float] = RUN_BUCKETS,
    ) -> None:
        self.collectors = CollectorRegistry() if collectors is None else collectors
        self._path = path
        self._families = Families(self.collectors, buckets)
        self._threads = LeftBehind()
        self.collectors.register(self._threads)
        # Not a weak mapping: a run that is thrown away with its loop would be gone before its end is told.
        self._began: dict[RunInfo, tuple[Callable[[], float], float]] = {}
        self._views: dict[str, ViewSeries] = {}
        self._steps: dict[tuple[str, str], StepSeries] = {}

    def watch(self, registry: StepRegistry) -> None:
        """Count the threads that the steps of `registry` leave behind; `setup` of an application does it."""
        self._threads.watch(registry)

    @hookimpl
    def steps_app_setup(self, app: Any, registry: StepRegistry) -> None:
        """Add the route, unless the application has one of its own there; watch the registry's threads."""
        self.watch(registry)
        if self._path is None:
            return
        if any(resource.canonical == self._path for resource in app.router.resources()):
            logger.warning(
                "%s is a route of the application already; metrics are not served there", self._path
            )
            return
        app.router.add_get(self._path, make_handler(self.collectors))

    @hookimpl
    def steps_run_started(self, run: RunInfo) -> None:
        """Count a run that begins."""
        view = run.plan.view or NO_VIEW
        of_view = self._views.get(view)
        if of_view is None:
            of_view = self._views[view] = ViewSeries(self._families, view)
        of_view.in_flight.inc()
        clock = asyncio.get_running_loop().time
        self._began[run] = clock, clock()

    @hookimpl
    def steps_run_finished(self, report: Report) -> None:
        """Count a run that has ended, and its steps."""
        began = self._began.pop(report.run, None)
        if began is None:  # it began before this plugin was there
            return
        view = report.view or NO_VIEW
        of_view = self._views[view]
        of_view.in_flight.dec()
        clock, began_at = began
        of_view.duration.observe(clock() - began_at)
        of_view.count(_result_of(report))
        known = self._steps
        for outcome in report.outcomes:
            step = outcome.step
            of_step = known.get((view, step.name))
            if of_step is None:
                of_step = known[view, step.name] = StepSeries(self._families, view, step)
            of_step.observe(outcome, is_shed=isinstance(outcome.error, StepShedError))

    @hookimpl(optionalhook=True)
    def step_stalled(self, stall: Stall) -> None:
        """Count a stall of the event loop, for each of the steps that held it."""
        for name in stall.steps or (NO_STEP,):
            self._families.stalls.labels(name, stall.how).observe(stall.lasted_s)


def _result_of(report: Report) -> Result:
    if report.cancelled:
        return "cancelled"
    if report.answer is not None:
        return "answered"
    if report.completed:
        return "completed"
    failure = report.failure
    if failure is None:
        return "partial"
    # An answer that is raised: a redirect, a 401.
    is_answer = isinstance(failure.error, web.HTTPException) and failure.error.status < _FIRST_ERROR_STATUS
    return "answered" if is_answer else "failed"
