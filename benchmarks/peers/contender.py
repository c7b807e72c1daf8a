"""What a peer's module gives: a way to run a graph, and to read what came out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@dataclass(frozen=True, slots=True)
class Contender:
    """A graph, set up as its framework tells.

    Attributes:
        run: runs it once; this alone is timed.
        read: returns, of what `run` gave, the values of the graph's ends by name.
    """

    run: Callable[[], Awaitable[Any]]
    read: Callable[[Any], dict[str, int]]
