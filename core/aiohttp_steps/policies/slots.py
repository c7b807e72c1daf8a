"""`Slots`: so many calls at once, so many waiting, and who of those is next."""

from __future__ import annotations

import asyncio
import itertools
from bisect import insort
from typing import TYPE_CHECKING

from aiohttp_steps.errors import StepShedError
from aiohttp_steps.types.running import FIRST_COME

if TYPE_CHECKING:
    from aiohttp_steps.policies.ordering import Order
    from aiohttp_steps.types import Call, Rank


class Slots:
    """So many at once; those that wait are served in order.

    Args:
        name: what it limits, for messages.
        size: most at once.
        waiting: most that wait.
        order: says who is next; `None`: first come, first served.
    """

    def __init__(self, name: str, size: int, waiting: int, order: Order | None = None) -> None:
        self._name = name
        self._free = size
        self._most_waiting = waiting
        self._order = order
        self._queue: list[_Waiter] = []  # the next one stands last, where taking it out moves nobody
        self._number = itertools.count()
        self.size = size

    @property
    def taken(self) -> int:
        """How many are under way."""
        return self.size - self._free

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._queue)

    async def acquire(self, call: Call) -> None:
        """Wait for a slot; `release` has to follow. No context manager, which takes more than all the rest.

        Raises:
            StepShedError: too many wait already, or a required step needed the place of this optional one.
        """
        # A slot that is free although somebody waits is about to be handed over.
        if self._free and not self._queue:
            self._free -= 1
            return
        if len(self._queue) >= self._most_waiting and not (call.required and self._shed_optional()):
            raise StepShedError(self._name)
        rank = FIRST_COME if self._order is None else self._order.rank(call)
        waiter = _Waiter(rank, next(self._number), call)
        insort(self._queue, waiter)
        try:
            await waiter.turn
        except asyncio.CancelledError:
            # Handed over and cancelled at once: it goes on to the next.
            if waiter.has_slot:
                self.release(call)
            elif waiter in self._queue:
                self._queue.remove(waiter)
            raise

    def _shed_optional(self) -> bool:
        """Make room: the optional step that would be served last goes."""
        for waiter in self._queue:
            if not waiter.is_required and not waiter.turn.done():
                self._queue.remove(waiter)
                waiter.turn.set_exception(StepShedError(self._name))
                return True
        return False

    def release(self, call: Call) -> None:
        """Give a slot back, to who is next."""
        self._free += 1
        if not self._queue:
            return
        if self._order is not None and self._order.is_led_on(call, self._queue[-1].rank):
            # What comes next in this run is more urgent than what waits of it. It asks for the slot as soon
            # as the engine knows: in this turn, or in a task that begins in the next. Of another run it
            # would not matter: no slot is kept from somebody for what does not wait yet.
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._hand_over)
        else:
            self._hand_over()

    def _hand_over(self) -> None:
        while self._free and self._queue:
            turn = self._queue.pop().turn
            if not turn.done():
                self._free -= 1
                turn.set_result(None)


class _Waiter:
    """A call that waits for a slot."""

    __slots__ = ("is_required", "number", "rank", "turn")

    def __init__(self, rank: Rank, number: int, call: Call) -> None:
        self.rank = rank
        self.number = number
        self.is_required = call.required
        self.turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def __lt__(self, other: _Waiter) -> bool:
        """Tell whether it is served after another one."""
        return (self.rank, self.number) > (other.rank, other.number)

    @property
    def has_slot(self) -> bool:
        """Whether it was handed a slot, however it was woken."""
        turn = self.turn
        return turn.done() and not turn.cancelled() and turn.exception() is None
