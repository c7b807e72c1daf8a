"""How the cost of async steps grows over sizes and shapes, beside all ways to write them by hand."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

from benchmarks.measure import divide, subtract, summarize, time_interleaved
from benchmarks.peers import hand, ours
from benchmarks.peers.compare import DifferentResultError
from benchmarks.peers.graph import LEAST_SIZES, SHAPES, write_functions
from benchmarks.peers.hand import IS_EAGER
from benchmarks.peers.lineup import EAGER, GATHER, GROUP, LEVELS, OURS, PLAIN
from benchmarks.report import Goal, Result

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from benchmarks.peers.graph import Graph
    from benchmarks.report import Cell

    Contenders = dict[str, Callable[[], Awaitable[Any]]]

READ = "aiohttp-steps, report read"
SIZES = (1, 3, 10, 100, 1_000)
QUICK_SIZES = SIZES[:3]
MOST_OF_GATHER = 0.35 if IS_EAGER else 0.70
MOST_OVER_CHAIN_US = 8.0
MOST_OVER_ONE_US = 3.0


def make_graphs(*, quick: bool) -> Iterator[Graph]:
    """Make the graph of each row: shapes by sizes, without those that equal one before."""
    for shape, make in SHAPES.items():
        for size in QUICK_SIZES if quick else SIZES:
            if size >= LEAST_SIZES[shape]:
                yield make(size)


async def measure_async(*, quick: bool) -> Result:
    """Time async steps of all shapes and sizes, nothing failing, beside all ways to write them by hand."""
    rows: list[tuple[Cell, ...]] = []
    kept: dict[tuple[str, int], dict[str, list[float]]] = {}
    rounds = 10 if quick else 60
    for graph in make_graphs(quick=quick):
        times = await time_interleaved(
            await make_async(graph),
            rounds=rounds,
            slice_s=0.0003 if quick else 0.002,
            budget_s=0.1 if quick else 1.5,
        )
        kept[graph.shape, graph.size] = times
        rows.append(_make_async_row(graph, times))
    return Result(
        name="peers",
        title=f"async steps by shape and size, Python {platform.python_version()}, at most {rounds} rounds",
        compares=(
            "Microseconds of processor time of one run, medians; / columns: ours by the other, medians of "
            "the ratios within a round; 8 in 10 of those to gather lie between low and high. read: outcomes "
            "and timing asked for besides. plain: one await after another. gather, eager, group: a task for "
            "each step, which awaits those of the steps that it takes. level: gather level by level, as one "
            "writes it for a graph that one knows. diamond: all take the first, the last takes all. layered: "
            "as many layers as each is wide, each step takes two of the layer before. Ours keeps times and "
            "errors of each step besides."
        ),
        columns=(
            "steps",
            *["ours", "read", "plain", "gather", "eager", "group", "level"],
            "/ plain",
            "/ gather",
            "low",
            "high",
            "/ eager",
            "/ group",
            "/ level",
        ),
        rows=tuple(rows),
        goals=_judge_async(kept),
    )


async def make_async(graph: Graph) -> Contenders:
    """Return ours and all ways by hand to run async steps, each run once.

    Raises:
        DifferentResultError: one of them gave other values.
    """
    functions = write_functions(graph)
    engine = ours.Ours(graph)
    by_hand = {
        PLAIN: hand.await_each(graph, functions),
        GATHER: hand.gather(graph, functions),
        GROUP: hand.group(graph, functions),
        LEVELS: hand.gather_levels(graph, functions),
    }
    if IS_EAGER:
        by_hand[EAGER] = hand.gather_eagerly(graph, functions)
    check_values(graph, OURS, ours.read_values(await engine.run()), graph.values)
    for name, run in by_hand.items():
        check_values(graph, name, await run(), graph.values)
    return {OURS: engine.run, READ: engine.run_and_read, **by_hand}


def _make_async_row(graph: Graph, times: dict[str, list[float]]) -> tuple[Cell, ...]:
    def ratio(base: str) -> float | None:
        return divide(times[OURS], times[base]).median if base in times else None

    by_gather = divide(times[OURS], times[GATHER])
    return (
        name_row(graph),
        *[
            summarize(times[one]).median * 1e6 if one in times else None
            for one in (OURS, READ, PLAIN, GATHER, EAGER, GROUP, LEVELS)
        ],
        ratio(PLAIN),
        by_gather.median,
        by_gather.low,
        by_gather.high,
        ratio(EAGER),
        ratio(GROUP),
        ratio(LEVELS),
    )


def _judge_async(kept: dict[tuple[str, int], dict[str, list[float]]]) -> tuple[Goal, ...]:
    one, ten, chain = (kept[key] for key in (("flat", 1), ("flat", 10), ("chain", 10)))
    version = platform.python_version_tuple()
    return (
        Goal(
            f"10 flat steps cost at most {MOST_OF_GATHER:.2f} of gather on Python {'.'.join(version[:2])}",
            MOST_OF_GATHER,
            divide(ten[OURS], ten[GATHER]).median,
        ),
        Goal(
            f"a chain of 10 costs at most {MOST_OVER_CHAIN_US:.0f} us on top of plain awaits",
            MOST_OVER_CHAIN_US,
            subtract(chain[OURS], chain[PLAIN]).median * 1e6,
        ),
        Goal(
            f"a view of one step costs at most {MOST_OVER_ONE_US:.0f} us on top of the plain await",
            MOST_OVER_ONE_US,
            subtract(one[OURS], one[PLAIN]).median * 1e6,
        ),
    )


def name_row(graph: Graph) -> str:
    """Return what a row of a graph is called."""
    return f"{graph.size} {graph.shape}"


def check_values(graph: Graph, name: str, values: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Make sure that a contender came to what all are to come to.

    Raises:
        DifferentResultError: it did not.
    """
    if values != wanted:
        differing = {step: values.get(step) for step in wanted if values.get(step) != wanted[step]}
        message = f"{name}, {name_row(graph)}: gave {differing or sorted(values)}, not as others"
        raise DifferentResultError(message)
