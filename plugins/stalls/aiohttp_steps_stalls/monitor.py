"""`StallMonitor`: who held the event loop, counted, told, and kept for reports.

How a stall is noticed is `watch`'s, who is to blame `verdict`'s.
"""

from __future__ import annotations

import asyncio
import os
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

from aiohttp_steps import hookimpl
from aiohttp_steps.errors import StepsError

from aiohttp_steps_stalls.stacks import StepCodes
from aiohttp_steps_stalls.stall import Stall, StallCount
from aiohttp_steps_stalls.telling import StallLog, declare_hook, tell_plugins
from aiohttp_steps_stalls.underway import UNDER_WAY
from aiohttp_steps_stalls.verdict import judge
from aiohttp_steps_stalls.watch import MOST_S, Watch

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from aiohttp_steps import StepRegistry
    from aiohttp_steps.types import Report, Step, StepMiddleware

    from aiohttp_steps_stalls.verdict import Evidence, Verdict

THRESHOLD_S = 0.010
"""From which on the loop counts as held, if nobody says otherwise."""

VARIABLE = "AIOHTTP_STEPS_STALL_MS"
"""Environment variable with the threshold in milliseconds; 0 turns the monitor off."""

KEPT = 1000
"""Stalls that are kept for reports."""

_started: weakref.WeakSet[StallMonitor] = weakref.WeakSet()
_of_registries: weakref.WeakKeyDictionary[StepRegistry, StallMonitor] = weakref.WeakKeyDictionary()


