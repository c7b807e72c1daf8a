"""Benchmark `paths`: what runs take over what their longest path takes, without limits and with them."""

from __future__ import annotations

import asyncio
import itertools
import selectors
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from aiohttp_steps import Limits, StepRegistry

from benchmarks.graphs import VIEW, Graph, draw_even, draw_graph, draw_uneven, make_plugin
from benchmarks.measure import without_gc
from benchmarks.report import Goal, Result

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable

    from aiohttp_steps.engine import Program
    from aiohttp_steps.types import Report

MOST_OVER_PATH = 1.02
MOST_OVER_ARRIVAL = 1.0
FROM_S = 0.005
"""Steps from this length on are what the first goal is about."""

Kind = Literal["async", "thread"]
Order = Literal["path", "arrival"]


@dataclass(frozen=True, slots=True)
class Row:
    """Graphs of one kind.

    Attributes:
        low_s, high_s: shortest and longest step.
        slots: most steps at once, of the event loop or in threads; 0 for as many as there are.
    """

    shape: str
    size: int
    low_s: float = FROM_S
    high_s: float = 4 * FROM_S
    kind: Kind = "async"
    slots: int = 0
    uneven: bool = False

    @property
    def name(self) -> str:
        """What the row is called in its table."""
        times = f"{self.low_s * 1e3:g}-{self.high_s * 1e3:g} ms"
        return f"{self.shape}, {self.size} x {times}, {self.kind}{', few long' if self.uneven else ''}"

    def draw(self, number: int) -> Graph:
        """Draw a graph of this kind."""
        spread: Callable[[float, float], Callable[[random.Random], float]]
        spread = draw_uneven if self.uneven else draw_even
        return draw_graph(number, self.shape, self.size, spread(self.low_s, self.high_s))


FREE = [
    *(Row(shape, size) for shape in ("flat", "layered", "random") for size in (10, 30, 100)),
    Row("layered", 100, 0.002, 0.005),
    Row("layered", 100, 0.001, 0.002),
    Row("layered", 100, 0.0002, 0.001),
    Row("layered", 10, kind="thread"),
    Row("layered", 30, kind="thread"),
]
LIMITED = [
    Row("layered", 30, slots=4),
    Row("random", 30, slots=4),
    Row("random", 30, slots=4, uneven=True, low_s=0.002, high_s=0.06),
    Row("random", 30, slots=4, uneven=True, low_s=0.002, high_s=0.06, kind="thread"),
    Row("flat", 30, slots=4, uneven=True, low_s=0.002, high_s=0.06),
    Row("random", 100, slots=8, uneven=True, low_s=0.002, high_s=0.06),
]


def run(*, quick: bool) -> list[Result]:
    """Time runs of random graphs: as wide as they are, then with few slots in both orders."""
    with asyncio.Runner(loop_factory=_open_loop) as runner:
        return [
            runner.run(_measure_free(quick=quick)),
            runner.run(_measure_limited(quick=quick)),
            runner.run(_measure_together(quick=quick)),
        ]


