"""Benchmark `view`: the view `project` over HTTP, on a made repository and transcript."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from benchmarks.measure import limit_rounds, summarize
from benchmarks.project import Size, make_project
from benchmarks.report import Goal, Result

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from benchmarks.project import Project

FULL = Size(files=20_000, changed=300, commits=30, transcript_bytes=100_000_000)
QUICK = Size(files=1_000, changed=50, commits=3, transcript_bytes=5_000_000)
STEPS = ("git_branch", "git_status", "git_log", "chat_history", "chat_sessions")
PLUGINS = ("aiohttp_steps_git", "aiohttp_steps_chat")
MOST_STALL_MS = 10.0
MOST_SECONDS = 100.0
PHASE_SECONDS = 25.0
"""After so long no further round of requests starts: a busy machine makes fewer."""

WARM_UPS = 3
ROOT = Path(__file__).resolve().parent.parent


@dataclass(slots=True)
class Samples:
    """What requests to one of the two servers took, in milliseconds, request by request.

    Attributes:
        wall: as the client sees it, without ticks.
        stall: the worst of each request, with ticks.
        own_stall: the same, less the machine's share.
        run, queue: of each step, as the report says.
    """

    wall: list[float] = field(default_factory=list)
    stall: list[float] = field(default_factory=list)
    own_stall: list[float] = field(default_factory=list)
    longest: list[float] = field(default_factory=list)
    sum: list[float] = field(default_factory=list)
    run: dict[str, list[float]] = field(default_factory=dict)
    queue: dict[str, list[float]] = field(default_factory=dict)

    def note(self, wall_ms: float, last: dict[str, Any]) -> None:
        """Add a request and what the server says of its run."""
        self.wall.append(wall_ms)
        self.sum.append(last["sum"])
        self.longest.append(max(last["run"].values()))
        for name in last["run"]:
            self.run.setdefault(name, []).append(last["run"][name])
            self.queue.setdefault(name, []).append(last["queue"][name])


def run(*, quick: bool) -> list[Result]:
    """Time the view in parallel and one step after another, and how long the event loop is held."""
    size = QUICK if quick else FULL
    left_out = find_missing("git")
    if left_out:
        return [Result(name="view", title="the view project over HTTP", compares=left_out)]
    with tempfile.TemporaryDirectory(prefix="aiohttp-steps-benchmark-") as folder:
        project = make_project(Path(folder), size)
        samples, idle = asyncio.run(measure(project, runs=3 if quick else 20))
    return [_describe_requests(size, samples, idle, quick=quick), _describe_steps(samples)]


def find_missing(*commands: str) -> str | None:
    """Return why benchmarks of the view project cannot run here, `None` if they can."""
    missing = [name for name in PLUGINS if importlib.util.find_spec(name) is None]
    missing += [name for name in commands if shutil.which(name) is None]
    return f"left out, because it is not installed: {', '.join(missing)}" if missing else None


async def measure(project: Project, runs: int) -> tuple[dict[str, Samples], Samples]:
    """Ask both servers in turn, first for times and then for stalls; also for those of the idle loop."""
    samples: dict[str, Samples] = {}
    idle = Samples()
    async with (
        asyncio.timeout(MOST_SECONDS),
        _serving(project) as addresses,
        aiohttp.ClientSession(raise_for_status=True) as session,
    ):
        clients = {name: Client(session, address) for name, address in addresses.items()}
        for name, client in clients.items():
            samples[name] = Samples()
            for _ in range(WARM_UPS):
                await client.run_view()
        for _ in limit_rounds(runs, PHASE_SECONDS):
            for name, client in clients.items():
                samples[name].note(await client.run_view(), await client.read_last())
        pause_s = summarize(samples["parallel"].wall).median / 1000
        for _ in limit_rounds(runs, PHASE_SECONDS):
            for name, client in clients.items():
                async with client.ticking(samples[name]):
                    await client.run_view()
            async with client.ticking(idle):
                await asyncio.sleep(pause_s)
    return samples, idle


class Client:
    """Talks to one of the two servers."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self._session = session
        self._address = address

    async def run_view(self) -> float:
        """Run the view, and return milliseconds until its answer was there.

        Raises:
            RuntimeError: the view has other steps than those that are meant, or one of them failed.
        """
        started_at = time.perf_counter()
        async with self._session.get(f"{self._address}/views/project") as response:
            body = await response.read()
        wall_ms = (time.perf_counter() - started_at) * 1000
        document = json.loads(body)
        if set(document["data"]) != set(STEPS) or document["errors"]:
            message = f"the view answered with {sorted(document['data'])} and errors {document['errors']}"
            raise RuntimeError(message)
        return wall_ms

    async def read_last(self) -> dict[str, Any]:
        """Return times of the last run, as the server's report had them."""
        async with self._session.get(f"{self._address}/last") as response:
            last: dict[str, Any] = await response.json()
        return last

    @contextlib.asynccontextmanager
    async def ticking(self, into: Samples) -> AsyncIterator[None]:
        """Have the server's loop watched, and add its worst stall."""
        async with self._session.post(f"{self._address}/ticks/start"):
            pass
        yield
        async with self._session.post(f"{self._address}/ticks/stop") as response:
            stall = await response.json()
        into.stall.append(stall["worst"])
        into.own_stall.append(stall["worst_own"])


