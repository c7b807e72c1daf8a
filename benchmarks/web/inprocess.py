"""Benchmark `request`: raw bytes into aiohttp's own protocol, its answer out of a transport in memory.

What is left is what a server computes for a request, which holds still where requests a second do not. As a
program it sends a number of requests and ends, for profilers:
`python -m benchmarks.web.inprocess inject three 700`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from typing import TYPE_CHECKING

from benchmarks.measure import divide, summarize, time_interleaved
from benchmarks.report import Result
from benchmarks.web.asker import open_asker
from benchmarks.web.contenders import AWAITS, BARE, CONTENDERS, DOCUMENT, HAND, INJECT, UNMARKED, VIEW, VIEWS

if TYPE_CHECKING:
    from benchmarks.web.contenders import Contender

NAME = "request"
WORKS = {
    "none": (HAND, BARE, INJECT, UNMARKED),
    "three": (HAND, BARE, AWAITS, INJECT, DOCUMENT, VIEW, VIEWS),
    "ten": (HAND, BARE, AWAITS, INJECT, DOCUMENT, VIEW, VIEWS),
}
"""Contenders by the name of their work."""


async def ask_often(contender: Contender, work: str, requests: int) -> bytes:
    """Send requests one after another, and return the last answer."""
    async with open_asker(contender, work) as asker:
        answer = await asker.ask()
        for _ in range(requests - 1):
            answer = await asker.ask()
        return answer


def run(*, quick: bool) -> list[Result]:
    """Time requests to all applications of aiohttp in interleaved rounds."""
    return [asyncio.run(_measure(quick=quick))]


async def _measure(*, quick: bool) -> Result:
    rows: list[tuple[str | float | None, ...]] = []
    rounds = 5 if quick else 60
    for work, names in WORKS.items():
        async with contextlib.AsyncExitStack() as stack:
            askers = {
                name: (await stack.enter_async_context(open_asker(CONTENDERS[name], work))).ask
                for name in names
            }
            times = await time_interleaved(
                askers, rounds=rounds, slice_s=0.001 if quick else 0.005, budget_s=0.2 if quick else 6.0
            )
        rows += [_make_row(work, name, times) for name in names]
    return Result(
        name=NAME,
        title=f"requests without sockets, steps that do nothing, at most {rounds} interleaved rounds",
        compares=(
            "us: processor time of one request, from its raw bytes to those of its answer, medians. / base: "
            f"by '{DOCUMENT}' for documents of a view, by '{HAND}' for the others, medians of ratios "
            "within a round; 8 in 10 lie between low and high. Without the kernel's share, which is the "
            "same for all, ratios are further from 1 than over HTTP."
        ),
        columns=("steps", "handler", "us", "/ base", "low", "high"),
        rows=tuple(rows),
    )


def _make_row(work: str, name: str, times: dict[str, list[float]]) -> tuple[str | float | None, ...]:
    ratio = divide(times[name], times[CONTENDERS[name].base])
    return (work, name, summarize(times[name]).median * 1e6, ratio.median, ratio.low, ratio.high)


def main() -> None:
    """Read the command line, and ask."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.web.inprocess")
    parser.add_argument("contender", choices=[name for name, one in CONTENDERS.items() if not one.is_asgi])
    parser.add_argument("work", choices=WORKS)
    parser.add_argument("requests", type=int)
    options = parser.parse_args()
    asyncio.run(ask_often(CONTENDERS[options.contender], options.work, options.requests))


if __name__ == "__main__":
    main()