def _open_loop() -> asyncio.AbstractEventLoop:
    """Open an event loop whose timers are exact: that of `epoll` rounds each up to whole milliseconds."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


async def _measure_free(*, quick: bool) -> Result:
    rows, worst = [], 0.0
    for row in FREE[::4] if quick else FREE:
        told, measured, by_hand, walls, paths = [], [], [], [], []
        for number in range(1 if quick else 2):
            graph = row.draw(number)
            times = await _time_graph(graph, row.kind, rounds=2 if quick else 5)
            paths.append(graph.measure_longest())
            walls.append(statistics.median(wall for wall, _, _ in times))
            told.append(walls[-1] / paths[-1])
            measured.append(statistics.median(wall / path for wall, path, _ in times))
            by_hand.append(statistics.median(wall / hand for wall, _, hand in times))
        if row.low_s >= FROM_S and row.kind == "async":
            worst = max(worst, *told)
        means = [statistics.fmean(values) for values in (paths, walls)]
        rows.append((row.name, *(ms * 1e3 for ms in means), *map(max, (told, measured, by_hand))))
    text = f"async steps from {FROM_S * 1e3:g} ms on: at most {MOST_OVER_PATH} of the longest path as told"
    return Result(
        name="paths",
        title="the wall time of a run over the longest path through its steps",
        compares=(
            "Random graphs of steps that wait. path: the longest one, by what steps are told to wait; wall: "
            "the run, median. / told: wall by path; / measured: wall by the longest path of what the report "
            "says that steps took; / by hand: wall by the same path walked by plain awaits, in the same "
            "round. Ratios are those of the worst graph."
        ),
        columns=("steps", "path ms", "wall ms", "/ told", "/ measured", "/ by hand"),
        rows=tuple(rows),
        goals=(Goal(text, MOST_OVER_PATH, None if quick else worst),),
    )


async def _time_graph(graph: Graph, kind: Kind, *, rounds: int) -> list[tuple[float, float, float]]:
    """Return for each round the wall time, the longest path of measured times, and that path by hand."""
    times = []
    async with StepRegistry(threads=len(graph.seconds)) as registry:
        registry.register(make_plugin(graph, in_threads=kind == "thread"), "graph")
        program = registry.program(VIEW)
        await registry.execute(program, {})
        for _ in range(rounds):
            with without_gc():
                wall_s, report = await _time_run(registry, program)
                by_name = {name: report.outcome(name).run_s for name in report}
                measured = [by_name[f"s{number}"] for number in range(len(graph.seconds))]
                hand_s = await _time_by_hand(graph, kind)
            times.append((wall_s, graph.measure_longest(measured), hand_s))
    return times


async def _time_run(registry: StepRegistry, program: Program) -> tuple[float, Report]:
    began_at = time.perf_counter()
    report = await registry.execute(program, {})
    return time.perf_counter() - began_at, report


async def _time_by_hand(graph: Graph, kind: Kind) -> float:
    """Walk the longest path alone, as one would write it down."""
    waits = [graph.seconds[number] for number in graph.find_longest()]
    wait: Callable[[float], Awaitable[Any]] = asyncio.sleep
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as pool:
        if kind == "thread":
            await loop.run_in_executor(pool, time.sleep, 0)
            wait = lambda seconds: loop.run_in_executor(pool, time.sleep, seconds)  # noqa: E731 - one of two
        began_at = time.perf_counter()
        for seconds in waits:
            await wait(seconds)
        return time.perf_counter() - began_at


async def _measure_limited(*, quick: bool) -> Result:
    rows, ratios = [], []
    for row in LIMITED[1:4:2] if quick else LIMITED:
        of_arrival, over_bound = [], {"arrival": [], "path": []}  # type: dict[str, Any]
        for number in range(2 if quick else 8):
            graph = row.draw(number)
            walls = {
                order: await _time_limited(graph, row, order, repeats=1 if quick else 2)
                for order in ("arrival", "path")
            }
            of_arrival.append(walls["path"] / walls["arrival"])
            for order, wall_s in walls.items():
                over_bound[order].append(wall_s / graph.bound(row.slots))
        ratios += of_arrival
        over = [statistics.fmean(over_bound[order]) for order in ("arrival", "path")]
        rows.append(
            (row.name, row.slots, *over, statistics.fmean(of_arrival), min(of_arrival), max(of_arrival))
        )
    text = "over all graphs, the longest path first takes at most what first come, first served takes"
    return Result(
        name="paths",
        title="few slots: the longest remaining path first, or first come, first served",
        compares=(
            "The same random graphs in both orders, Limits(order=...): async steps with a limit of their "
            "runner, plain functions with that many threads; times were learned in two runs before. arrival, "
            "path: wall time over what no order can beat, the longest path or all work over all slots; / "
            "arrival: wall time of the one order by that of the other: mean, best and worst graph."
        ),
        columns=("steps", "slots", "arrival", "path", "/ arrival", "best", "worst"),
        rows=tuple(rows),
        goals=(Goal(text, MOST_OVER_ARRIVAL, None if quick else statistics.fmean(ratios)),),
    )


def _open_limited(graph: Graph, row: Row, order: Order) -> StepRegistry:
    limits = Limits(runners={"loop": row.slots}, order=order, waiting=10_000)
    registry = StepRegistry(threads=row.slots, limits=limits)
    registry.register(make_plugin(graph, in_threads=row.kind == "thread"), "graph")
    return registry


async def _time_limited(graph: Graph, row: Row, order: Order, *, repeats: int) -> float:
    async with _open_limited(graph, row, order) as registry:
        program = registry.program(VIEW)
        for _ in range(2):
            await registry.execute(program, {})
        return min([(await _time_run(registry, program))[0] for _ in range(repeats)])


async def _measure_together(*, quick: bool) -> Result:
    """Time runs that come one after another and compete for the same slots."""
    row = Row("random", 30, slots=8, uneven=True, low_s=0.002, high_s=0.03)
    rows = []
    for order, runs in itertools.product(("arrival", "path"), (4,) if quick else (4, 16)):
        means, lasts = [], []
        for number in range(1 if quick else 3):
            waits = await _time_together(row.draw(number), row, order, runs=runs)
            means.append(statistics.fmean(waits))
            lasts.append(max(waits))
        rows.append((f"{runs} runs, {order}", *(statistics.fmean(each) * 1e3 for each in (means, lasts))))
    return Result(
        name="paths",
        title=f"runs that compete: {row.name}, {row.slots} slots, a run each 2 ms",
        compares=(
            "How long a run takes from its beginning: mean and longest. first come, first served deals slots "
            "out to all runs alike, so that all end late; by path, the run that began first goes first."
        ),
        columns=("runs, order", "mean ms", "longest ms"),
        rows=tuple(rows),
    )


async def _time_together(graph: Graph, row: Row, order: Order, *, runs: int) -> list[float]:
    async with _open_limited(graph, row, order) as registry:
        program = registry.program(VIEW)
        for _ in range(2):
            await registry.execute(program, {})

        async def come(number: int) -> float:
            await asyncio.sleep(0.002 * number)
            wall_s, _ = await _time_run(registry, program)
            return wall_s

        return await asyncio.gather(*(come(number) for number in range(runs)))
