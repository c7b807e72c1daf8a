"""One run as its schedule says: who starts when, and what comes between the waits of a step."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar, copy_context
from dataclasses import replace
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from aiohttp_steps.marker import hookimpl
from aiohttp_steps.race.baton import Baton
from aiohttp_steps.race.pausing import await_with_pauses, take_turns
from aiohttp_steps.types import MISSING

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from aiohttp_steps.race.schedule import Schedule
    from aiohttp_steps.types import Call, Report, Step, StepCall, StepMiddleware

SETTLING_TURNS = 3
"""Turns of the loop after which all steps that could start have come: the engine makes tasks for them."""

TURNS = (0, 0, 0, 1, 1, 2, 3, 5, 8, 21)
"""Turns of the loop that a step gives way at one await point; one of them is drawn each time."""

MOST_POINTS = 8
"""A step is held at one of its first so many await points."""

INNOCENT = frozenset({"decimal_context"})
"""Names of context variables that libraries set for themselves: `decimal` does at its first use."""

OWN = "aiohttp_steps_"
"""How names of the framework's own context variables begin."""

_CURRENT: ContextVar[Trial | _Within | None] = ContextVar("aiohttp_steps_trial", default=None)


class Trial:
    """The state of one run under its schedule; entered in the context that the run gets.

    Args:
        schedule: what it is to be like.
        hold_s: how long a held step waits for the others at most, in seconds.

    Attributes:
        report: of the run, once it has ended, however it ended.
        overlaps: pairs of steps that were under way at once, each sorted.
        order: names of the parallel steps as they started.
        changes: by name of step, the context variables that its body left changed.
    """

    def __init__(self, schedule: Schedule, *, hold_s: float = 0.0) -> None:
        self.schedule = schedule
        self.report: Report | None = None
        self.overlaps: set[tuple[str, str]] = set()
        self.order: list[str] = []
        self.changes: dict[str, dict[ContextVar[Any], Any]] = {}
        self._hold_s = hold_s
        self._loop = asyncio.get_running_loop()
        self._has_begun = False
        self._apart: set[str] = set()
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._running: set[str] = set()
        self._held: dict[str, asyncio.Future[None]] = {}
        self._is_looking = False
        self._baton = Baton(schedule.seed)

    def enter(self) -> None:
        """Let what runs in the current context follow this trial."""
        _CURRENT.set(self)

    def begin(self) -> bool:
        """Note that a run begins, and answer whether it is the trial's own, not one that a step starts."""
        is_own, self._has_begun = not self._has_begun, True
        return is_own

    async def start_in_turn(self, call_next: StepCall, call: Call) -> Any:
        """Run a parallel step when its turn has come."""
        name = call.step.name
        if self.schedule.is_free:
            return await call_next(call)
        if self._is_apart(call.step):
            self._apart.add(name)
        self._waiting[name] = self._loop.create_future()
        self._look_soon()
        try:
            await self._waiting[name]
            await take_turns(self._draw_first(name))
            return await call_next(call)
        finally:
            self._waiting.pop(name, None)
            self._running.discard(name)
            self._release_held()
            self._look_soon()

    async def run_body(self, call_next: StepCall, step: Step, call: Call) -> Any:
        """Run the body of a step with the delays of the schedule, and note what it leaves in its context."""
        for writer, reader in self.schedule.carried:
            if reader == step.name:
                for variable, value in self.changes.get(writer, {}).items():
                    variable.set(value)
        before = read_context()
        is_timed = step.options.timeout is not None
        if self._is_apart(step):
            call.step = replace(step, function=self._baton.wrap(step.name, step.function))
        pacer = _Pacer(self, step.name, may_hold=not is_timed)
        try:
            if self.schedule.pace == "none":
                return await call_next(call)
            return await await_with_pauses(call_next(call), pacer.pause)
        finally:
            self.changes[step.name] = diff_context(before, read_context())

    def hold(self, name: str) -> Generator[Any, None, None]:
        """Keep a step waiting until those that it overlaps have ended, or wait as well."""
        self._held[name] = released = self._loop.create_future()
        timer = self._loop.call_later(self._hold_s, self._release, released)
        self._release_held()
        try:
            yield from released
        finally:
            timer.cancel()
            self._held.pop(name, None)

    def _is_apart(self, step: Step) -> bool:
        """Tell whether the lines of a step's body are watched: a plain function in a thread."""
        if self.schedule.pace == "none" or step.options.timeout is not None:
            return False
        return step.runner == "thread" and not step.is_resource and step.name in self.schedule.together

    def _look_soon(self) -> None:
        """See who may start, when all have come that could."""
        if not self._is_looking and self._waiting:
            self._is_looking = True
            self._look_after(SETTLING_TURNS)

    def _look_after(self, turns: int) -> None:
        self._loop.call_soon(partial(self._look_after, turns - 1) if turns else self._look)

    def _look(self) -> None:
        self._is_looking = False
        ranks, together = self.schedule.ranks, self.schedule.together
        waiting = [name for name, turn in self._waiting.items() if not turn.done()]
        waiting.sort(key=lambda name: (ranks.get(name, len(ranks)), name))
        if not waiting:
            return
        if not self._running:
            first = waiting.pop(0)
            self._admit(first)
            if first not in together:
                return
        if self._running <= together:
            for name in waiting:
                if name in together:
                    self._admit(name)

    def _admit(self, name: str) -> None:
        self.overlaps |= {(min(name, other), max(name, other)) for other in self._running}
        self.order.append(name)
        self._running.add(name)
        if name in self._apart:
            self._baton.expect(name)
        self._waiting[name].set_result(None)

    def _release_held(self) -> None:
        """Let held steps go on if nobody else is under way."""
        if self._held and self._running <= self._held.keys():
            for name in sorted(self._held, key=lambda name: self.schedule.ranks.get(name, 0)):
                self._release(self._held[name])

    @staticmethod
    def _release(released: asyncio.Future[None]) -> None:
        if not released.done():
            released.set_result(None)

    def _draw_first(self, name: str) -> int:
        """Draw how many turns the start of a step is put off."""
        if self.schedule.pace == "none":
            return 0
        return Random(f"{self.schedule.seed}:{name}:start").choice(TURNS)  # noqa: S311 - no secret