class StallMonitor:
    """Notices that the event loop did not turn, and names the step that held it.

    A plugin: registered, it watches the loop of each application of its registry while that runs. Also an
    async context manager, for use without HTTP. Several applications of one loop share one watch.

    Args:
        registry: whose steps are named; a plugin is given it by `aiohttp_steps.setup`. Held weakly.
        threshold_s: how long the loop must not have turned, in seconds; 0: do nothing. `None`: as the
            environment variable AIOHTTP_STEPS_STALL_MS says, in milliseconds, else 10 ms.

    Attributes:
        counts: stalls by name of the step that held the loop.
        unexplained: stalls that are nobody's: of the machine, of many short turns, or not understood.

    Raises:
        StepsError: the threshold is no number from 0 to 30.
    """

    def __init__(self, registry: StepRegistry | None = None, *, threshold_s: float | None = None) -> None:
        self._threshold_s = _read_threshold() if threshold_s is None else threshold_s
        if not 0 <= self._threshold_s <= MOST_S:
            message = f"threshold_s={threshold_s!r} never tells a stall; give seconds, from 0 to {MOST_S:g}"
            raise StepsError(message)
        self.counts: dict[str, StallCount] = {}
        self.unexplained = 0
        self._recent: deque[tuple[Stall, tuple[Step, ...]]] = deque(maxlen=KEPT)
        self._log = StallLog()
        self._watch: Watch | None = None
        self._users = 0
        self._registry: weakref.ref[StepRegistry] | None = None
        self._steps: tuple[Step, ...] | None = None
        self._codes = StepCodes(())
        if registry is not None:
            self._attach(registry)

    @property
    def threshold_s(self) -> float:
        """How long the loop must not have turned, in seconds."""
        return self._threshold_s

    @property
    def stalls(self) -> tuple[Stall, ...]:
        """The last 1000 stalls, the oldest first; with one that has only just ended."""
        self._settle()
        return tuple(stall for stall, _ in self._recent)

    @hookimpl
    def steps_app_setup(self, app: Any, registry: StepRegistry) -> None:
        """Watch the loop for as long as the application runs."""
        self._attach(registry)
        # Signals, and not cleanup_ctx: what start-up does before this point holds the loop, and may.
        app.on_startup.append(self._on_startup)
        app.on_cleanup.append(self._on_cleanup)

    @hookimpl
    def step_middleware(self, step: Step) -> StepMiddleware | None:
        """Follow the steps that run in threads."""
        return UNDER_WAY.make_middleware(step)

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to watch the running loop. Call `stop` as often as this.

        Raises:
            StepsError: it watches another loop already.
        """
        loop = asyncio.get_running_loop()
        if self._watch is not None and self._watch.loop is not loop:
            if not self._watch.loop.is_closed():
                message = "this monitor watches another event loop; make one for each"
                raise StepsError(message)
            self._watch.stop()  # nobody did, and now nobody else can
            self._users = 0
        if not self._users and self._threshold_s:
            self._refresh()
            self._watch = Watch(self._threshold_s, self._explain)
            _started.add(self)
        self._users += 1

    def stop(self) -> None:
        """Watch no more: no thread and no timer is left. Counts and stalls are kept."""
        self._users = max(0, self._users - 1)
        if not self._users and self._watch is not None:
            watch, self._watch = self._watch, None
            _started.discard(self)
            watch.settle()
            watch.stop()

    def stalls_of(self, report: Report) -> tuple[Stall, ...]:
        """Return the stalls during a run that name steps of it, the oldest first. See `stalls_of`."""
        self._settle()
        began_at = report.began_at
        # A stall may have begun up to a beat before it was noticed.
        early_s = self._threshold_s / 2
        ran = {
            outcome.step: (began_at + outcome.started_s, outcome.ended_s)
            for outcome in report.outcomes
            if outcome.started_s is not None
        }

        def has_held(stall: Stall, step: Step) -> bool:
            if step not in ran:
                return False
            started_at, ended_s = ran[step]
            has_ended_before = ended_s is not None and began_at + ended_s <= stall.began_at - early_s
            return started_at < stall.began_at + stall.lasted_s and not has_ended_before

        return tuple(stall for stall, steps in self._recent if any(has_held(stall, step) for step in steps))

    async def _on_startup(self, _app: Any) -> None:
        self.start()

    async def _on_cleanup(self, _app: Any) -> None:
        self.stop()

    def _attach(self, registry: StepRegistry) -> None:
        self._registry = weakref.ref(registry)
        self._steps = None
        _of_registries[registry] = self
        declare_hook(registry)

    def _settle(self) -> None:
        if self._watch is not None and self._watch.loop is _get_running_loop():
            self._watch.settle()

    def _refresh(self) -> None:
        """Learn the code of the steps, if they have changed."""
        registry = None if self._registry is None else self._registry()
        steps = () if registry is None else registry.steps
        if steps is not self._steps:
            self._steps = steps
            self._codes = StepCodes(steps)

    def _explain(self, began_at: float, evidence: Evidence | None) -> bool:
        self._refresh()
        verdict = None if evidence is None else judge(evidence, self._codes)
        if evidence is None or verdict is None:
            self.unexplained += 1
            return False
        self._tell(_describe(verdict, began_at, evidence.lasted_s), verdict.steps)
        return True

    def _tell(self, stall: Stall, steps: tuple[Step, ...]) -> None:
        self._recent.append((stall, steps))
        for step in steps:
            count = self.counts.get(step.name, StallCount(step.name, step.plugin))
            self.counts[step.name] = count.plus(stall)
        self._log.write(stall, steps)
        registry = None if self._registry is None else self._registry()
        if registry is not None:
            tell_plugins(registry, stall)


def stalls_of(report: Report) -> tuple[Stall, ...]:
    """Return the stalls during a run that name steps of it, the oldest first.

    Includes one that has only just ended. Two runs that had the same step in threads at once are both told.
    Of the last 1000 stalls; empty where no monitor runs. Call it in the event loop.
    """
    found = [stall for monitor in _started for stall in monitor.stalls_of(report)]
    return tuple(sorted(found, key=lambda stall: stall.began_at))


def monitor_of(registry: StepRegistry) -> StallMonitor | None:
    """Return the monitor of a registry, with its counts; `None` if there is none."""
    return _of_registries.get(registry)


def _describe(verdict: Verdict, began_at: float, lasted_s: float) -> Stall:
    # Reports have the loop's time, which is another one's in some loops.
    offset_s = asyncio.get_running_loop().time() - time.monotonic()
    return Stall(
        began_at=began_at + offset_s,
        lasted_s=lasted_s,
        how=verdict.how,
        steps=tuple(step.name for step in verdict.steps),
        where=verdict.where,
        plugins=tuple(step.plugin for step in verdict.steps),
        inside=verdict.inside,
    )


def _get_running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _read_threshold() -> float:
    text = os.environ.get(VARIABLE)
    if text is None:
        return THRESHOLD_S
    try:
        threshold_s = float(text) / 1000
    except ValueError:
        threshold_s = -1.0
    if not 0 <= threshold_s <= MOST_S:
        most_ms = MOST_S * 1000
        message = (
            f"{VARIABLE}={text!r} is no threshold; give milliseconds up to {most_ms:g}, 0 to watch nothing"
        )
        raise StepsError(message)
    return threshold_s
