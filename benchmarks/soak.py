"""Benchmark `soak`: a crowd over HTTP, with failures, hangs, departures and plugins that come and go."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import os
import random
import statistics
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web
from aiohttp_steps import Limits, StepRegistry
from aiohttp_steps.policies import ProcessLocks
from aiohttp_steps.web import add_views, setup

from benchmarks import soak_steps
from benchmarks.report import Goal, Result

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS, QUICK_SECONDS = 60.0, 3.0
CLIENTS = 24
LEAVING = 0.2
"""Share of requests whose client leaves, at a random moment."""

CHANGE_S = 0.03
"""How often the plugin that comes and goes does either."""

MOST_GROWTH = 1.05
STATM = Path("/proc/self/statm")

ANSWERS = {401, 500, 503, 504}
"""Statuses of declared errors, besides 200."""


@dataclass(slots=True)
class Soaked:
    """What came of it.

    Attributes:
        statuses: answers by status; `"left"` for clients that left.
        errors: errors of steps by step and type.
        faults: answers that were wrong, and laws that were broken.
        leftovers: what was still there when all was over.
        memory_bytes: resident memory of the process, twice a second.
    """

    seconds: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    changes: int = 0
    faults: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    memory_bytes: list[int] = field(default_factory=list)

    @property
    def growth(self) -> float | None:
        """Resident memory in the last quarter of the time over that in the second; `None` if too short."""
        quarter = len(self.memory_bytes) // 4
        if quarter < 5 or not self.memory_bytes[0]:
            return None
        early = statistics.median(self.memory_bytes[quarter : 2 * quarter])
        return statistics.median(self.memory_bytes[-quarter:]) / early


def run(*, quick: bool) -> list[Result]:
    """Let the crowd in for a minute, and say what came of it."""
    # Each failure is meant, and would be logged with its traceback.
    with quiet():
        soaked = asyncio.run(soak(QUICK_SECONDS if quick else SECONDS))
    return [_describe(soaked, quick=quick)]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the framework's log from being written."""
    logger = logging.getLogger("aiohttp_steps")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


