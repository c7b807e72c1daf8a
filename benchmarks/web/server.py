"""A contender's server, a process of its own: `python -m benchmarks.web.server CONTENDER`.

Prints its port and its event loop as JSON when it is ready. For each line that it reads it prints the seconds
for which processors worked for it; it ends with its input, and so with whoever started it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import socket
import sys
import time
from typing import TYPE_CHECKING

from aiohttp import web

from benchmarks.web.contenders import CONTENDERS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from benchmarks.web.contenders import Contender

MOST_SECONDS = 900.0
"""The server ends by itself after this, whatever becomes of its client."""

BACKLOG = 2048
"""uvicorn's own; aiohttp's 128 would let most of 512 connections wait for a second try."""


async def serve(contender: Contender) -> None:
    """Serve until standard input ends, or the time is up."""
    listener = _listen()
    start = _start_asgi if contender.is_asgi else _start_aiohttp
    async with start(contender, listener):
        loop = type(asyncio.get_running_loop()).__module__.partition(".")[0]
        print(json.dumps({"port": listener.getsockname()[1], "loop": loop}), flush=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(MOST_SECONDS):
                await _answer_lines()


def _listen() -> socket.socket:
    """Return a socket that listens on a free port of the loopback interface.

    It says that it is TCP, which `socket.create_server` leaves to the kernel: asyncio turns Nagle's algorithm
    off only for sockets that say so, and uvicorn relies on it. An answer in two writes would else wait 40 ms.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(BACKLOG)
    return listener


async def _answer_lines() -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.readline():
        print(time.process_time(), flush=True)


@contextlib.asynccontextmanager
async def _start_aiohttp(contender: Contender, listener: socket.socket) -> AsyncIterator[None]:
    runner = web.AppRunner(contender.make_app(), access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.SockSite(runner, listener, backlog=BACKLOG).start()
    try:
        yield
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def _start_asgi(contender: Contender, listener: socket.socket) -> AsyncIterator[None]:
    import uvicorn  # noqa: PLC0415 - not installed everywhere

    config = uvicorn.Config(
        contender.make_app(),
        http="httptools",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not (server.started or serving.done()):  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.web.server")
    parser.add_argument("contender", choices=CONTENDERS)
    contender = CONTENDERS[parser.parse_args().contender]
    factory = None
    if contender.on_uvloop:
        import uvloop  # noqa: PLC0415 - not installed everywhere

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve(contender))


if __name__ == "__main__":
    main()
