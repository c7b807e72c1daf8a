"""Benchmark `stalls`: what the monitor of plugins/stalls takes from a busy server."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import sys
import time
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web
from aiohttp_steps import REPORT, StepRegistry, json_response, setup, step, view

from benchmarks.measure import divide, limit_rounds, summarize, without_gc
from benchmarks.report import Goal, Result

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aiohttp_steps_stalls import StallMonitor

    Work = Callable[[float], Awaitable[int]]

MOST_RATIO = 1.01
GOALS = ("turns of a busy loop", "HTTP, five async steps")
"""What has a goal. Steps in threads are followed one by one: those that do nothing are the worst case."""

CONNECTIONS = 16
ROOT = Path(__file__).resolve().parent.parent
BUDGET_S = 30.0
SPIN_S = 0.0002
"""How long one turn of the busy loop computes, in seconds: about as long as a small request."""


def run(*, quick: bool) -> list[Result]:
    """Compare processor time with the monitor on and off, in slices beside each other."""
    if importlib.util.find_spec("aiohttp_steps_stalls") is None:
        left_out = "left out, because it is not installed: aiohttp_steps_stalls"
        return [Result(name="stalls", title="the monitor on and off", compares=left_out)]
    return [asyncio.run(_measure(quick=quick))]


async def _measure(*, quick: bool) -> Result:
    rounds, slice_s = (6, 0.1) if quick else (60, 0.25)
    rows: list[tuple[str | float | None, ...]] = []
    ratios = {}
    for name, make in (
        (GOALS[0], _spinning),
        (GOALS[1], _serving_async),
        ("HTTP, three steps in threads that do nothing", _serving_threads),
    ):
        async with make() as (work, monitor):
            times = await _compare(work, monitor, rounds=rounds, slice_s=slice_s)
        on, control = divide(times["on"], times["off"]), divide(times["off again"], times["off"])
        ratios[name] = on.median
        micro = [summarize(times[one]).median * 1e6 for one in ("off", "on")]
        rows.append((name, *micro, on.median, on.low, on.high, control.median, control.low, control.high))
    idle = [await _measure_idle(is_on=is_on, seconds=0.5 if quick else 3.0) for is_on in (False, True)]
    rows.append(("idle, percent of a processor", *idle, *[None] * 6))
    return Result(
        name="stalls",
        title=f"the monitor of plugins/stalls on and off, threshold 10 ms, {rounds} rounds of {slice_s:g} s",
        compares=(
            "us: processor time of the process, all threads, per turn or request, medians. ratio: on by off "
            "of the same round, its median and what 8 in 10 lie between. control: off by off, the noise of "
            f"this machine. HTTP: {CONNECTIONS} connections of another process, which ask without a pause."
        ),
        columns=("busy with", "off us", "on us", "ratio", "low", "high", "control", "low", "high"),
        rows=tuple(rows),
        goals=tuple(
            Goal(
                f"{name}: at most {MOST_RATIO} of the processor time",
                MOST_RATIO,
                None if quick else ratios[name],
            )
            for name in GOALS
        ),
    )


async def _compare(
    work: Work, monitor: StallMonitor, *, rounds: int, slice_s: float
) -> dict[str, list[float]]:
    """Work in slices with the monitor off, on, and off again, each round in another order."""
    order = ["off", "on", "off again"]
    times: dict[str, list[float]] = {name: [] for name in order}
    await work(slice_s)
    for _ in limit_rounds(rounds, BUDGET_S):
        for name in order:
            if name == "on":
                monitor.start()
            with without_gc():
                began_s = time.process_time()
                done = await work(slice_s)
                used_s = time.process_time() - began_s
            if name == "on":
                monitor.stop()
            times[name].append(used_s / done)
        order.append(order.pop(0))
    return times


async def _measure_idle(*, is_on: bool, seconds: float) -> float:
    """Return the percentage of one processor that a loop takes which has nothing to do."""
    monitor = _make_monitor(StepRegistry())
    if is_on:
        monitor.start()
    began_s = time.process_time()
    await asyncio.sleep(seconds)
    used_s = time.process_time() - began_s
    if is_on:
        monitor.stop()
    return used_s / seconds * 100


def _make_monitor(registry: StepRegistry) -> StallMonitor:
    from aiohttp_steps_stalls import StallMonitor  # noqa: PLC0415 - may not be installed

    return StallMonitor(registry, threshold_s=0.010)


@contextlib.asynccontextmanager
async def _spinning() -> AsyncIterator[tuple[Work, StallMonitor]]:
    """Give what keeps the loop turning, and nothing else: no network, no other process."""

    async def work(seconds: float) -> int:
        turns, ends_at = 0, time.thread_time() + seconds
        while time.thread_time() < ends_at:
            for _ in range(200):
                sum(range(int(SPIN_S * 5e7)))
                await asyncio.sleep(0)
            turns += 200
        return turns

    async with StepRegistry() as registry:
        yield work, _make_monitor(registry)


@contextlib.asynccontextmanager
async def _serving(names: list[str], function: Callable[[], Any]) -> AsyncIterator[tuple[Work, StallMonitor]]:
    """Serve a view to a crowd that never pauses; work is what is answered in a slice."""
    registry = StepRegistry()
    mark = step(concurrency="parallel", views=["busy"])
    steps = {name: types.FunctionType(function.__code__, function.__globals__, name) for name in names}
    registry.register(types.SimpleNamespace(**{name: mark(each) for name, each in steps.items()}), "busy")
    monitor = _make_monitor(registry)
    registry.register(types.SimpleNamespace(step_middleware=monitor.step_middleware), "stalls")
    answered = 0

    @view("busy")
    async def answer(request: web.Request) -> web.Response:
        nonlocal answered
        answered += 1
        return json_response(request[REPORT])

    async def work(seconds: float) -> int:
        before = answered
        await asyncio.sleep(seconds)
        return max(1, answered - before)

    app = web.Application()
    app.router.add_get("/", answer)
    setup(app, registry)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        async with _asking(f"http://{host}:{port}/"):
            yield work, monitor
    finally:
        await runner.cleanup()


def _serving_async() -> Any:
    async def idle() -> int:
        return 1

    return _serving([f"s{number}" for number in range(5)], idle)


def _serving_threads() -> Any:
    def idle() -> int:
        return 1

    return _serving([f"t{number}" for number in range(3)], idle)


@contextlib.asynccontextmanager
async def _asking(address: str) -> AsyncIterator[None]:
    """Let a crowd ask, in a process of its own, which ends with its input."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.stalls", address, cwd=ROOT, stdin=asyncio.subprocess.PIPE
    )
    try:
        await asyncio.sleep(1.0)
        yield
    finally:
        if process.stdin is not None:
            process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()


async def ask(address: str) -> None:
    """Ask over and over until standard input ends."""

    async def ask_always(session: aiohttp.ClientSession) -> None:
        while True:
            async with session.get(address) as response:
                await response.read()

    async with aiohttp.ClientSession() as session:
        tasks = [asyncio.create_task(ask_always(session)) for _ in range(CONNECTIONS)]
        await asyncio.to_thread(sys.stdin.read)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(ask(sys.argv[1]))
