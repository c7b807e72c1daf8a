"""Live news by server-sent events: what happened since the last message, never a queue.

A client that reads slowly gets fewer messages, each with the state of the moment: what is under way to it is
one message at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import TYPE_CHECKING, Protocol

import msgspec
from aiohttp_sse import EventSourceResponse

from aiohttp_steps_inspector.documents import describe_run, describe_steps
from aiohttp_steps_inspector.tally import MOST_READ, MOST_UNREAD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web
    from aiohttp_steps import StepRegistry

    from aiohttp_steps_inspector.history import History, Record
    from aiohttp_steps_inspector.tally import Tally

MOST_STREAMS = 16
"""Pages that are told news at a time."""

MOST_RUNS = 30
"""Runs in one message; of more, the last ones."""

REST_S = 0.4
"""Between two messages to one page, in seconds."""

SEND_TIMEOUT_S = 30.0
"""How long a client may take to read a message, in seconds, before its connection is cut."""

PING_S = 5.0
"""How often a silent client is asked whether it is there, in seconds: one that has left is noticed then."""


class Source(Protocol):
    """What is told: both are up to date when they are asked for."""

    @property
    def history(self) -> History:
        """The last runs."""

    @property
    def tally(self) -> Tally:
        """The counts of all runs."""


class Streams:
    """The pages that are open; tells each of them what is new.

    Args:
        source: whose runs and counts are told.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._open: set[_Stream] = set()
        self._life = secrets.token_hex(4)

    @property
    def is_any(self) -> bool:
        """Whether a page is open."""
        return bool(self._open)

    @property
    def is_full(self) -> bool:
        """Whether there is no room for a further one."""
        return len(self._open) >= MOST_STREAMS

    def tell(self) -> None:
        """Say that there are news; cheap, and nothing if no page is open."""
        for stream in self._open:
            stream.news.set()

    async def serve(
        self, request: web.Request, registry: StepRegistry, headers: Mapping[str, str]
    ) -> web.StreamResponse:
        """Tell news until the client leaves or `close` is called."""
        response = EventSourceResponse(send_timeout=SEND_TIMEOUT_S, ping_interval=PING_S)
        response.headers.update(headers)
        stream = _Stream(request, response, self._read_last(response, request))
        await response.prepare(request)
        self._open.add(stream)
        try:
            async with response:
                while response.is_connected() and not stream.closing.is_set():
                    await self._send_news(stream, registry)
                    await stream.rest()
        except (ConnectionResetError, TimeoutError):
            pass  # the client has left, or has read nothing for long
        finally:
            self._open.discard(stream)
        return response

    def close(self) -> None:
        """End all streams; one whose client does not read is cut."""
        for stream in self._open:
            stream.close()

    def _read_last(self, response: EventSourceResponse, request: web.Request) -> int:
        """Return the number of the last run that a client got from this process before it lost connection."""
        life, _, text = request.headers.get(response.DEFAULT_LAST_EVENT_HEADER, "").partition("-")
        return int(text) if life == self._life and text.isdecimal() and text.isascii() else 0

    async def _send_news(self, stream: _Stream, registry: StepRegistry) -> None:
        # Who has just come is told of all that is there; who stays, of a sample.
        tally = self._source.tally
        await tally.settle(MOST_READ if stream.is_told else MOST_UNREAD)
        stream.is_told = True
        history = self._source.history
        records = history.since(stream.last, MOST_RUNS)
        stream.last = history.total
        document = {
            "life": self._life,
            "total": history.total,
            "runs": [msgspec.Raw(_summarize(record)) for record in records],
            "steps": describe_steps(registry, tally),
            "unnamed_stalls": tally.unnamed_stalls,
        }
        await stream.send(msgspec.json.encode(document).decode(), f"{self._life}-{stream.last}")


class _Stream:
    """One open page.

    Attributes:
        news: set when something has happened since the last message.
        closing: set when the application stops.
        last: number of the last run that was told.
        is_told: whether it has got a message.
    """

    def __init__(self, request: web.Request, response: EventSourceResponse, last: int) -> None:
        self.news = asyncio.Event()
        self.closing = asyncio.Event()
        self.last = last
        self.is_told = False
        self._request = request
        self._response = response
        self._is_sending = False

    async def send(self, text: str, number: str) -> None:
        self.news.clear()
        self._is_sending = True
        try:
            await self._response.send(text, id=number)
        finally:
            self._is_sending = False

    async def rest(self) -> None:
        """Wait until some news may have gathered, then for news, for the client to leave, or for the end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REST_S):
                await self.closing.wait()
        while not self.news.is_set() and self._response.is_connected():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PING_S):
                    await self.news.wait()

    def close(self) -> None:
        self.closing.set()
        self.news.set()
        # Nobody knows when a client reads again that does not read now.
        if self._is_sending and self._request.transport is not None:
            self._request.transport.abort()


def _summarize(record: Record) -> bytes:
    if record.summary is None:
        record.summary = msgspec.json.encode(describe_run(record))
    return record.summary
