"""Benchmark `overhead`: what the engine adds to steps that do nothing, beside asyncio by hand."""

from __future__ import annotations

import asyncio
import platform
import sys
import types
from typing import TYPE_CHECKING, Any

from aiohttp_steps import StepRegistry, step

from benchmarks.measure import divide, summarize, time_interleaved
from benchmarks.report import Goal, Result

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from aiohttp_steps.types import Report

    Contenders = dict[str, Callable[[], Awaitable[Any]]]
    Functions = dict[str, Callable[..., Coroutine[Any, Any, Any]]]

SIZES = (1, 3, 10, 100)
IS_EAGER = sys.version_info >= (3, 12)
MOST_OF_GATHER = 0.40 if IS_EAGER else 0.75

ENGINE, READ, PLAIN, GATHER, EAGER, GROUP = (
    "engine",
    "engine, report read",
    "plain awaits",
    "gather",
    "gather of eager tasks",
    "TaskGroup",
)


def run(*, quick: bool) -> list[Result]:
    """Time runs of 1 to 100 steps that do nothing, flat and chained, in interleaved rounds."""
    return [asyncio.run(_measure(quick=quick))]


async def _measure(*, quick: bool) -> Result:
    rows = []
    of_gather = 0.0
    rounds = 10 if quick else 100
    for shape, write in (("flat", write_flat), ("chained", write_chained)):
        for size in SIZES:
            times = await time_interleaved(
                _make_contenders(shape, _make_functions(write(size))),
                rounds=rounds,
                slice_s=0.0003 if quick else 0.002,
                budget_s=0.25 if quick else 2.0,
            )
            rows.append(_make_row(f"{size} {shape}", times))
            if (size, shape) == (10, "flat"):
                of_gather = divide(times[ENGINE], times[GATHER]).median
    version = platform.python_version()
    return Result(
        name="overhead",
        title=f"async steps that do nothing, Python {version}, at most {rounds} interleaved rounds",
        compares=(
            "us: processor time of one run, medians. / columns: the engine by the other, medians of the "
            "ratios within a round; 8 in 10 of those to gather lie between low and high. The engine keeps "
            "times and errors of each step, as always; 'read' asks the report for outcomes and timing "
            "besides. chained: each step takes the one before; by hand, plain awaits pass the value on, the "
            "others make a task for each step, which awaits the task before."
        ),
        columns=(
            "steps",
            "engine us",
            "read us",
            "plain us",
            "gather us",
            "eager us",
            "group us",
            "/ plain",
            "/ gather",
            "low",
            "high",
            "/ eager",
            "/ group",
        ),
        rows=tuple(rows),
        goals=(
            Goal(
                f"10 flat steps cost at most {MOST_OF_GATHER:.2f} of gather on Python {version[:4]}",
                MOST_OF_GATHER,
                of_gather,
            ),
        ),
    )


def _make_row(name: str, times: dict[str, list[float]]) -> tuple[str | float | None, ...]:
    engine = times[ENGINE]
    medians = [
        summarize(times[one]).median * 1e6 if one in times else None
        for one in (ENGINE, READ, PLAIN, GATHER, EAGER, GROUP)
    ]
    by_gather = divide(engine, times[GATHER])
    return (
        name,
        *medians,
        divide(engine, times[PLAIN]).median,
        by_gather.median,
        by_gather.low,
        by_gather.high,
        divide(engine, times[EAGER]).median if EAGER in times else None,
        divide(engine, times[GROUP]).median,
    )


def write_flat(size: int) -> str:
    """Write the source of steps that take nothing."""
    return "\n".join(f"async def s{number}(): return None" for number in range(size))


def write_chained(size: int) -> str:
    """Write the source of steps each of which takes the one before it."""
    links = [f"async def s{number}(*, s{number - 1}): return s{number - 1}" for number in range(1, size)]
    return "\n".join(["async def s0(): return None", *links])


def _make_functions(source: str) -> Functions:
    """Compile functions as an author would have written them: parameters have to have their names."""
    namespace: dict[str, Any] = {}
    exec(compile(source, __file__, "exec"), namespace)  # the source is ours
    return {name: function for name, function in namespace.items() if name.startswith("s")}


def _make_contenders(shape: str, functions: Functions) -> Contenders:
    by_hand = _make_flat(functions) if shape == "flat" else _make_chained(functions)
    if not IS_EAGER:
        del by_hand[EAGER]
    return {**_make_engine(functions), **by_hand}


def _make_engine(functions: Functions) -> Contenders:
    """Register the functions as steps, and return what runs them, without and with reading the report."""
    registry = StepRegistry()
    mark = step(concurrency="parallel", views=["noop"])
    registry.register(types.SimpleNamespace(**{name: mark(each) for name, each in functions.items()}), "noop")
    program = registry.program("noop")

    async def execute() -> Report:
        return await registry.execute(program, {})

    async def execute_and_read() -> object:
        report = await registry.execute(program, {})
        return report.outcomes, report.timing

    return {ENGINE: execute, READ: execute_and_read}


def _make_flat(functions: Functions) -> Contenders:
    """Return the ways to await functions that take nothing."""
    steps = list(functions.values())

    async def await_each() -> None:
        for each in steps:
            await each()

    async def gather() -> None:
        await asyncio.gather(*[each() for each in steps])

    async def gather_eagerly() -> None:
        loop = asyncio.get_running_loop()
        await asyncio.gather(*[_start_eagerly(each(), loop) for each in steps])

    async def group() -> None:
        async with asyncio.TaskGroup() as tasks:
            for each in steps:
                tasks.create_task(each())

    return {PLAIN: await_each, GATHER: gather, EAGER: gather_eagerly, GROUP: group}


def _make_chained(functions: Functions) -> Contenders:
    """Return the ways to await functions each of which takes the value of the one before it."""
    links = list(zip([None, *functions], functions.values(), strict=False))

    async def await_each() -> None:
        value: Any = None
        for before, each in links:
            value = await (each() if before is None else each(**{before: value}))

    async def follow(before: str | None, each: Callable[..., Coroutine[Any, Any, Any]], task: Any) -> Any:
        return await (each() if before is None else each(**{before: await task}))

    async def gather() -> None:
        tasks: list[Any] = [None]
        for before, each in links:
            tasks.append(asyncio.create_task(follow(before, each, tasks[-1])))
        await asyncio.gather(*tasks[1:])

    async def gather_eagerly() -> None:
        loop = asyncio.get_running_loop()
        tasks: list[Any] = [None]
        for before, each in links:
            tasks.append(_start_eagerly(follow(before, each, tasks[-1]), loop))
        await asyncio.gather(*tasks[1:])

    async def group() -> None:
        task: Any = None
        async with asyncio.TaskGroup() as tasks:
            for before, each in links:
                task = tasks.create_task(follow(before, each, task))

    return {PLAIN: await_each, GATHER: gather, EAGER: gather_eagerly, GROUP: group}


def _start_eagerly(awaitable: Any, loop: asyncio.AbstractEventLoop) -> asyncio.Task[Any]:
    task: Any = asyncio.Task
    eager: asyncio.Task[Any] = task(awaitable, loop=loop, eager_start=True)
    return eager
