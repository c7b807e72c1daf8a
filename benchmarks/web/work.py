"""The work that all contenders do: steps that do nothing or wait, and which contenders there are.

Owns no server: `by_hand`, `ours` and `asgi` make the applications out of this.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    StepFunction = Callable[[], Coroutine[object, object, int]]

WAIT_S = 0.005
"""What a waiting step waits, in seconds: about what a small upstream call takes."""


@dataclass(frozen=True, slots=True)
class Work:
    """What one route does.

    Attributes:
        name: of its view; also its path, but for `/views/{name}`.
        size: number of steps.
        waits: whether each waits, or does nothing.
    """

    name: str
    size: int
    waits: bool = False


WORKS = (
    Work("none", 0),
    Work("three", 3),
    Work("ten", 10),
    Work("ten_waiting", 10, waits=True),
)


def name_steps(work: Work) -> list[str]:
    """Return the names of the steps of a work: others than of any other, as a registry demands."""
    return [f"{work.name}_{number}" for number in range(work.size)]


def make_functions(work: Work) -> dict[str, StepFunction]:
    """Return the steps of a work by name; each gives its number."""
    make = _make_waiting if work.waits else _make_idle
    return {name: make(name, number) for number, name in enumerate(name_steps(work))}


def _make_idle(name: str, number: int) -> StepFunction:
    async def step() -> int:
        return number

    step.__name__ = step.__qualname__ = name
    return step


def _make_waiting(name: str, number: int) -> StepFunction:
    async def step() -> int:
        await asyncio.sleep(WAIT_S)
        return number

    step.__name__ = step.__qualname__ = name
    return step
