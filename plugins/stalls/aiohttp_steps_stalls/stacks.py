"""Where threads are, and which steps that is: stacks, and the steps that code belongs to.

No step pays for being recognised: the code of its function is looked for in stacks, when the loop is held.
"""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType, FrameType

    from aiohttp_steps.types import Step

_DEEPEST = 200
_MACHINERY = ("selectors", "asyncio", "uvloop")


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """One frame of a stack.

    Attributes:
        code: what runs in it.
        line: where it stands.
        module: name of the module.
        frame: the frame, where it has to be told from a later one of the same code.
    """

    code: CodeType
    line: int
    module: str
    frame: FrameType | None = None

    @property
    def location(self) -> str:
        """`"file:line"`."""
        return f"{self.code.co_filename}:{self.line}"

    @property
    def described(self) -> str:
        """`"function at file:line"`, with the file's name alone."""
        return f"{self.code.co_qualname} at {PurePath(self.code.co_filename).name}:{self.line}"

    @property
    def is_machinery(self) -> bool:
        """Whether it is the event loop's own code."""
        return self.module.partition(".")[0] in _MACHINERY


Stack = tuple[Place, ...]
"""The frames of a thread, innermost first."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a thread stands.

    Attributes:
        steps: whose code that is; several if they share it; none if it is no step's.
        place: the step's frame, or else the innermost one.
        inside: the innermost function, empty if that is the place itself.
    """

    steps: tuple[Step, ...]
    place: Place
    inside: str = ""


def read_stack(frame: FrameType | None, *, keep: bool = False) -> Stack:
    """Return the stack that ends in a frame.

    Args:
        keep: hold on to the frames, and so to what they hold: for a moment, where it has to be known
            whether it is still the same one. Let go of them in the thread that they are of.
    """
    places: list[Place] = []
    while frame is not None and len(places) < _DEEPEST:
        module = str(frame.f_globals.get("__name__", ""))
        # f_lineno may be None, in code that has no source
        places.append(Place(frame.f_code, frame.f_lineno or 0, module, frame if keep else None))
        frame = frame.f_back
    return tuple(places)


class StepCodes:
    """Finds the steps that a stack is in."""

    def __init__(self, steps: Iterable[Step]) -> None:
        self._steps: dict[CodeType, tuple[Step, ...]] = {}
        ordered = tuple(steps)
        self._known = frozenset(ordered)
        for step in ordered:
            code = _code_of(step.function)
            if code is not None:
                self._steps[code] = (*self._steps.get(code, ()), step)

    def __contains__(self, step: object) -> bool:
        """Tell whether a step is one of these, and not another registry's."""
        return step in self._known

    def locate(self, stack: Stack) -> Spot | None:
        """Return the innermost step on a stack, or else the innermost code that is not the event loop's."""
        for depth, place in enumerate(stack):
            steps = self._steps.get(place.code)
            if steps is not None:
                return Spot(steps, place, stack[0].described if depth else "")
        # What stands in the event loop's own code was called from, or is about to return to, other code.
        outside = [place for place in stack if not place.is_machinery]
        return Spot((), outside[0]) if outside else None


def _code_of(function: Any) -> CodeType | None:
    """Return the code of a step's function: not that of decorators, which many steps may share."""
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(function)
    function = getattr(function, "__func__", function)
    if not hasattr(function, "__code__"):  # an object that can be called
        function = getattr(function, "__call__", None)  # noqa: B004 - to be looked into, not to be called
        function = getattr(function, "__func__", None)
    code: CodeType | None = getattr(function, "__code__", None)
    return code
