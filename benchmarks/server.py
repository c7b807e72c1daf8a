"""The server of benchmark `view`: a process of its own, so that the client's work does not hold its loop.

Started by `view`, as `python -m benchmarks.server REPOSITORY CHAT_FOLDER`. Serves the installed plugins
twice, in parallel and sequential, from one event loop; prints both addresses as JSON; ends with its input.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import socket
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp_steps import StepRegistry, hookimpl
from aiohttp_steps.web import build_server_app
from aiohttp_steps.web.server import mind_pauses

if TYPE_CHECKING:
    from aiohttp_steps.types import Report

TICK_S = 0.001
SCHEDSTAT = Path("/proc/thread-self/schedstat")
MOST_SECONDS = 170.0
"""The server ends by itself after this, whatever becomes of its client."""


@dataclass(slots=True)
class Stall:
    """By how much turns of the loop were late, in milliseconds.

    Attributes:
        worst: the latest one.
        worst_own: the latest one, less the time for which the machine ran other threads although this one
            was ready: what the loop's own work and the GIL are to blame for. As `worst` where unknown.
    """

    worst: float = 0.0
    worst_own: float = 0.0


class Ticker:
    """Asks the event loop for a turn each millisecond, and notes how late it comes.

    What holds the loop, whether a callback, the GIL in another thread or the machine, makes a turn late.
    """

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._due_at = self._denied_s = 0.0
        self._stall = Stall()

    def start(self) -> None:
        """Begin anew, as if nothing had been late."""
        self._stall = Stall()
        self._expect()
        self._task = asyncio.create_task(self._tick())

    async def stop(self) -> Stall:
        """End, and return by how much turns were late."""
        if self._task is not None:
            self._note()
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        return self._stall

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._due_at - loop.time())
            self._note()
            self._expect()

    def _expect(self) -> None:
        self._denied_s = read_denied()
        self._due_at = asyncio.get_running_loop().time() + TICK_S

    def _note(self) -> None:
        late_s = asyncio.get_running_loop().time() - self._due_at
        own_s = late_s - (read_denied() - self._denied_s)
        self._stall.worst = max(self._stall.worst, late_s * 1000)
        self._stall.worst_own = max(self._stall.worst_own, own_s * 1000)


def read_denied() -> float:
    """Return the seconds for which this thread was ready to run and the machine ran others; 0 if not known.

    The second number of Linux's schedstat: https://docs.kernel.org/scheduler/sched-stats.html
    """
    try:
        return int(SCHEDSTAT.read_bytes().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


class Observer:
    """A plugin that remembers the times of the last run, and adds routes to ask for them and for ticks."""

    def __init__(self, ticker: Ticker) -> None:
        self._ticker = ticker
        self._last: dict[str, Any] = {}

    @hookimpl
    def steps_run_finished(self, report: Report) -> None:
        """Keep what the client will ask for; in milliseconds."""
        self._last = {
            "completed": report.completed,
            "errors": {name: str(error) for name, error in report.errors.items()},
            "wall": report.timing.wall_s * 1000,
            "sum": report.timing.sum_s * 1000,
            "run": {outcome.step.name: outcome.run_s * 1000 for outcome in report.outcomes},
            "queue": {outcome.step.name: outcome.queue_s * 1000 for outcome in report.outcomes},
        }

    @hookimpl
    def steps_app_setup(self, app: web.Application) -> None:
        """Add the routes that the benchmark steers by."""
        app.router.add_get("/last", self._answer_last)
        app.router.add_post("/ticks/start", self._start_ticks)
        app.router.add_post("/ticks/stop", self._stop_ticks)

    async def _answer_last(self, _request: web.Request) -> web.Response:
        return web.json_response(self._last)

    async def _start_ticks(self, _request: web.Request) -> web.Response:
        self._ticker.start()
        return web.json_response(None)

    async def _stop_ticks(self, _request: web.Request) -> web.Response:
        return web.json_response(asdict(await self._ticker.stop()))


async def serve(repository: Path, chat_folder: Path) -> None:
    """Serve until standard input ends, or the time is up."""
    ticker = Ticker()
    runners: list[web.AppRunner] = []
    addresses: dict[str, str] = {}
    try:
        for name in ("parallel", "sequential"):
            runner, addresses[name] = await _start(
                ticker,
                {"project_path": repository, "chat_folder": chat_folder},
                sequential=name == "sequential",
            )
            runners.append(runner)
        mind_pauses()  # as `aiohttp-steps serve` does
        print(json.dumps(addresses), flush=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(MOST_SECONDS):
                await _wait_for_end_of_input()
    finally:
        for runner in runners:
            await runner.cleanup()


async def _start(ticker: Ticker, inputs: dict[str, Any], *, sequential: bool) -> tuple[web.AppRunner, str]:
    registry = StepRegistry()
    registry.load_entry_points()
    registry.register(Observer(ticker), "observer")
    listener = socket.create_server(("127.0.0.1", 0))
    host = f"127.0.0.1:{listener.getsockname()[1]}"
    app = build_server_app(registry, hosts=[host], inputs=inputs, sequential=sequential)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    return runner, f"http://{host}"


async def _wait_for_end_of_input() -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server")
    parser.add_argument("repository", type=Path)
    parser.add_argument("chat_folder", type=Path)
    options = parser.parse_args()
    asyncio.run(serve(options.repository, options.chat_folder))


if __name__ == "__main__":
    main()
