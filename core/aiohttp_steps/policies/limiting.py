"""Policy `limit`, and the limits of runners and registry: so many at once, so many waiting, no more."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp_steps.errors import StepShedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from aiohttp_steps.types import Call, Step, StepCall, StepMiddleware


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a registry takes on at once.

    Attributes:
        steps: most steps under way in all, `None` for no limit.
        runners: most steps under way by name of runner: `{"thread": 8}`.
        waiting: most that wait for one limit; beyond it optional steps are shed first, and required ones only
            if no optional one is left to make room.
    """

    steps: int | None = None
    runners: Mapping[str, int] = field(default_factory=dict)
    waiting: int = 100


class Slots:
    """So many at once; those that wait are served in order.

    Args:
        name: what it limits, for messages.
        size: most at once.
        waiting: most that wait.
    """

    def __init__(self, name: str, size: int, waiting: int) -> None:
        self._name = name
        self._free = size
        self._most_waiting = waiting
        self._queue: deque[tuple[asyncio.Future[None], bool]] = deque()
        self.size = size

    @property
    def taken(self) -> int:
        """How many are under way."""
        return self.size - self._free

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._queue)

    @asynccontextmanager
    async def hold(self, *, required: bool) -> AsyncIterator[None]:
        """Wait for a slot and hold it until left.

        Raises:
            StepShedError: too many wait already, or a required step needed the place of this optional one.
        """
        await self._acquire(required=required)
        try:
            yield
        finally:
            self._release()

    async def _acquire(self, *, required: bool) -> None:
        if self._free:
            self._free -= 1
            return
        if len(self._queue) >= self._most_waiting and not (required and self._shed_optional()):
            raise StepShedError(self._name)
        turn = asyncio.get_running_loop().create_future()
        entry = turn, required
        self._queue.append(entry)
        try:
            await turn
        except asyncio.CancelledError:
            # Handed over and cancelled at once: it goes on to the next.
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._release()
            elif entry in self._queue:
                self._queue.remove(entry)
            raise

    def _shed_optional(self) -> bool:
        """Make room: the optional step that came last goes."""
        for entry in reversed(self._queue):
            turn, required = entry
            if not required and not turn.done():
                self._queue.remove(entry)
                turn.set_exception(StepShedError(self._name))
                return True
        return False

    def _release(self) -> None:
        while self._queue:
            turn, _ = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class Limiter:
    """The limits of a registry and of the steps in it; they outlive changes of plugins."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._slots: dict[str, Slots] = {}

    def limit_number(self, step: Step) -> StepMiddleware | None:
        """Return what keeps `step` within all limits that apply to it, `None` if none does.

        Slots are taken in a fixed order, the step's own first, so that a step that waits for its own limit
        takes no place of the others, and none waits for one that waits for it.
        """
        wanted = [
            (f"step {step.name!r}", step.options.limit),
            (f"runner {step.runner!r}", self._limits.runners.get(step.runner)),
            ("all steps", self._limits.steps),
        ]
        slots = [self._find(name, size) for name, size in wanted if size is not None]
        if not slots:
            return None

        def wrap(call_next: StepCall) -> StepCall:
            async def call_with_slots(call: Call) -> Any:
                async with AsyncExitStack() as held:
                    for each in slots:
                        await held.enter_async_context(each.hold(required=call.required))
                    return await call_next(call)

            return call_with_slots

        return wrap

    @property
    def slots(self) -> Sequence[Slots]:
        """All limits that are in use."""
        return tuple(self._slots.values())

    def _find(self, name: str, size: int) -> Slots:
        slots = self._slots.get(name)
        if slots is None or slots.size != size:
            slots = self._slots[name] = Slots(name, size, self._limits.waiting)
        return slots
