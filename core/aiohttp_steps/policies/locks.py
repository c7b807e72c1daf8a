"""`ProcessLocks`: exclusive keys within one process."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class ProcessLocks:
    """Fair locks by key, for all event loops and threads of this process.

    A key that nobody holds or waits for takes no memory. Whoever lets go hands the key to the one that has
    waited longest, rather than freeing it for whoever comes first.
    """

    def __init__(self) -> None:
        # Event loops of several threads may meet here; nothing is awaited while this is held.
        self._guard = threading.Lock()
        self._waiting: dict[str, deque[_Turn]] = {}

    @property
    def held(self) -> tuple[str, ...]:
        """Keys that are held at the moment."""
        with self._guard:
            return tuple(self._waiting)

    @contextlib.asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        """Wait for `key`, and hold it until left."""
        await self._acquire(key)
        try:
            yield
        finally:
            self._release(key)

    async def _acquire(self, key: str) -> None:
        with self._guard:
            waiting = self._waiting.get(key)
            if waiting is None:
                self._waiting[key] = deque()
                return
            turn = _Turn(asyncio.get_running_loop())
            waiting.append(turn)
        try:
            await turn.has_come
        except BaseException:
            # Cancelled. If the key was handed over meanwhile, it has to go on to the next.
            with self._guard:
                if not turn.is_given:
                    self._waiting[key].remove(turn)
                    raise
            self._release(key)
            raise

    def _release(self, key: str) -> None:
        with self._guard:
            waiting = self._waiting[key]
            while waiting:
                if waiting.popleft().give():
                    return
            del self._waiting[key]


class _Turn:
    """One wait for a key."""

    __slots__ = ("_loop", "has_come", "is_given")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.has_come: asyncio.Future[None] = loop.create_future()
        self.is_given = False

    def give(self) -> bool:
        """Hand over the key; answers whether there still is a loop to take it."""
        try:
            self._loop.call_soon_threadsafe(self._wake)
        except RuntimeError:  # the loop is closed, and all that waited in it is gone
            return False
        self.is_given = True
        return True

    def _wake(self) -> None:
        if not self.has_come.done():
            self.has_come.set_result(None)
