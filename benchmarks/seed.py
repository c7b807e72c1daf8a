"""Benchmark `seed`: the three steps that this project began with, as timed waits."""

from __future__ import annotations

import asyncio
import time
import types
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from aiohttp_steps import StepRegistry, step

from benchmarks.measure import summarize, without_gc
from benchmarks.report import Goal, Result

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

VIEW = "seed"
WAITS_S = {"get_chat_history": 0.117, "git_get_status": 0.019, "git_get_current_branch": 0.009}
MOST_RATIO = 1.02

Kind = Literal["async", "thread"]


@dataclass(slots=True)
class Times:
    """What runs of one kind took, in milliseconds, run by run."""

    wall: list[float] = field(default_factory=list)
    longest: list[float] = field(default_factory=list)
    sum: list[float] = field(default_factory=list)
    critical_path: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """Each run by its own longest step: what is left is the framework and the machine."""
        return [wall / longest for wall, longest in zip(self.wall, self.longest, strict=True)]


def run(*, quick: bool) -> list[Result]:
    """Time the seed's steps one after another and in parallel, awaited and in threads."""
    return [asyncio.run(_measure(runs=3 if quick else 15))]


async def _measure(runs: int) -> Result:
    kinds: tuple[Kind, ...] = ("async", "thread")
    times = {(kind, sequential): Times() for kind in kinds for sequential in (True, False)}
    for kind in kinds:
        async with StepRegistry() as registry:
            registry.register(_make_plugin(kind), "seed")
            for number in range(-1, runs):  # the first one starts threads and compiles plans
                for sequential in (True, False):
                    into = times[kind, sequential] if number >= 0 else Times()
                    await _run_once(registry, into, sequential=sequential)
    rows = tuple(
        _make_row(f"{kind}, {'sequential' if sequential else 'parallel'}", each)
        for (kind, sequential), each in times.items()
    )
    goals = tuple(
        Goal(
            f"{kind}: a parallel run takes at most {MOST_RATIO} of its longest step",
            MOST_RATIO,
            summarize(times[kind, False].ratios).median,
        )
        for kind in kinds
    )
    waits = ", ".join(f"{seconds * 1000:.0f}" for seconds in WAITS_S.values())
    return Result(
        name="seed",
        title=f"three steps that wait {waits} ms, {runs} runs",
        compares=(
            "async: asyncio.sleep in the event loop; thread: time.sleep in the framework's threads. wall is "
            "taken outside of registry.run; longest, sum and critical path are the report's own. Medians."
        ),
        columns=(
            "steps",
            "wall ms",
            "worst ms",
            "longest ms",
            "critical path ms",
            "sum ms",
            "wall / longest",
            "worst",
        ),
        rows=rows,
        goals=goals,
    )


async def _run_once(registry: StepRegistry, times: Times, *, sequential: bool) -> None:
    with without_gc():
        started_at = time.perf_counter()
        report = await registry.run(VIEW, sequential=sequential)
        wall_s = time.perf_counter() - started_at
    report.raise_for_failure()
    times.wall.append(wall_s * 1000)
    times.longest.append(max(outcome.run_s for outcome in report.outcomes) * 1000)
    times.sum.append(report.timing.sum_s * 1000)
    times.critical_path.append(report.timing.critical_path_s * 1000)


def _make_row(name: str, times: Times) -> tuple[str | float, ...]:
    wall, ratio = summarize(times.wall), summarize(times.ratios)
    return (
        name,
        wall.median,
        wall.worst,
        summarize(times.longest).median,
        summarize(times.critical_path).median,
        summarize(times.sum).median,
        ratio.median,
        ratio.worst,
    )


def _make_plugin(kind: Kind) -> types.SimpleNamespace:
    return types.SimpleNamespace(**{name: _make_step(kind, name, wait_s) for name, wait_s in WAITS_S.items()})


def _make_step(kind: Kind, name: str, wait_s: float) -> Callable[[], Any]:
    async def wait() -> None:
        await asyncio.sleep(wait_s)

    def block() -> None:
        time.sleep(wait_s)

    function: Callable[[], Any] = wait if kind == "async" else block
    function.__name__ = name
    return step(concurrency="parallel", views=[VIEW])(function)
