"""What other bodies cost, and what faults do: ours beside what one writes by hand against them."""

from __future__ import annotations

import platform
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from benchmarks.measure import clock, divide, summarize, time_interleaved
from benchmarks.peers import guarded, hand, ours
from benchmarks.peers.graph import SHAPES, write_functions
from benchmarks.peers.lineup import OURS
from benchmarks.peers.matrix import check_values, make_graphs, name_row
from benchmarks.report import Goal, Result

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from benchmarks.peers.graph import Body, Fault, Graph
    from benchmarks.report import Cell

BY_HAND = "by hand"
THREADS = 10
"""Threads of both pools: ten calls at once find a thread each."""

AT_ONCE = (1, 3, 10)
MOST_OF_EXECUTOR = 1.15

FAULTS: dict[str, tuple[tuple[Body, Fault], ...]] = {
    "in the loop": (("async", "fails"), ("async", "times out"), ("inline", "none"), ("inline", "fails")),
    "in threads": (("thread", "none"), ("thread", "fails"), ("thread", "times out")),
}
FAULTS_COMPARED = {
    "in the loop": (
        "us: processor time of one run of ours, medians; / : by its counterpart by hand, medians of the "
        "ratios within a round. By hand: what can go together is gathered, what stands alone awaited, with "
        "`try` around each step where one fails and `asyncio.timeout` as well where one times out; inline: "
        "plain calls one after another. The step in the middle fails, or is over its time at the loop's next "
        "turn; those that take it are skipped. What became of each step was compared before it was timed. "
        "What runs inline cannot be stopped, and so cannot time out."
    ),
    "in threads": (
        "As above; processor time of all threads. By hand: run_in_executor with an own pool, guarded where "
        f"something is to fail. Both pools may have {THREADS} threads."
    ),
}


async def measure_faults(*, quick: bool) -> list[Result]:
    """Time every other body and fault over all shapes and sizes, beside its counterpart by hand."""
    return [await _measure_faults(place, quick=quick) for place in FAULTS]


async def _measure_faults(place: str, *, quick: bool) -> Result:
    rows: list[tuple[Cell, ...]] = []
    for graph in make_graphs(quick=quick):
        cells: list[Cell] = []
        for body, fault in FAULTS[place]:
            async with Rivals(graph, body, fault) as contenders:
                times = await time_interleaved(
                    contenders,
                    rounds=5 if quick else 40,
                    slice_s=0.0003 if quick else 0.002,
                    budget_s=0.02 if quick else 0.5,
                    clock=time.process_time if body == "thread" else clock,
                )
            cells.append(summarize(times[OURS]).median * 1e6)
            cells.append(divide(times[OURS], times[BY_HAND]).median)
        rows.append((name_row(graph), *cells))
    headings = [f"{body} us" if fault == "none" else f"{body}, {fault} us" for body, fault in FAULTS[place]]
    return Result(
        name="peers",
        title=f"bodies and faults {place}, by shape and size, Python {platform.python_version()}",
        compares=FAULTS_COMPARED[place],
        columns=("steps", *[column for heading in headings for column in (heading, "/")]),
        rows=tuple(rows),
    )


class Rivals:
    """Ours and its counterpart by hand for one cell; entered, it checks that both come to the same."""

    def __init__(self, graph: Graph, body: Body, fault: Fault) -> None:
        self._graph, self._fault = graph, fault
        self._pool = ThreadPoolExecutor(THREADS)
        self._engine = ours.Ours(graph, body=body, fault=fault, threads=THREADS)
        self._by_hand = self._make_by_hand(body)

    def _make_by_hand(self, body: Body) -> hand.Run:
        graph, fault = self._graph, self._fault
        functions = write_functions(graph, body=body, fault=fault)
        is_timed = fault == "times out"
        match body, fault:
            case "inline", "none":
                return hand.call_each(graph, functions)
            case "inline", _:
                return guarded.call_guarded(graph, functions)
            case "thread", "none":
                return guarded.thread_plainly(graph, functions, self._pool)
            case "thread", _:
                return guarded.thread_guarded(graph, functions, self._pool, timed=is_timed)
        return guarded.gather_guarded(graph, functions, timed=is_timed)

    async def __aenter__(self) -> dict[str, Callable[[], Awaitable[Any]]]:
        wanted = self._graph.endings(self._fault)
        try:
            check_values(self._graph, OURS, ours.read_endings(await self._engine.run()), wanted)
            check_values(self._graph, BY_HAND, guarded.read_endings(await self._by_hand()), wanted)
        except BaseException:
            await self.__aexit__()
            raise
        return {OURS: self._engine.run, BY_HAND: self._by_hand}

    async def __aexit__(self, *_: object) -> None:
        self._pool.shutdown()
        await self._engine.close()


async def measure_threads(*, quick: bool) -> Result:
    """Time calls in threads, some at once, beside bare `run_in_executor`."""
    rows: list[tuple[Cell, ...]] = []
    goals = []
    for size in AT_ONCE:
        async with Rivals(SHAPES["flat"](size), "thread", "none") as contenders:
            wall, worked = [
                await time_interleaved(
                    contenders,
                    rounds=5 if quick else 100,
                    slice_s=0.001 if quick else 0.005,
                    budget_s=0.1 if quick else 2.5,
                    clock=each,
                )
                for each in (time.perf_counter, time.process_time)
            ]
        ratio = divide(wall[OURS], wall[BY_HAND])
        rows.append(
            (
                f"{size} at once",
                *[summarize(times[one]).median * 1e6 for times in (wall, worked) for one in (OURS, BY_HAND)],
                ratio.median,
                ratio.low,
                ratio.high,
                divide(worked[OURS], worked[BY_HAND]).median,
            )
        )
        text = f"{size} `def` in threads: at most {MOST_OF_EXECUTOR:.2f} of bare run_in_executor"
        goals.append(Goal(text, MOST_OF_EXECUTOR, ratio.median))
    return Result(
        name="peers",
        title=f"calls in threads, Python {platform.python_version()}",
        compares=(
            "us: wall time of one run, and processor time of the process, medians; ratios within a round, to "
            "gather of run_in_executor with an own ThreadPoolExecutor. Both pools may have "
            f"{THREADS} threads."
        ),
        columns=(
            "steps",
            "wall us",
            "bare us",
            "cpu us",
            "bare cpu us",
            "wall / bare",
            "low",
            "high",
            "cpu / bare",
        ),
        rows=tuple(rows),
        goals=tuple(goals),
    )