class _Pacer:
    """Draws the delays of one body; what it draws follows from the seed and the step's name alone."""

    def __init__(self, trial: Trial, name: str, *, may_hold: bool) -> None:
        self._trial = trial
        self._name = name
        self._random = Random(f"{trial.schedule.seed}:{name}")  # noqa: S311 - no secret
        self._point = 0
        is_held = self._random.random() < 0.5  # noqa: PLR2004 - every second step
        self._hold_at = self._random.choice((1, 1, *range(1, MOST_POINTS + 1)))
        self._may_hold = may_hold and is_held and trial.schedule.pace == "hold"

    def pause(self) -> Iterable[Any]:
        self._point += 1
        if self._may_hold and self._point == self._hold_at:
            return self._trial.hold(self._name)
        return take_turns(self._random.choice(TURNS))


class TrialPlugin:
    """Has the steps of a registry follow the trial of their run; runs without one are left alone."""

    @hookimpl(specname="step_middleware", tryfirst=True)
    def wrap_start(self, step: Step) -> StepMiddleware | None:
        """Stand outside of all limits, slots and locks: who waits for his turn holds none of them."""
        return self._start_in_turn if step.kind == "parallel" else None

    @hookimpl(specname="step_middleware", trylast=True)
    def wrap_body(self, step: Step) -> StepMiddleware | None:
        """Stand inside of everything, right around the body; so a shared run is delayed as well."""
        return partial(self._run_body, step) if step.kind == "parallel" else None

    @hookimpl
    def steps_run_started(self) -> None:
        """Leave a run alone that a step of the trial starts: it would wait for its own caller."""
        current = _CURRENT.get()
        if (isinstance(current, Trial) and not current.begin()) or isinstance(current, _Within):
            _CURRENT.set(_Within(current))

    @hookimpl
    def steps_run_finished(self, report: Report) -> None:
        """Keep the report, also of a run that was cancelled."""
        current = _CURRENT.get()
        if isinstance(current, Trial):
            current.report = report
        elif isinstance(current, _Within):
            _CURRENT.set(current.outer)

    @staticmethod
    def _start_in_turn(call_next: StepCall) -> StepCall:
        async def start_in_turn(call: Call) -> Any:
            trial = _CURRENT.get()
            if isinstance(trial, Trial):
                return await trial.start_in_turn(call_next, call)
            return await call_next(call)

        return start_in_turn

    @staticmethod
    def _run_body(step: Step, call_next: StepCall) -> StepCall:
        async def run_body(call: Call) -> Any:
            trial = _CURRENT.get()
            if isinstance(trial, Trial):
                return await trial.run_body(call_next, step, call)
            return await call_next(call)

        return run_body


class _Within:
    """Stands in the place of a trial while a step of it runs another view."""

    __slots__ = ("outer",)

    def __init__(self, outer: Trial | _Within) -> None:
        self.outer = outer


def read_context() -> dict[ContextVar[Any], Any]:
    """Return the variables of the current context that do not belong to the framework."""
    return {
        variable: value
        for variable, value in copy_context().items()
        if not variable.name.startswith(OWN) and variable.name not in INNOCENT
    }


def diff_context(
    before: Mapping[ContextVar[Any], Any], after: Mapping[ContextVar[Any], Any]
) -> dict[ContextVar[Any], Any]:
    """Return the variables that have a new value."""
    return {
        variable: value for variable, value in after.items() if before.get(variable, MISSING) is not value
    }
