"""`find_races`: sequential, parallel and seeded runs of a view, compared."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp_steps.race.files import WatchedFiles
from aiohttp_steps.race.observing import Snapshot
from aiohttp_steps.race.report import RaceReport
from aiohttp_steps.race.runs import Runs
from aiohttp_steps.race.schedule import SEQUENTIAL, Schedule, make_schedule, rank
from aiohttp_steps.race.search import Search

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from aiohttp_steps.engine import StepRegistry
    from aiohttp_steps.race.observing import Difference, Observation
    from aiohttp_steps.race.report import Disagreement

CONFIRMATIONS = 3
"""Sequential runs after a trial that disagrees: is it the trial, or chance?"""

REPEATS = 5
"""Runs of a seed that is tried alone, until it disagrees: with threads it does not each time."""


async def find_races(
    registry: StepRegistry,
    view: str | None = None,
    *,
    inputs: Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None = None,
    wanted: Sequence[str] = (),
    request: Any = None,
    trials: int = 50,
    seed: int | None = None,
    ignore: Sequence[str] = (),
    files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] = (),
    restore: bool = True,
    limit_s: float = 60.0,
    progress: Callable[[int], None] | None = None,
) -> RaceReport:
    """Run a view one after another, in parallel, and in seeded orders and interleavings, and compare.

    Parallel steps start in drawn orders, one at a time or together; at each of its await points a step gives
    way to others for a drawn number of turns of the event loop, or waits there until the others have ended;
    threads hand over to one another after drawn numbers of lines. What is drawn follows from the seed, so
    that async steps run the same way again; those that wait for a network, a disk or a thread nearly so.
    Delays cost no time of their own: limits of time are kept. A step with a `timeout` is never held.

    Compared are: how each step ended, with value or error; the inputs and the context variables of the caller
    as the run left them; watched files. When a required step fails, the run ends there, and what had not
    ended is not compared. The check ends with the first disagreement, for which it looks for the smallest set
    of steps.

    The view is run for real, many times, steps that write too. Other runs of the registry are not disturbed.

    Args:
        registry: has the steps. It gets a plugin for the time of the check.
        view: the view; `None` if only `wanted` counts.
        inputs: values of inputs by name, as for `StepRegistry.run`; or a function that makes them, called
            before each run: so steps that change something can start from the same state each time.
        wanted: names of steps to run besides those of the view.
        request: what steps that take `request` get.
        trials: how many seeds are tried, from 0 on. Seed 0 is the view as it runs without a check.
        seed: try this one alone: to see a disagreement again.
        ignore: names of steps, inputs, context variables and files that are not compared; `*` and `?` count.
        files: files and folders whose content is compared as well.
        restore: put watched files back before each run and in the end, from a copy. `False`: a run that
            changes them ends the check.
        limit_s: how long one run may take, in seconds; one that hangs is stopped earlier if others were fast.
        progress: called with the number of trials done.

    Raises:
        InputError, PlanError: as for any run.
        RaceCheckError: the files cannot be watched, or may not be put back.
        asyncio.CancelledError: it was cancelled; nothing of it is left running or registered.
    """
    watched = [files] if isinstance(files, (str, os.PathLike)) else list(files)
    runs = Runs(
        registry,
        view,
        inputs=inputs,
        wanted=wanted,
        request=request,
        files=WatchedFiles(map(Path, watched), restore=restore),
        ignore=ignore,
        limit_s=limit_s,
    )
    seeds = range(trials) if seed is None else (seed,)
    with runs:
        return await _Check(runs, ignore, progress).make(seeds)


@dataclass(frozen=True)
class _Found:
    """A trial that disagrees; `is_certain`: it will again."""

    seed: int
    schedule: Schedule
    trial: Observation
    differences: Sequence[Difference]
    is_certain: bool


class _Check:
    """One race check on its way."""

    def __init__(self, runs: Runs, ignore: Sequence[str], progress: Callable[[int], None] | None) -> None:
        self._runs = runs
        self._ignored = tuple(ignore)
        self._progress = progress
        self._tried: list[int] = []

    async def make(self, seeds: Sequence[int]) -> RaceReport:
        runs = self._runs
        await runs.run_first()
        unsteady = await runs.differ(SEQUENTIAL)
        if unsteady:
            return self._report(0, unsteady=unsteady)
        in_order = await runs.observe(Schedule(ranks=rank(list(runs.expected.plan.index))))
        search = Search(runs, in_order.plan)
        pairs = len(search.rivals)
        differences = runs.compare(in_order)
        if differences:
            return await self._judge(pairs, await search.find_context(differences))
        repeats = REPEATS if len(seeds) == 1 else 1
        seen_once: _Found | None = None
        for number in seeds if pairs else ():
            found = await self._try(search, number, repeats)
            if found is not None and found.is_certain:
                return await self._judge(pairs, await self._search(search, found))
            seen_once = seen_once or found
        if seen_once is not None:
            return await self._judge(pairs, await self._search(search, seen_once))
        return self._report(pairs)

    async def _try(self, search: Search, seed: int, repeats: int) -> _Found | None:
        """Run a trial, and once more if it disagrees: threads may have done so by chance."""
        schedule = make_schedule(search.plan, seed)
        self._tried.append(seed)
        found = None
        for _ in range(repeats):
            trial = await self._runs.observe(schedule)
            differences = self._runs.compare(trial)
            if differences:
                again = await self._runs.differ(schedule)
                # What threads do when they are left alone is chance, twice or not: a later seed tells better.
                is_chance = schedule.is_free and any(step.runner != "loop" for step in trial.plan.steps)
                found = _Found(seed, schedule, trial, differences, is_certain=bool(again) and not is_chance)
                break
        if self._progress is not None:
            self._progress(len(self._tried))
        return found

    @staticmethod
    async def _search(search: Search, found: _Found) -> Disagreement:
        if found.schedule.is_free or found.schedule.together:
            return await search.find_overlap(found.trial, found.differences, found.seed)
        order = list(found.schedule.ranks)
        return await search.find_order(search.order, order, found.seed, found.differences)

    async def _judge(self, pairs: int, found: Disagreement) -> RaceReport:
        """Make sure that it is no chance: one after another nothing may differ, however often."""
        for _ in range(CONFIRMATIONS):
            unsteady = await self._runs.differ(SEQUENTIAL)
            if unsteady:
                return self._report(pairs, unsteady=unsteady)
        return self._report(pairs, disagreement=found)

    def _report(
        self, pairs: int, *, unsteady: Sequence[Difference] = (), disagreement: Disagreement | None = None
    ) -> RaceReport:
        facts = self._runs.expected.facts
        return RaceReport(
            view=self._runs.view,
            seeds=tuple(self._tried),
            runs=self._runs.count,
            pairs=pairs,
            unsteady=tuple(unsteady),
            disagreement=disagreement,
            opaque=tuple(
                name
                for (kind, name), fact in facts.items()
                if kind == "step" and any(isinstance(part, Snapshot) and part.is_opaque for part in fact)
            ),
            ignored=self._ignored,
        )
