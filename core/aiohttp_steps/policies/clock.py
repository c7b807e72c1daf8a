"""How much time a run and each of its steps have left."""

from __future__ import annotations

from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context, Token


class Deadline:
    """A moment by which the code under it has to be done; a context manager around that code.

    Those that are nested hand the nearest one down. It travels in a context variable, and so into threads.

    Args:
        clock: the event loop's time, in seconds; safe to call in any thread.
        at: the moment; `None` while it is not known, as before a step has started.
    """

    __slots__ = ("_clock", "_outer", "_token", "at")

    def __init__(self, clock: Callable[[], float], at: float | None = None) -> None:
        self._clock = clock
        self._outer: Deadline | None = None
        self._token: Token[Deadline | None] | None = None
        self.at = at

    @property
    def left_s(self) -> float | None:
        """Seconds left, not below 0; `None` without a limit."""
        outer = self._outer.left_s if self._outer is not None else None
        if self.at is None:
            return outer
        own = max(0.0, self.at - self._clock())
        return own if outer is None else min(own, outer)

    def __enter__(self) -> None:
        self._outer = _CURRENT.get()
        self._token = _CURRENT.set(self)

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            _CURRENT.reset(self._token)


_CURRENT: ContextVar[Deadline | None] = ContextVar("aiohttp_steps_deadline", default=None)


def copy_without_deadline() -> Context:
    """Return a copy of the context in which no deadline applies: for work that serves several."""
    context = copy_context()
    context.run(_CURRENT.set, None)
    return context


def time_left() -> float | None:
    """Return how many seconds the step that calls this has left: of its `timeout` or of its view's deadline.

    `None`: there is no limit. Also in threads; not in other processes.
    """
    deadline = _CURRENT.get()
    return None if deadline is None else deadline.left_s
