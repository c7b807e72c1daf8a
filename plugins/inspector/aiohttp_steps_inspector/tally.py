"""Counts per step: how often it ran, failed and stalled the loop, and how long it took.

What each run has to do is a count per plan and a note; the rest is worked out when somebody looks.
"""

from __future__ import annotations

import asyncio
import statistics
from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp_steps.types import Status

if TYPE_CHECKING:
    from aiohttp_steps.types import Plan, Report

MOST_DURATIONS = 1_000
"""Durations of each step that percentiles are made of: the last ones."""

MOST_UNREAD = 200
"""Runs that wait to be looked at; of more that nobody looked at meanwhile, the durations are not sampled."""

MOST_PLANS = 256
"""Plans that are counted by themselves, before their counts are added to their steps'."""

MOST_READ = 100
"""Runs that are read for one message to an open page; of more, the last ones stand for all."""

TURN = 25
"""Runs that are read in one turn of the event loop."""

HUNDREDTHS = 100
FEWEST = 2
"""Durations from which percentiles can be made; `statistics` says so."""


@dataclass(slots=True)
class Stalls:
    """How a step held the event loop.

    Attributes:
        count: how often.
        worst_s: the longest, in seconds.
        gil: how often by holding the interpreter in a thread: parallel in name only.
        where: the code that held it last, empty if not known.
    """

    count: int = 0
    worst_s: float = 0.0
    gil: int = 0
    where: str = ""


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Of the last durations of a step, in seconds."""

    p50: float
    p95: float
    p99: float


class Tally:
    """Counts what steps do; bounded, however long it counts.

    Attributes:
        stalls: by name of the step.
        unnamed_stalls: stalls of the loop that no step is blamed for.
    """

    def __init__(self) -> None:
        self.stalls: defaultdict[str, Stalls] = defaultdict(Stalls)
        self.unnamed_stalls = 0
        self._runs: dict[Plan, int] = {}
        self._counts: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._unread: deque[Report] = deque(maxlen=MOST_UNREAD)
        self._durations: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=MOST_DURATIONS))

    def add(self, report: Report) -> None:
        """Count a run; `report` has to be one without values, as it is kept for a while."""
        runs, plan = self._runs, report.plan
        if plan in runs:
            runs[plan] += 1
        else:
            self._add_plan(plan)
        self._unread.append(report)
        if not report.completed:
            self._add_incomplete(report)

    def add_stall(self, stall: Any) -> None:
        """Count a stall of the event loop, as a plugin that watches for them describes it."""
        if not stall.steps:
            self.unnamed_stalls += 1
        for name in stall.steps:
            stalls = self.stalls[name]
            stalls.count += 1
            stalls.worst_s = max(stalls.worst_s, stall.lasted_s)
            stalls.gil += stall.how == "gil"
            stalls.where = str(stall.where or "")

    async def settle(self, most: int = MOST_UNREAD) -> None:
        """Read the durations of the runs that nobody has looked at; the loop gets its turns meanwhile.

        Args:
            most: how many runs are read; of more, the earlier ones are left out.
        """
        unread = self._unread
        for _ in range(len(unread) - most):
            unread.popleft()
        # Those that come meanwhile are left: under load there is always one more.
        for _ in range(0, len(unread), TURN):
            for _ in range(min(TURN, len(unread))):
                self._read(unread.popleft())
            await asyncio.sleep(0)

    def count(self) -> Counter[str]:
        """Return how often each step ran, by name."""
        counts = Counter(self._counts)
        for plan, runs in self._runs.items():
            for step in plan.steps:
                counts[step.name] += runs
        return counts

    @property
    def errors(self) -> Counter[str]:
        """How often each step failed or ran out of time, by name."""
        return self._errors

    def percentiles(self, name: str) -> Percentiles | None:
        """Return those of a step's last durations, `None` if it never ran; after `settle`."""
        durations = self._durations.get(name)
        if not durations:
            return None
        if len(durations) < FEWEST:
            return Percentiles(durations[0], durations[0], durations[0])
        cuts = statistics.quantiles(durations, n=HUNDREDTHS, method="inclusive")
        return Percentiles(cuts[49], cuts[94], cuts[98])

    def _add_plan(self, plan: Plan) -> None:
        if len(self._runs) >= MOST_PLANS:
            self._counts = self.count()
            self._runs.clear()
        self._runs[plan] = 1

    def _add_incomplete(self, report: Report) -> None:
        """Take those that never ran out of the count of their plan, and count errors."""
        for outcome in report.outcomes:
            name = outcome.step.name
            if outcome.status in (Status.FAILED, Status.TIMED_OUT):
                self._errors[name] += 1
            if outcome.started_s is None:
                self._counts[name] -= 1

    def _read(self, report: Report) -> None:
        for outcome in report.outcomes:
            if outcome.started_s is not None and outcome.status is not Status.CANCELLED:
                self._durations[outcome.step.name].append(outcome.run_s)
