"""Runs of one view under schedules, each from the same state, and what is seen of them."""

from __future__ import annotations

import asyncio
import fnmatch
import gc
import sys
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from aiohttp_steps.race.observing import Observation, Snapshot, compare, observe_report, tell
from aiohttp_steps.race.schedule import SEQUENTIAL, Schedule
from aiohttp_steps.race.trial import Trial, TrialPlugin, diff_context, read_context

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextvars import Context
    from types import TracebackType
    from typing import Self

    from aiohttp_steps.engine import StepRegistry
    from aiohttp_steps.race.files import WatchedFiles
    from aiohttp_steps.race.observing import Difference, Kind

SWITCH_INTERVAL_S = 1e-5
"""How long a thread may keep the GIL while others want it; Python's own is 5 ms."""

LEAST_HOLD_S, MOST_HOLD_S = 0.05, 1.0
"""How long a held step waits for the others at most: twice what a whole run takes, but within these."""

LEAST_LIMIT_S = 5.0
"""A run that takes that long, and 20 times what it takes one after another, hangs."""


class Runs:
    """Runs a view as schedules say; a context manager that leaves the registry as it was.

    Args:
        inputs: a mapping, or a function that makes one for each run.
        wanted: names of steps to run besides those of the view.
        limit_s: how long a run may take, in seconds.

    Attributes:
        count: how many runs there were.
        expected: what the first sequential run gave.
    """

    def __init__(
        self,
        registry: StepRegistry,
        view: str | None,
        *,
        inputs: Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None,
        wanted: Sequence[str],
        request: Any,
        files: WatchedFiles,
        ignore: Sequence[str],
        limit_s: float,
    ) -> None:
        self._registry = registry
        self.view = view
        self._inputs = inputs
        self._wanted = wanted
        self._request = request
        self._files = files
        self._ignore = ignore
        self._limit_s = limit_s
        self._hold_s = LEAST_HOLD_S
        self._plugin = TrialPlugin()
        self._switch_interval_s = sys.getswitchinterval()
        self._collects = gc.isenabled()
        self.count = 0
        self.expected: Observation

    def __enter__(self) -> Self:
        self._files.__enter__()
        self._registry.register(self._plugin, "race check")
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        # A collection runs finalizers and callbacks in whatever thread it falls, at a moment that is chance.
        gc.disable()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._collects:
            gc.enable()
        sys.setswitchinterval(self._switch_interval_s)
        self._registry.unregister(self._plugin)
        self._files.__exit__(kind, error, trace)

    async def run_first(self) -> None:
        """Run one after another, and keep that to compare with."""
        self.expected = await self.observe(SEQUENTIAL)
        wall_s = self.expected.wall_s
        self._hold_s = min(max(LEAST_HOLD_S, 2 * wall_s), MOST_HOLD_S)
        self._limit_s = min(self._limit_s, max(LEAST_LIMIT_S, 20 * wall_s))

    async def differ(self, schedule: Schedule) -> list[Difference]:
        """Run as a schedule says, and return what is different from the first run."""
        return self.compare(await self.observe(schedule))

    def compare(self, found: Observation) -> list[Difference]:
        """Return what is different from the first run, without what is ignored."""
        return [
            difference
            for difference in compare(self.expected, found, view=self.view)
            if not any(fnmatch.fnmatchcase(difference.name, pattern) for pattern in self._ignore)
        ]

    def tell_step(self, name: str) -> str:
        """Return what a step gave in the first run, as text."""
        return tell("step", self.expected.facts.get(("step", name)))

    async def observe(self, schedule: Schedule) -> Observation:
        """Run as a schedule says, from the state of the beginning, and return what is seen of it.

        Raises:
            InputError, PlanError: as for any run.
            RaceCheckError: watched files changed, and may not be put back.
        """
        self.count += 1
        if self.count > 1:
            self._files.restore()
        gc.collect(1)  # between runs it harms nobody; the oldest generation would take too long
        inputs = dict(self._inputs() if callable(self._inputs) else self._inputs or {})
        trial = Trial(schedule, hold_s=self._hold_s)
        context = copy_context()
        context.run(trial.enter)
        before = context.run(read_context)
        await self._run_in(context, schedule, inputs)
        report = trial.report
        if report is None:  # a run always tells how it ended, or raises why it did not begin
            message = "the run left no report"
            raise RuntimeError(message)
        facts = observe_report(report)
        facts.update(self._observe_state(context, before, inputs))
        return Observation(
            plan=report.plan,
            facts=facts,
            overlaps=trial.overlaps,
            order=trial.order,
            changes=trial.changes,
            wall_s=report.timing.wall_s,
        )

    async def _run_in(self, context: Context, schedule: Schedule, inputs: Mapping[str, Any]) -> None:
        run = self._registry.run(
            self.view,
            inputs=inputs,
            wanted=self._wanted,
            request=self._request,
            sequential=schedule.sequential,
            deadline_s=self._limit_s,
        )
        task = asyncio.get_running_loop().create_task(run, context=context)
        try:
            await task
        except asyncio.CancelledError:
            current = asyncio.current_task()
            # A step that cancels its own task is a fact of the run; a cancellation of the check is not.
            if not task.cancelled() or (current is not None and current.cancelling()):
                raise

    def _observe_state(
        self, context: Context, before: Mapping[Any, Any], inputs: Mapping[str, Any]
    ) -> dict[tuple[Kind, str], tuple[Any, ...]]:
        """Return what the run left: context variables of its caller, inputs, files."""
        facts: dict[tuple[Kind, str], tuple[Any, ...]] = {}
        for variable, value in diff_context(before, context.run(read_context)).items():
            facts["variable", variable.name] = (Snapshot(value),)
        for name, value in inputs.items():
            facts["input", name] = (Snapshot(value),)
        for path, state in self._files.read().items():
            facts["file", self._files.name(path)] = (state,)
        return facts
