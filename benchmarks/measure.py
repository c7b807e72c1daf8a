"""How things are timed: warm-up, interleaved rounds, medians, and the garbage collector kept out.

Owns no benchmark: each of those is a module of its own.
"""

from __future__ import annotations

import contextlib
import gc
import resource
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

clock = time.thread_time
"""Seconds that the processor worked for this thread: for what does not wait, and a machine that is shared."""

WARM_UPS = 10
"""Calls of each contender before any that counts: the interpreter specialises what it runs often."""

FEWEST_ROUNDS = 5
"""Rounds that are made even if the time for them is up."""


@dataclass(frozen=True, slots=True)
class Spread:
    """What remains of many measurements of one thing.

    Attributes:
        median: the middle one.
        low, high: a tenth of them lies below, above.
        worst: the largest.
    """

    median: float
    low: float
    high: float
    worst: float


def summarize(values: Sequence[float]) -> Spread:
    """Return the spread of measurements, of which there has to be at least one."""
    if len(values) == 1:
        return Spread(values[0], values[0], values[0], values[0])
    tenths = statistics.quantiles(values, n=10, method="inclusive")
    return Spread(statistics.median(values), tenths[0], tenths[-1], max(values))


def divide(values: Sequence[float], base: Sequence[float]) -> Spread:
    """Return the spread of the ratios of measurements that were taken in the same rounds."""
    return summarize([value / below for value, below in zip(values, base, strict=True)])


def subtract(values: Sequence[float], base: Sequence[float]) -> Spread:
    """Return the spread of the differences of measurements that were taken in the same rounds."""
    return summarize([value - below for value, below in zip(values, base, strict=True)])


@contextlib.contextmanager
def without_gc() -> Iterator[None]:
    """Keep the garbage collector from running in what is timed; what was there before is collected first."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def limit_rounds(rounds: int, budget_s: float) -> Iterator[int]:
    """Count rounds, until the last one or the time is up; the first few are made in any case."""
    ends_at = time.perf_counter() + budget_s
    for number in range(rounds):
        if number >= FEWEST_ROUNDS and time.perf_counter() > ends_at:
            return
        yield number


async def time_interleaved(
    contenders: Mapping[str, Callable[[], Awaitable[Any]]],
    *,
    rounds: int,
    slice_s: float,
    budget_s: float,
    clock: Callable[[], float] = clock,
) -> dict[str, list[float]]:
    """Time contenders beside each other: each round runs all, and starts with another one.

    What slows the machine down for longer than a round slows all contenders down, so that ratios within a
    round say more than times do.

    Args:
        rounds: most rounds to make.
        slice_s: seconds for each contender in a round, about.
        budget_s: seconds after which no further round starts, but for the first few.
        clock: what is read before and after; processor time of this thread, which is right for contenders
            that never wait. For those that use other threads, `time.process_time` or `time.perf_counter`.

    Returns:
        For each contender, seconds per call in each round.
    """
    calls = {name: await _count_calls(contender, slice_s, clock) for name, contender in contenders.items()}
    order = list(contenders)
    times: dict[str, list[float]] = {name: [] for name in order}
    for _ in limit_rounds(rounds, budget_s):
        with without_gc():
            for name in order:
                times[name].append(await _time_calls(contenders[name], calls[name], clock))
        order.append(order.pop(0))
    return times


async def _count_calls(
    contender: Callable[[], Awaitable[Any]], slice_s: float, clock: Callable[[], float]
) -> int:
    """Warm a contender up, and return how many calls fill a slice."""
    first = await _time_calls(contender, 1, clock)
    # One that takes many slices would be warmed up for longer than it is measured.
    warm_ups = max(1, min(WARM_UPS, round(WARM_UPS * slice_s / first)))
    await _time_calls(contender, warm_ups, clock)
    quickest = min([await _time_calls(contender, warm_ups, clock) for _ in range(3)])
    return max(1, round(slice_s / quickest))


async def _time_calls(
    contender: Callable[[], Awaitable[Any]], calls: int, clock: Callable[[], float]
) -> float:
    started_at = clock()
    for _ in range(calls):
        await contender()
    return (clock() - started_at) / calls


@dataclass(frozen=True, slots=True)
class Cost:
    """What a call took, in seconds.

    Attributes:
        wall: from its begin to its end.
        cpu: of processors, in all threads of this process and in processes that it started and waited for.
    """

    wall: float
    cpu: float


def cost_interleaved(
    contenders: Mapping[str, Callable[[], Any]], *, rounds: int, budget_s: float
) -> dict[str, list[Cost]]:
    """Measure calls that wait, and that work in other threads and processes, in turn.

    As `time_interleaved`, but one call each in a round, after one that warms up.
    """
    for contender in contenders.values():
        contender()
    order = list(contenders)
    costs: dict[str, list[Cost]] = {name: [] for name in order}
    for _ in limit_rounds(rounds, budget_s):
        with without_gc():
            for name in order:
                costs[name].append(_cost_call(contenders[name]))
        order.append(order.pop(0))
    return costs


def _cost_call(contender: Callable[[], Any]) -> Cost:
    cpu, began_at = _read_cpu(), time.perf_counter()
    contender()
    return Cost(time.perf_counter() - began_at, _read_cpu() - cpu)


def _read_cpu() -> float:
    times = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in times)


def time_repeated(function: Callable[[], Any], *, repeats: int, budget_s: float) -> list[float]:
    """Return processor seconds of each of at most `repeats` calls, after one that warms up.

    Args:
        budget_s: seconds after which no further call starts.
    """
    function()
    times: list[float] = []
    ends_at = time.perf_counter() + budget_s
    with without_gc():
        while not times or (len(times) < repeats and time.perf_counter() < ends_at):
            started_at = clock()
            function()
            times.append(clock() - started_at)
    return times
