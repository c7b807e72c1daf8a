"""What is told of a stall: `Stall`, and `StallCount` for all those of one step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

How = Literal["blocked", "gil"]
"""`"blocked"`: something ran, or waited, in the event loop itself. `"gil"`: a thread held the interpreter."""


@dataclass(frozen=True, slots=True)
class Stall:
    """The event loop did not turn for a while, and it is known why.

    Attributes:
        began_at: in the event loop's time, as `Report.began_at`; at most half a threshold late.
        lasted_s: for how long it is certain that the loop did not turn, in seconds.
        how: by running in the loop, or by holding the GIL from a thread.
        steps: names of the steps that held it; several if they cannot be told apart; none if it was a
            handler or other code.
        where: `"file:line"` of the step, or of the other code; empty if not known.
        plugins: those of `steps`, in the same order.
        inside: the innermost function, `"iterencode at encoder.py:258"`, for `"gil"` right afterwards; empty
            if that is the step itself.
    """

    began_at: float
    lasted_s: float
    how: How
    steps: tuple[str, ...]
    where: str
    plugins: tuple[str, ...] = ()
    inside: str = ""


@dataclass(frozen=True, slots=True)
class StallCount:
    """The stalls of one step.

    Attributes:
        step: its name.
        plugin: name of its plugin.
        blocked: how often it blocked the event loop from within.
        gil: how often it held the GIL from a thread.
        total_s: how long all of that was, in seconds.
        worst_s: the longest one, in seconds.
    """

    step: str
    plugin: str
    blocked: int = 0
    gil: int = 0
    total_s: float = 0.0
    worst_s: float = 0.0

    @property
    def number(self) -> int:
        """How often in all."""
        return self.blocked + self.gil

    def plus(self, stall: Stall) -> StallCount:
        """Return the count with one more stall."""
        return StallCount(
            step=self.step,
            plugin=self.plugin,
            blocked=self.blocked + (stall.how == "blocked"),
            gil=self.gil + (stall.how == "gil"),
            total_s=self.total_s + stall.lasted_s,
            worst_s=max(self.worst_s, stall.lasted_s),
        )
