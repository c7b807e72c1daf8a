"""What the inspector costs an application under load: share of throughput lost, and processor time.

One process serves the same small views three times from one event loop: without an inspector, with one, and
with one whose page is open. A client in this process asks each in turn, in short slices, so that what slows
the machine down slows all of them. Started as a server by itself: `python -m benchmarks.inspector`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import socket
import subprocess
import sys
import time
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp_steps import StepRegistry, json_response, setup, step, view
from aiohttp_steps.web import REPORT

from benchmarks.measure import divide, summarize
from benchmarks.report import Goal, Result

ROOT = Path(__file__).resolve().parents[1]
MOST_LOST = 0.05
CONNECTIONS = 32
STEPS = 5
WAIT_S = 0.001
VIEWS = ("waits", "nothing")
CONTENDERS = ("off", "on", "page open")
MOST_SECONDS = 170.0
"""The server ends by itself after this, whatever becomes of its client."""

WARM_UPS = 3


def run(*, quick: bool) -> list[Result]:
    """Ask the servers in turn, and say what the inspector takes away."""
    try:
        import aiohttp_steps_inspector  # noqa: F401, PLC0415 - whether it is there is the question
    except ImportError:
        return [Result("inspector", "not run", "aiohttp-steps-inspector is not installed.")]
    rounds, requests = (4, 192) if quick else (30, 640)
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.inspector"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        samples = asyncio.run(_measure(server, rounds, requests))
        return [_describe(name, samples[name], quick=quick) for name in VIEWS]
    finally:
        if server.stdin is not None:
            server.stdin.close()
        server.wait(10)


@dataclass(slots=True)
class Samples:
    """Of each slice: requests a second, and the server's processor microseconds per request."""

    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)


async def _measure(
    server: subprocess.Popen[bytes], rounds: int, requests: int
) -> dict[str, dict[str, Samples]]:
    """Return the samples of each view and contender."""
    if server.stdout is None:
        message = "the server has no output to read its ports from"
        raise RuntimeError(message)
    ports: dict[str, int] = json.loads(await asyncio.to_thread(server.stdout.readline))
    samples = {view: {name: Samples() for name in CONTENDERS} for view in VIEWS}
    clients = {name: await _open_clients(port) for name, port in ports.items()}
    reader, writer = await asyncio.open_connection("127.0.0.1", ports["page open"])
    writer.write(b"GET /_steps/api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    reading = asyncio.create_task(_read_all(reader))
    order = [(view, name) for view in VIEWS for name in CONTENDERS]
    for number in range(-WARM_UPS, rounds):
        for view_name, name in order:
            found = await _take_slice(clients[name], view_name, requests)
            if number >= 0:
                samples[view_name][name].rates.append(found[0])
                samples[view_name][name].costs.append(found[1])
        order.append(order.pop(0))
    reading.cancel()
    writer.close()
    for _, out in (pair for pairs in clients.values() for pair in pairs):
        out.close()
    return samples


Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _open_clients(port: int) -> list[Client]:
    return [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS)]


async def _read_all(reader: asyncio.StreamReader) -> None:
    while await reader.read(65_536):
        pass


async def _take_slice(clients: list[Client], view_name: str, requests: int) -> tuple[float, float]:
    """Return requests a second, and the server's processor microseconds per request."""
    before = await _ask_cpu(clients[0])
    began_at = time.perf_counter()
    await _ask(clients, f"/{view_name}".encode(), requests)
    took_s = time.perf_counter() - began_at
    after = await _ask_cpu(clients[0])
    return requests / took_s, (after - before) / requests * 1e6


async def _ask(clients: list[Client], path: bytes, requests: int) -> None:
    """Send requests over all connections, one at a time on each, until their number is up."""

    async def work(client: Client, share: int) -> None:
        for _ in range(share):
            await _get(client, path)

    await asyncio.gather(*(work(client, requests // len(clients)) for client in clients))


async def _get(client: Client, path: bytes) -> bytes:
    """Ask as a client does that costs next to nothing itself."""
    reader, writer = client
    writer.write(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode())
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    return await reader.readexactly(length)


async def _ask_cpu(client: Client) -> float:
    return float(await _get(client, b"/cpu"))


def _describe(view_name: str, samples: dict[str, Samples], *, quick: bool) -> Result:
    off = samples["off"]
    rows = []
    for name, found in samples.items():
        kept = divide(found.rates, off.rates)
        rows.append(
            (
                name,
                summarize(found.rates).median,
                1 - kept.median,
                summarize(found.costs).median,
                summarize([cost - base for cost, base in zip(found.costs, off.costs, strict=True)]).median,
            )
        )
    lost = 1 - divide(samples["on"].rates, off.rates).median
    goals = ()
    if view_name == "waits":
        text = f"share of throughput lost with the inspector on: at most {MOST_LOST:.2f}"
        goals = (Goal(text, MOST_LOST, None if quick else lost),)
    what = f"wait {WAIT_S * 1000:g} ms" if view_name == "waits" else "do nothing"
    return Result(
        name="inspector",
        title=f"{STEPS} parallel steps that {what}, over HTTP, as many requests a second as it takes",
        compares=(
            f"One server process without an inspector, with one, and with one whose page is open; "
            f"{CONNECTIONS} connections, in slices that alternate. Lost: of the requests a second, against "
            "'off' in the same round. Processor: of the server's process."
        ),
        columns=("inspector", "requests/s", "share lost", "cpu us/request", "added us"),
        rows=tuple(rows),
        goals=goals,
    )


def _make_steps(number: int) -> dict[str, Any]:
    @step(concurrency="parallel", views=["nothing"], name=f"nothing_{number}")
    async def do_nothing() -> int:
        return number

    @step(concurrency="parallel", views=["waits"], name=f"waits_{number}")
    async def wait() -> int:
        await asyncio.sleep(WAIT_S)
        return number

    return {f"nothing_{number}": do_nothing, f"waits_{number}": wait}


async def _answer(request: web.Request) -> web.Response:
    return json_response(request[REPORT])


async def _answer_cpu(_request: web.Request) -> web.Response:
    return web.Response(text=str(time.process_time()))


async def _start(*, is_inspected: bool) -> tuple[web.AppRunner, int]:
    from aiohttp_steps_inspector import Inspector  # noqa: PLC0415 - only where it is installed

    registry = StepRegistry()
    for number in range(STEPS):
        registry.register(types.SimpleNamespace(**_make_steps(number)), f"steps_{number}")
    if is_inspected:
        registry.register(Inspector())
    app = web.Application()
    setup(app, registry)
    for name in VIEWS:
        app.router.add_get(f"/{name}", view(name)(_answer))
    app.router.add_get("/cpu", _answer_cpu)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listener).start()
    return runner, listener.getsockname()[1]


async def serve() -> None:
    """Serve until standard input ends, or the time is up."""
    started = {name: await _start(is_inspected=name != "off") for name in CONTENDERS}
    gc.collect()
    gc.freeze()
    print(json.dumps({name: port for name, (_, port) in started.items()}), flush=True)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(MOST_SECONDS):
            await asyncio.to_thread(sys.stdin.read)
    for runner, _ in started.values():
        await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve())
