"""Which steps are under way outside of the event loop.

A stack does not tell it all: a body that has just returned from a long call is on none any more, though it
held the GIL until this moment. Steps in the event loop are not followed: they would pay for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp_steps.types import Call, Step, StepCall, StepMiddleware

_NO_THREADS = ("loop", "inline", "process")


class UnderWay:
    """The calls of steps that run in threads, of all registries and event loops in this process."""

    def __init__(self) -> None:
        # Replaced and never changed: another event loop's thread may go through it just now.
        self._listeners: tuple[Callable[[], None], ...] = ()
        self._calls: set[Call] = set()

    def __len__(self) -> int:
        return len(self._calls)

    def add_listener(self, listener: Callable[[], None]) -> None:
        """Let something be called before each such call, in its event loop's thread."""
        self._listeners = (*self._listeners, listener)

    def remove_listener(self, listener: Callable[[], None]) -> None:
        """Undo `add_listener`."""
        self._listeners = tuple(each for each in self._listeners if each != listener)

    def make_middleware(self, step: Step) -> StepMiddleware | None:
        """Return what follows the calls of a step; `None` for one that runs in the event loop."""
        if step.runner in _NO_THREADS:
            return None

        def wrap(call_next: StepCall) -> StepCall:
            async def follow(call: Call) -> Any:
                for listener in self._listeners:
                    listener()
                self._calls.add(call)
                try:
                    return await call_next(call)
                finally:
                    self._calls.discard(call)

            return follow

        return wrap

    def find_begun(self, now: float) -> dict[Step, float]:
        """Return the steps whose bodies have begun, and how long ago, in seconds.

        Args:
            now: in the event loop's time.
        """
        begun: dict[Step, float] = {}
        for call in [*self._calls]:
            if call.started_at is not None:
                begun[call.step] = max(begun.get(call.step, 0.0), now - call.started_at)
        return begun

    def find_untold(self) -> tuple[Step, ...]:
        """Return the steps whose bodies may have begun: the loop hears of it only when it turns."""
        untold = [call for call in [*self._calls] if call.started_at is None and call.on_start is not None]
        return tuple(dict.fromkeys(call.step for call in untold))


UNDER_WAY = UnderWay()
"""One for the process: a step middleware is not told which registry asks."""