@contextlib.asynccontextmanager
async def _serving(project: Project) -> AsyncIterator[dict[str, str]]:
    """Start the server's process, give its addresses, and end it by ending its input."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.server",
        project.repository,
        project.chat_folder,
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    if process.stdin is None or process.stdout is None:
        message = "the server's process has no pipes"
        raise RuntimeError(message)
    try:
        line = await process.stdout.readline()
        if not line:
            message = "the server ended before it served; what it printed stands above"
            raise RuntimeError(message)
        yield json.loads(line)
        process.stdin.close()
        await asyncio.wait_for(process.wait(), timeout=10.0)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _describe_requests(size: Size, samples: dict[str, Samples], idle: Samples, *, quick: bool) -> Result:
    rows: list[tuple[str | float | None, ...]] = []
    for name, each in samples.items():
        wall, longest = summarize(each.wall), summarize(each.longest).median
        ratio = wall.median / longest
        total = summarize(each.sum).median
        rows.append((name, wall.median, wall.worst, longest, total, ratio, *_describe_stalls(each)))
    rows.append(("no request", *[None] * 5, *_describe_stalls(idle)))
    parallel = samples["parallel"]
    text = f"the loop is never held for over {MOST_STALL_MS:.0f} ms, parallel, worst of {len(parallel.stall)}"
    return Result(
        name="view",
        title="the view project over HTTP",
        compares=(
            f"{size.described}. {len(parallel.wall)} requests each, in turn; wall is the client's, longest "
            "(step) and sum are the server's. stall: by how much the loop's latest turn in a request was "
            "late, of one each millisecond, in further requests; own: less the time for which the loop's "
            "thread was ready and the machine ran others (Linux says). 'no request': stalls of a loop that "
            "has nothing to do, which are the machine's."
        ),
        columns=(
            "steps",
            "wall ms",
            "worst ms",
            "longest ms",
            "sum ms",
            "wall / longest",
            "stall ms",
            "worst ms",
            "own ms",
            "worst ms",
        ),
        rows=tuple(rows),
        goals=(
            Goal(text, MOST_STALL_MS, None if quick else max(parallel.stall)),
            Goal(f"{text}, own", MOST_STALL_MS, None if quick else max(parallel.own_stall)),
        ),
    )


def _describe_stalls(samples: Samples) -> tuple[float, ...]:
    stall, own = summarize(samples.stall), summarize(samples.own_stall)
    return stall.median, stall.worst, own.median, own.worst


def _describe_steps(samples: dict[str, Samples]) -> Result:
    parallel, sequential = samples["parallel"], samples["sequential"]
    rows = [
        (
            name,
            summarize(sequential.run[name]).median,
            summarize(parallel.run[name]).median,
            summarize(parallel.run[name]).median / summarize(sequential.run[name]).median,
            summarize(parallel.queue[name]).median,
        )
        for name in parallel.run
    ]
    return Result(
        name="view",
        title="its steps",
        compares="Medians of the same requests: what a step takes alone, and beside the others.",
        columns=("step", "alone ms", "in parallel ms", "ratio", "queued ms"),
        rows=tuple(rows),
    )
