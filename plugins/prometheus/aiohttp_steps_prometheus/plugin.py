"""The plugin behind the entry point: metrics in prometheus_client's own registry, served at `/metrics`.

That registry, because Prometheus scrapes a process: what other libraries count there, and the process's own
memory and CPU, belong to the same page. A module is imported once, so nothing clashes: the applications of
one process are counted together.

Not part of the package's `__init__`: who makes a `Metrics` of his own does not get these besides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp_steps import hookimpl
from prometheus_client import REGISTRY

from aiohttp_steps_prometheus.metrics import Metrics

if TYPE_CHECKING:
    from aiohttp_steps import StepRegistry
    from aiohttp_steps.types import Report, RunInfo

    from aiohttp_steps_prometheus.metrics import Stall

_METRICS = Metrics(collectors=REGISTRY)


@hookimpl
def steps_app_setup(app: Any, registry: StepRegistry) -> None:
    """Add the route, and watch the registry's threads."""
    _METRICS.steps_app_setup(app, registry)


@hookimpl
def steps_run_started(run: RunInfo) -> None:
    """Count a run that begins."""
    _METRICS.steps_run_started(run)


@hookimpl
def steps_run_finished(report: Report) -> None:
    """Count a run that has ended, and its steps."""
    _METRICS.steps_run_finished(report)


@hookimpl(optionalhook=True)
def step_stalled(stall: Stall) -> None:
    """Count a stall of the event loop; told by another plugin, if it is installed."""
    _METRICS.step_stalled(stall)
