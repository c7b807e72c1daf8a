"""A connection without sockets: bytes into aiohttp's own protocol, answers out of a transport in memory."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from benchmarks.web.contenders import Contender


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
