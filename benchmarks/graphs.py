"""Random graphs of steps that wait, and what is known of them by arithmetic; the same ones each time."""

from __future__ import annotations

import asyncio
import random
import time
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp_steps import step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

VIEW = "graph"
SEED = 20_240_117


@dataclass(frozen=True, slots=True)
class Graph:
    """Steps by number; each takes only earlier ones.

    Attributes:
        seconds: how long each waits.
        takes: which steps each takes.
    """

    seconds: tuple[float, ...]
    takes: tuple[tuple[int, ...], ...]

    def find_longest(self, seconds: Sequence[float] | None = None) -> list[int]:
        """Return the longest path, first step first, by these times or by those that steps are told."""
        seconds = seconds or self.seconds
        lengths: list[float] = []
        for number, takes in enumerate(self.takes):
            lengths.append(seconds[number] + max((lengths[taken] for taken in takes), default=0.0))
        path = [max(range(len(lengths)), key=lengths.__getitem__)]
        while self.takes[path[-1]]:
            path.append(max(self.takes[path[-1]], key=lengths.__getitem__))
        return path[::-1]

    def measure_longest(self, seconds: Sequence[float] | None = None) -> float:
        """Return the length of the longest path in seconds."""
        seconds = seconds or self.seconds
        return sum(seconds[number] for number in self.find_longest(seconds))

    def bound(self, slots: int) -> float:
        """Return what no order can beat: the longest path, or all work over all slots."""
        return max(self.measure_longest(), sum(self.seconds) / slots)


def make_flat(_: random.Random, size: int) -> list[tuple[int, ...]]:
    """Let no step take another."""
    return [()] * size


def make_layered(chance: random.Random, size: int) -> list[tuple[int, ...]]:
    """Put steps into about as many layers as each has steps; each takes one to three of the layer before."""
    width = max(2, round(size**0.5))
    takes: list[tuple[int, ...]] = []
    for number in range(size):
        layer = number // width
        before = range((layer - 1) * width, layer * width) if layer else range(0)
        takes.append(tuple(chance.sample(before, min(len(before), chance.randint(1, 3)))))
    return takes


def make_random(chance: random.Random, size: int) -> list[tuple[int, ...]]:
    """Let each step take none to three of all those before it."""
    return [tuple(chance.sample(range(n), min(n, chance.randint(0, 3)))) for n in range(size)]


SHAPES: dict[str, Callable[[random.Random, int], list[tuple[int, ...]]]] = {
    "flat": make_flat,
    "layered": make_layered,
    "random": make_random,
}


def draw_even(low_s: float, high_s: float) -> Callable[[random.Random], float]:
    """Return what draws times that are all as likely."""
    return lambda chance: chance.uniform(low_s, high_s)


def draw_uneven(low_s: float, high_s: float) -> Callable[[random.Random], float]:
    """Return what draws times of which most are short and few are long, as those of requests are."""
    return lambda chance: low_s * (high_s / low_s) ** (chance.random() ** 3)


def draw_graph(number: int, shape: str, size: int, draw: Callable[[random.Random], float]) -> Graph:
    """Draw the graph of this number: the same one each time."""
    chance = random.Random(f"{SEED} {number} {shape} {size}")
    takes = SHAPES[shape](chance, size)
    return Graph(tuple(draw(chance) for _ in range(size)), tuple(takes))


def make_plugin(graph: Graph, *, in_threads: bool = False) -> types.SimpleNamespace:
    """Make the steps of a graph: `async def` ones that sleep, or `def` ones that hold a thread meanwhile."""
    lines = []
    for number, (seconds, takes) in enumerate(zip(graph.seconds, graph.takes, strict=True)):
        names = "".join(f", s{taken}" for taken in takes)
        head = f"def s{number}({'*' if takes else ''}{names})"
        body = f"sleep({seconds!r})"
        lines.append(f"{head}: {body}" if in_threads else f"async {head}: await {body}")
    namespace: dict[str, Any] = {"sleep": time.sleep if in_threads else asyncio.sleep}
    exec(compile("\n".join(lines), __file__, "exec"), namespace)  # the source is ours
    mark = step(concurrency="parallel", views=[VIEW])
    return types.SimpleNamespace(
        **{f"s{number}": mark(namespace[f"s{number}"]) for number in range(len(lines))}
    )
