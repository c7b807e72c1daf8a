"""Many connections at once, a request each, by the least that speaks HTTP: the client must not count."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.scale_server import raise_file_limit

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
AT_ONCE = 200
"""Connections that are being opened at a time."""

PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a crowd.

    Attributes:
        opened_s: until the last request was sent.
        answered_s: from then until the last answer was there.
        wrong: answers that were not status 200.
        resident_bytes: by how much the server's memory grew until all requests waited.
        processor_s: what the server's process worked.
    """

    opened_s: float
    answered_s: float
    wrong: int
    resident_bytes: int
    processor_s: float


def ask(size: int, way: str) -> Answered:
    """Ask a server of its own as many times at once, and return what came of it."""
    raise_file_limit(size + 200)
    with _start_server(size, way) as process:
        assert process.stdin is not None and process.stdout is not None  # noqa: PT018 - for the type checker
        port = int(process.stdout.readline())
        opened_s, answered_s, wrong = asyncio.run(_ask_all(port, size))
        process.stdin.close()
        told = json.loads(process.stdout.readline())
    return Answered(opened_s, answered_s, wrong, told["bytes"], told["processor_s"])


@contextlib.contextmanager
def _start_server(size: int, way: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "benchmarks.scale_server", str(size), way]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
            process.wait(PATIENCE_S)
        finally:
            process.kill()


class _Client(asyncio.Protocol):
    """One connection: sends the request, keeps the first line of the answer."""

    def __init__(self, ended: asyncio.Future[bytes]) -> None:
        self._ended = ended
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        self._received += data

    def connection_lost(self, _: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_result(self._received)


async def _ask_all(port: int, size: int) -> tuple[float, float, int]:
    loop = asyncio.get_running_loop()
    ends: list[asyncio.Future[bytes]] = [loop.create_future() for _ in range(size)]
    slots = asyncio.Semaphore(AT_ONCE)

    async def connect(ended: asyncio.Future[bytes]) -> None:
        async with slots:
            await loop.create_connection(lambda: _Client(ended), "127.0.0.1", port)

    began_at = time.perf_counter()
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*map(connect, ends))
        opened_at = time.perf_counter()
        answers = await asyncio.gather(*ends)
    wrong = sum(not answer.startswith(b"HTTP/1.1 200") for answer in answers)
    return opened_at - began_at, time.perf_counter() - opened_at, wrong
