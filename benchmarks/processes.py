"""Benchmark `processes`: what a call to a worker process costs, by pool, and when it is worth it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import importlib.util
import multiprocessing
import os
import signal
import time
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_process
from aiohttp_steps import StepRegistry, step

from benchmarks.measure import limit_rounds, summarize
from benchmarks.report import Goal, Result

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Submit = Callable[..., Awaitable[Any]]

WORKERS = 2
AT_ONCE = 10
MEGABYTE = 1_000_000
WORK_MS = (1, 5, 20, 100)
MOST_CALL_MS = 1.0


def echo(value: Any = None) -> Any:
    """Return what came: the smallest piece of work."""
    return value


def compute(seconds: float) -> int:
    """Use the processor, holding the GIL, for that much processor time."""
    ends_at = time.thread_time() + seconds
    number = 0
    while time.thread_time() < ends_at:
        number += 1
    return number


def die() -> None:
    """End the worker as the kernel does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


@step(concurrency="parallel", runner="process")
def echo_step(*, value: Any) -> Any:
    """Return what came."""
    return value


def run(*, quick: bool) -> list[Result]:
    """Compare the pools that a runner could stand on with the runner itself; then find its worth."""
    return [asyncio.run(_compare_pools(quick=quick)), asyncio.run(_find_worth(quick=quick))]


@contextlib.asynccontextmanager
async def use_anyio() -> AsyncIterator[Submit]:
    """AnyIO's worker processes."""
    limiter = anyio.CapacityLimiter(WORKERS)

    async def submit(function: Callable[..., Any], *arguments: Any) -> Any:
        return await anyio.to_process.run_sync(function, *arguments, limiter=limiter)

    yield submit


@contextlib.asynccontextmanager
async def use_futures() -> AsyncIterator[Submit]:
    """`concurrent.futures`, with fresh interpreters: a fork of a process with threads may hang."""
    context = multiprocessing.get_context("spawn")
    pool = concurrent.futures.ProcessPoolExecutor(WORKERS, mp_context=context)
    try:
        yield lambda function, *rest: asyncio.wrap_future(pool.submit(function, *rest))
    finally:
        pool.shutdown()


@contextlib.asynccontextmanager
async def use_loky() -> AsyncIterator[Submit]:
    """Loky's reusable executor."""
    loky = importlib.import_module("loky")
    pool = loky.ProcessPoolExecutor(WORKERS)
    try:
        yield lambda function, *rest: asyncio.wrap_future(pool.submit(function, *rest))
    finally:
        pool.shutdown(kill_workers=True)


@contextlib.asynccontextmanager
async def use_runner() -> AsyncIterator[Submit]:
    """The runner `process`, by way of a whole run of a view's plan with one step."""
    async with StepRegistry(processes=WORKERS) as registry:
        registry.register(importlib.import_module("benchmarks.processes"), "processes")
        program = registry.program(wanted=["echo_step"], inputs=["value"])
        await registry.open()

        async def submit(_function: Callable[..., Any], value: Any = None) -> Any:
            report = await registry.execute(program, {"value": value})
            return report["echo_step"]

        yield submit


POOLS = {
    "AnyIO": use_anyio,
    "concurrent.futures": use_futures,
    "loky": use_loky,
    "runner process": use_runner,
}


async def _compare_pools(*, quick: bool) -> Result:
    rows: list[tuple[str | float | None, ...]] = []
    call_ms = None
    for name, use in POOLS.items():
        if name == "loky" and importlib.util.find_spec("loky") is None:
            continue
        async with use() as submit:
            times = await _time_calls(submit, rounds=20 if quick else 300)
            killed = "as AnyIO" if name == "runner process" else await _kill(submit)
        rows.append((name, *times, killed))
        if name == "runner process":
            call_ms = times[0]
    return Result(
        name="processes",
        title=f"a call to one of {WORKERS} worker processes that are warm, awaited from asyncio",
        compares=(
            f"Milliseconds, medians: one tiny call; {AT_ONCE} tiny calls at once; 1 MB there and back. The "
            "runner does the whole run of a plan with one step. killed: what happens to "
            "another call when a worker is killed in the middle of one. loky is left out if not installed."
        ),
        columns=("pool", "one call", f"{AT_ONCE} at once", "1 MB", "killed"),
        rows=tuple(rows),
        goals=(Goal(f"a call costs at most {MOST_CALL_MS} ms", MOST_CALL_MS, call_ms),),
    )


async def _time_calls(submit: Submit, rounds: int) -> tuple[float, float, float]:
    await asyncio.gather(*[submit(echo) for _ in range(AT_ONCE)])
    data = b"x" * MEGABYTE
    # One kind after the other: a call right after a big one waits for caches and processors to wake up.
    one = [await _time(submit(echo)) for _ in limit_rounds(rounds, 2.0)]
    many = [
        await _time(asyncio.gather(*[submit(echo) for _ in range(AT_ONCE)]))
        for _ in limit_rounds(rounds, 2.0)
    ]
    big = [await _time(submit(echo, data)) for _ in limit_rounds(rounds, 2.0)]
    return summarize(one).median, summarize(many).median, summarize(big).median


async def _time(call: Awaitable[Any]) -> float:
    began_at = time.perf_counter()
    await call
    return (time.perf_counter() - began_at) * 1000


async def _kill(submit: Submit) -> str:
    """Say what becomes of a call beside one whose worker is killed."""
    results = await asyncio.gather(submit(compute, 0.2), _after(0.05, submit(die)), return_exceptions=True)
    if isinstance(results[0], BaseException):
        return "both fail, and the pool is broken" if await _is_broken(submit) else "both fail"
    return "only that call fails" if isinstance(results[1], BaseException) else "nothing"


async def _after(seconds: float, call: Awaitable[Any]) -> Any:
    await asyncio.sleep(seconds)
    return await call


async def _is_broken(submit: Submit) -> bool:
    try:
        await submit(echo)
    except BrokenProcessPool:
        return True
    return False


async def _find_worth(*, quick: bool) -> Result:
    """Compare two CPU-bound steps at once in threads, which the GIL runs in turn, and in processes."""
    rows: list[tuple[str | float | None, ...]] = []
    rounds = 3 if quick else 15
    async with StepRegistry(processes=WORKERS) as registry:
        registry.register(importlib.import_module("benchmarks.busy"), "busy")
        await registry.open()
        for work_ms in WORK_MS:
            walls: dict[str, list[float]] = {"thread": [], "process": []}
            for _ in range(rounds + 1):
                for runner, times in walls.items():
                    wanted = [f"{runner}_one", f"{runner}_two"]
                    report = await registry.run(wanted=wanted, inputs={"seconds": work_ms / 1000})
                    report.raise_for_failure()
                    times.append(report.timing.wall_s * 1000)
            thread, process = (summarize(times[1:]).median for times in walls.values())
            rows.append((f"{work_ms} ms", thread, process, process / thread))
    return Result(
        name="processes",
        title="two steps at once that compute in Python for so long",
        compares=(
            "Wall milliseconds of a run, medians: in two threads, where the GIL lets one compute at a time, "
            "and in two worker processes. Below 1 in the last column the process is worth it."
        ),
        columns=("each computes", "threads", "processes", "processes / threads"),
        rows=tuple(rows),
    )
