"""Benchmark `plan`: whether compiling a plan costs time in proportion to its steps and edges."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from aiohttp_steps.plan import compile_plan
from aiohttp_steps.types import Dependency, Location, Step, StepOptions

from benchmarks.measure import clock, summarize, time_repeated
from benchmarks.report import Goal, Result

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from benchmarks.report import Cell

VIEW = "all"
SIZES = (10, 100, 1_000, 10_000)
QUICK_SIZES = SIZES[:-1]
SEED = 20_240_117
MOST_MS = 100.0
"""For the largest plan, with the collector on, which has more to do the more objects there are."""

MOST_GROWTH = 3.0
"""Of the time per step and edge, over a thousand times the steps: n log n would give 4, n squared 1,000."""


def run(*, quick: bool) -> list[Result]:
    """Time `compile_plan` over sizes and shapes of graphs."""
    rows: list[tuple[Cell, ...]] = []
    goals = []
    slowest_ms = 0.0
    for shape, make in SHAPES.items():
        first = last = 0.0
        for size in QUICK_SIZES if quick else SIZES:
            steps = make(size)
            count = size + sum(len(step.dependencies) for step in steps)
            times = _time_compile(steps, quick=quick)
            last = summarize(times).median / count * 1e6
            first = first or last
            with_gc_ms = _time_with_gc(steps) if size == SIZES[-1] else None
            slowest_ms = max(slowest_ms, with_gc_ms or 0.0)
            rows.append(
                (shape, size, count - size, summarize(times).median * 1e3, with_gc_ms, last, last / first)
            )
        text = f"{shape}: time per step and edge grows at most {MOST_GROWTH} times to 10,000 steps"
        goals.append(Goal(text, MOST_GROWTH, None if quick else last / first))
    text = f"{SIZES[-1]:,} steps of any shape in at most {MOST_MS:g} ms, with the garbage collector on"
    goals.append(Goal(text, MOST_MS, None if quick else slowest_ms))
    return [
        Result(
            name="plan",
            title="compile_plan",
            compares=(
                "One compilation of a view that all steps have joined, without the registry's cache: "
                "processor time, medians. wide: no edges; deep: a chain; random: each step takes up to three "
                "earlier ones; mixed: the same, a tenth of the steps sequential. gc: with Python's garbage "
                "collector on. The last column is flat if the cost is linear."
            ),
            columns=("graph", "steps", "edges", "ms", "gc ms", "us per step and edge", "/ 10 steps"),
            rows=tuple(rows),
            goals=tuple(goals),
        )
    ]


def _time_compile(steps: list[Step], *, quick: bool) -> list[float]:
    """Return seconds per compilation; of small plans several are timed together."""
    together = max(1, 1_000 // len(steps))

    def compile_several() -> None:
        for _ in range(together):
            compile_plan(steps, view=VIEW)

    times = time_repeated(compile_several, repeats=3 if quick else 15, budget_s=0.1 if quick else 1.0)
    return [seconds / together for seconds in times]


def _time_with_gc(steps: list[Step]) -> float:
    """Return milliseconds of a compilation as a program has it, which collects garbage meanwhile."""
    times = []
    for _ in range(5):
        began_at = clock()
        compile_plan(steps, view=VIEW)
        times.append(clock() - began_at)
    return summarize(times).median * 1e3


def make_wide(size: int) -> list[Step]:
    """Make steps that take nothing."""
    return [_make_step(number, []) for number in range(size)]


def make_deep(size: int) -> list[Step]:
    """Make steps each of which takes the one before it."""
    return [_make_step(number, [number - 1] if number else []) for number in range(size)]


def make_random(size: int) -> list[Step]:
    """Make steps each of which takes none to three of those before it; the same ones each time."""
    chance = random.Random(SEED)
    return [_make_step(number, _draw_earlier(chance, number)) for number in range(size)]


def make_mixed(size: int) -> list[Step]:
    """Make steps as `make_random`, a tenth of them sequential."""
    chance = random.Random(SEED)
    return [
        _make_step(number, _draw_earlier(chance, number), "parallel" if number % 10 else "sequential")
        for number in range(size)
    ]


SHAPES: dict[str, Callable[[int], list[Step]]] = {
    "wide": make_wide,
    "deep": make_deep,
    "random": make_random,
    "mixed": make_mixed,
}


def _draw_earlier(chance: random.Random, number: int) -> list[int]:
    return chance.sample(range(number), min(number, chance.randint(0, 3)))


def _make_step(
    number: int, takes: list[int], concurrency: Literal["parallel", "sequential"] = "parallel"
) -> Step:
    """Make a step as the registry would; ten thousand functions are not what is timed here."""
    return Step(
        name=f"s{number}",
        plugin="made",
        function=_do_nothing,
        options=StepOptions(concurrency=concurrency, views=(VIEW,)),
        runner="loop",
        dependencies=tuple(Dependency(f"s{other}", required=True) for other in takes),
        takes_request=False,
        location=Location(__file__, number),
    )


async def _do_nothing() -> None:
    """Do nothing."""
