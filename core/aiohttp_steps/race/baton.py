"""Lets the bodies of thread steps run one line at a time, by a seed."""

from __future__ import annotations

import sys
import threading
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

PATIENCE_S = 0.1
"""How long the others wait for a thread that shows no sign of life: it may wait for a lock or a file, or
be late because the machine is busy; the latter must not change the order."""

MOST_LINES = 5_000
"""Lines of one body that are watched; what comes after them runs as it is."""

LINES = (1, 1, 2, 3, 5, 8, 13, 34)
"""Lines that a body may run before it hands over; one of them is drawn each time."""


class Baton:
    """Of several threads the holder runs; after a drawn number of lines it hands over to a drawn one.

    So the interleaving of threads follows from the seed, as long as none of them waits for something else.
    A holder that does loses the baton after `PATIENCE_S`, and then runs beside the next one to its next line.

    Lines are Python's, seen by a trace function: those of libraries count too, those of C do not.
    """

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._changed = threading.Condition()
        self._expected: set[str] = set()
        self._members: dict[str, _Member] = {}
        self._holder: str | None = None
        self._beat = 0

    def expect(self, name: str) -> None:
        """Let those who come earlier wait for this one; called before its body is given to a thread."""
        with self._changed:
            self._expected.add(name)

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return what calls `function`, in the thread of the caller, when it holds the baton."""

        def call_in_turn(*positional: Any, **arguments: Any) -> Any:
            member = _Member(name, Random(f"{self._seed}:{name}:lines"))  # noqa: S311 - no secret

            def trace(_frame: FrameType, event: str, _argument: Any) -> Any:
                return trace if self._count(member, event) else None

            self._enter(member)
            before = sys.gettrace()
            sys.settrace(trace)
            try:
                return function(*positional, **arguments)
            finally:
                sys.settrace(before)
                self._leave(member)

        return call_in_turn

    def _enter(self, member: _Member) -> None:
        with self._changed:
            self._expected.discard(member.name)
            self._members[member.name] = member
            self._changed.notify_all()
            while self._expected:
                if not self._changed.wait(PATIENCE_S):
                    self._expected.clear()  # it was cancelled, or found no free thread
            if self._holder is None:
                self._holder = min(self._members)
                self._changed.notify_all()
            self._wait_for_turn(member)

    def _leave(self, member: _Member) -> None:
        with self._changed:
            del self._members[member.name]
            if self._holder == member.name:
                self._holder = self._draw(member)
                self._changed.notify_all()

    def _count(self, member: _Member, event: str) -> bool:
        """Count a line, and answer whether the next ones are to be counted."""
        if event == "line":
            self._beat += 1
            member.lines += 1
            if member.lines >= member.until:
                self._hand_over(member)
            if member.lines >= MOST_LINES:
                sys.settrace(None)
        return member.lines < MOST_LINES

    def _hand_over(self, member: _Member) -> None:
        """Let another one run, and wait until this one may go on."""
        member.until = member.lines + member.random.choice(LINES)
        with self._changed:
            if self._holder == member.name:
                self._holder = self._draw(member)
                self._changed.notify_all()
            self._wait_for_turn(member)

    def _draw(self, member: _Member) -> str | None:
        others = sorted(self._members.keys() - {member.name})
        if not others:
            return member.name if member.name in self._members else None
        return member.random.choice(others)

    def _wait_for_turn(self, member: _Member) -> None:
        """Wait until `member` holds the baton, or takes it from a holder that shows no sign of life."""
        seen = self._beat
        while self._holder != member.name:
            if not self._changed.wait(PATIENCE_S):
                if self._beat == seen:
                    self._holder = member.name
                seen = self._beat


class _Member:
    """One body under way.

    Attributes:
        lines: how many it has run.
        until: how many it may have run before it hands over.
    """

    __slots__ = ("lines", "name", "random", "until")

    def __init__(self, name: str, random: Random) -> None:
        self.name = name
        self.random = random
        self.lines = 0
        self.until = random.choice(LINES)
