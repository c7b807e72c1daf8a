"""Benchmark `request`: raw bytes into aiohttp's own protocol, its answer out of a transport in memory.

What is left is what a server computes for a request, which holds still where requests a second do not. As a
program it sends a number of requests and ends, for profilers:
`python -m benchmarks.web.inprocess inject three 700`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from aiohttp import web

from benchmarks.measure import divide, summarize, time_interleaved
from benchmarks.report import Result
from benchmarks.web.contenders import AWAITS, BARE, CONTENDERS, DOCUMENT, HAND, INJECT, UNMARKED, VIEW, VIEWS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from benchmarks.web.contenders import Contender

NAME = "request"
WORKS = {
    "none": (HAND, BARE, INJECT, UNMARKED),
    "three": (HAND, BARE, AWAITS, INJECT, DOCUMENT, VIEW, VIEWS),
    "ten": (HAND, BARE, AWAITS, INJECT, DOCUMENT, VIEW, VIEWS),
}
"""Contenders by the name of their work."""


class Wire(asyncio.Transport):
    """The other end of a connection: what the server writes is kept for the one who asked."""

    def __init__(self) -> None:
        super().__init__()
        self._answer: asyncio.Future[bytes] | None = None
        self._loop = asyncio.get_running_loop()
        self._is_closing = False

    def expect(self) -> asyncio.Future[bytes]:
        """Return what will hold the next answer; aiohttp writes a small one at once."""
        self._answer = self._loop.create_future()
        return self._answer

    def write(self, data: Any) -> None:
        """Take an answer, or what comes after it: there is nothing to flush."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(bytes(data))

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        """Take an answer in parts."""
        self.write(b"".join(list_of_data))

    def is_closing(self) -> bool:
        """Tell whether the server has hung up."""
        return self._is_closing

    def close(self) -> None:
        """Hang up."""
        self._is_closing = True

    def abort(self) -> None:
        """Hang up."""
        self._is_closing = True


class Asker:
    """One connection that is kept alive, on which the same request is sent again and again."""

    def __init__(self, protocol: asyncio.Protocol, path: str) -> None:
        self._protocol = protocol
        # What wrk sends, so that both measure the same request.
        self._request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n".encode()
        self._wire = Wire()
        protocol.connection_made(self._wire)

    async def ask(self) -> bytes:
        """Send the request and return the whole answer."""
        answer = self._wire.expect()
        self._protocol.data_received(self._request)
        return await answer

    def close(self) -> None:
        """Leave, as a client does."""
        self._protocol.connection_lost(None)


@contextlib.asynccontextmanager
async def open_asker(contender: Contender, work: str) -> AsyncIterator[Asker]:
    """Start a contender's application without a port, connect, and end both."""
    runner = web.AppRunner(contender.make_app(), access_log=None)
    await runner.setup()
    if runner.server is None:
        message = "the application's runner has no server after its setup"
        raise RuntimeError(message)
    asker = Asker(runner.server(), contender.path.format(work=work))
    try:
        yield asker
    finally:
        asker.close()
        await runner.cleanup()


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