async def soak(seconds: float, seed: int = 0) -> Soaked:
    """Serve the view `soak` to a crowd for so many seconds; the server is on a port, in this event loop."""
    soaked = Soaked(seconds=seconds)
    plugin = soak_steps.SoakSteps(seed)
    registry = StepRegistry(threads=8, processes=1, limits=Limits(steps=100, waiting=60))
    registry.locks = ProcessLocks()
    registry.register(plugin, "soak")
    registry.register(soak_steps, "soak_worker")
    before, threads = asyncio.all_tasks(), set(threading.enumerate())
    runner = web.AppRunner(_make_app(registry), access_log=None, shutdown_timeout=5.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        await _let_in(runner.addresses[0][1], registry, soaked, seed)
    finally:
        await runner.cleanup()
    soaked.faults += plugin.faults
    await _find_leftovers(soaked, registry, plugin, before, threads)
    return soaked


def _make_app(registry: StepRegistry) -> web.Application:
    app = web.Application()
    setup(app, registry)
    add_views(app)
    return app


async def _let_in(port: int, registry: StepRegistry, soaked: Soaked, seed: int) -> None:
    ends_at = time.monotonic() + soaked.seconds
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", connector=connector) as session:
        clients = [
            Client(session, port, soaked, random.Random(seed * 1000 + at)).visit(ends_at)
            for at in range(CLIENTS)
        ]
        around = [
            asyncio.create_task(_change_plugins(registry, soaked)),
            asyncio.create_task(_watch_memory(soaked)),
        ]
        await asyncio.gather(*clients)
        for task in around:
            task.cancel()
        await asyncio.wait(around)


async def _change_plugins(registry: StepRegistry, soaked: Soaked) -> None:
    while True:
        await asyncio.sleep(CHANGE_S)
        if soaked.changes % 2:
            registry.unregister("extra")
        else:
            registry.register(soak_steps.ExtraSteps(), "extra")
        soaked.changes += 1


async def _watch_memory(soaked: Soaked) -> None:
    while True:
        await asyncio.sleep(0.5)
        soaked.memory_bytes.append(_read_memory())


def _read_memory() -> int:
    """Return the resident memory of this process, in bytes; 0 where the system does not say so."""
    if not STATM.exists():
        return 0
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Client:
    """Asks one request after another, and leaves some of them."""

    def __init__(
        self, session: aiohttp.ClientSession, port: int, soaked: Soaked, chance: random.Random
    ) -> None:
        self._session = session
        self._port = port
        self._soaked = soaked
        self._chance = chance

    async def visit(self, ends_at: float) -> None:
        """Go on until the time is up."""
        while time.monotonic() < ends_at:
            number = self._chance.randrange(1, 100_000)
            if self._chance.random() < LEAVING:
                await self._leave(number)
            else:
                await self._ask(number)

    async def _leave(self, number: int) -> None:
        request = f"POST /views/soak?number={number} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
        _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(request.encode())
        await asyncio.sleep(self._chance.random() / 20)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        self._soaked.statuses["left"] += 1

    async def _ask(self, number: int) -> None:
        try:
            async with self._session.post("/views/soak", params={"number": number}) as response:
                is_json = response.content_type.endswith("json")  # an HTTPException of aiohttp is text
                document = json.loads(await response.read()) if is_json else {}
                self._judge(number, response.status, document)
        except (aiohttp.ClientError, ValueError) as error:
            self._soaked.faults.append(f"{number}: no answer: {error!r}")

    def _judge(self, number: int, status: int, document: dict[str, Any]) -> None:
        soaked = self._soaked
        soaked.statuses[str(status)] += 1
        if status != 200:
            if not _is_declared(number, status, document):
                soaked.faults.append(f"{number}: {status}, {document}")
            return
        errors = document["errors"]
        for name, error in errors.items():
            soaked.errors[f"{name}: {error['type']}"] += 1
            if error["type"] not in soak_steps.ERRORS.get(name, ()):
                soaked.faults.append(f"{number}: {name} failed: {error}")
        for name, value in document["data"].items():
            if name in errors:
                continue
            if value != soak_steps.expect(name, number) or soak_steps.must_fail(name, number):
                soaked.faults.append(f"{number}: {name} is {value}")


def _is_declared(number: int, status: int, document: dict[str, Any]) -> bool:
    """Tell whether an error is one that the view may answer with."""
    is_unauthorized = status == 401
    if is_unauthorized or soak_steps.happens("unauthorized", number):
        return is_unauthorized and soak_steps.happens("unauthorized", number)
    return status in ANSWERS and document.get("error") == "shed"


async def _find_leftovers(
    soaked: Soaked,
    registry: StepRegistry,
    plugin: soak_steps.SoakSteps,
    before: set[asyncio.Task[Any]],
    threads: set[threading.Thread],
) -> None:
    """Note what is still there, once bodies that cannot be stopped have had time to end."""
    await asyncio.sleep(2 * soak_steps.THREAD_HANG_S)
    policies: Any = registry.plugin_manager.get_plugin("builtin_policies")
    await registry.close()
    # Worker processes have a task and a thread of AnyIO's and asyncio's own, which end with the loop.
    tasks = [task for task in asyncio.all_tasks() - before if "AnyIO" not in task.get_name()]
    ours = [thread for thread in set(threading.enumerate()) - threads if "aiohttp-steps" in thread.name]
    found = {
        "tasks": tasks,
        "threads": ours,
        "keys": registry.locks.held if isinstance(registry.locks, ProcessLocks) else (),
        "shared runs": range(policies.flights.count),
        "slots": [slots for slots in policies.limiter.slots if slots.taken or slots.waiting],
        "threads left behind": registry.left_behind(),
        "bodies that were torn": plugin.begun - plugin.ended,
    }
    soaked.leftovers += [f"{what}: {left}" for what, left in found.items() if left]
    gc.collect()


def _describe(soaked: Soaked, *, quick: bool) -> Result:
    answered = sum(count for status, count in soaked.statuses.items() if status != "left")
    counts = {
        "requests answered": answered,
        "answers a second": round(answered / soaked.seconds),
        **{
            f"answered {status}": count
            for status, count in sorted(soaked.statuses.items())
            if status != "left"
        },
        "clients that left": soaked.statuses["left"],
        "changes of plugins": soaked.changes,
        **{f"step {what}": count for what, count in sorted(soaked.errors.items())},
        "wrong answers, broken laws": len(soaked.faults),
        "left over": len(soaked.leftovers),
    }
    told = "; ".join([*soaked.faults[:5], *soaked.leftovers])
    growth = None if quick else soaked.growth
    return Result(
        name="soak",
        title=f"{soaked.seconds:g} seconds over HTTP, {CLIENTS} clients at once, one server in the same loop",
        compares=(
            "Each answer is held against what its number must give, or the errors that its steps declare. "
            + (f"Wrong: {told}" if told else "Nothing was wrong, and nothing was left over.")
        ),
        columns=("what", "count"),
        rows=tuple(counts.items()),
        goals=(
            Goal("no answer is wrong and no law broken", 0, len(soaked.faults)),
            Goal("nothing is left over", 0, len(soaked.leftovers)),
            Goal("memory of the last quarter over that of the second", MOST_GROWTH, growth),
        ),
    )
