"""Requests without sockets: raw bytes into aiohttp's own protocol, its answer out of a transport in memory.

What is left is what a server computes for a request, which holds still where requests a second do not.
`time_interleaved` takes its processor time; `python -m benchmarks.web.inprocess CONTENDER WORK REQUESTS` is what
valgrind counts the instructions of.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from aiohttp import web

from benchmarks.web import by_hand, ours

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable


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
async def open_asker(make_app: Callable[[], web.Application], path: str) -> AsyncIterator[Asker]:
    """Start an application without a port, connect, and end both."""
    runner = web.AppRunner(make_app(), access_log=None)
    await runner.setup()
    if runner.server is None:
        message = "the application's runner has no server after its setup"
        raise RuntimeError(message)
    asker = Asker(runner.server(), path)
    try:
        yield asker
    finally:
        asker.close()
        await runner.cleanup()


APPS: dict[str, tuple[Callable[[], web.Application], str]] = {
    "gather": (lambda: by_hand.make_app(by_hand.gather), "/{work}"),
    "gather bare": (lambda: by_hand.make_app(by_hand.gather_bare), "/{work}"),
    "awaits": (lambda: by_hand.make_app(by_hand.await_each), "/{work}"),
    "inject": (ours.make_app, "/inject/{work}"),
    "unmarked": (ours.make_app, "/unmarked/{work}"),
    "gather guarded": (lambda: by_hand.make_app(by_hand.gather_guarded), "/{work}"),
    "view": (ours.make_app, "/view/{work}"),
    "views": (ours.make_app, "/views/{work}"),
}


async def ask_often(contender: str, work: str, requests: int) -> bytes:
    """Send requests one after another, and return the last answer."""
    make_app, path = APPS[contender]
    async with open_asker(make_app, path.format(work=work)) as asker:
        answer = await asker.ask()
        for _ in range(requests - 1):
            answer = await asker.ask()
        return answer


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("contender")
    parser.add_argument("work")
    parser.add_argument("requests", type=int)
    parser.add_argument("--profile")
    o = parser.parse_args()
    if o.profile:
        import cProfile
        p = cProfile.Profile()
        p.enable()
    r = asyncio.run(ask_often(o.contender, o.work, o.requests))
    if o.profile:
        p.disable()
        p.dump_stats(o.profile)
    print(r.decode())
