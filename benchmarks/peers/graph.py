"""The work that all contenders do: steps that return numbers, in one of four shapes.

Owns what the work is and what comes out of it; how it is run is each contender's own.
"""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

Body = Literal["async", "inline", "thread"]
Fault = Literal["none", "fails", "times out"]

FAR_S = 5.0
"""The time limit of steps that keep it, in seconds."""

NEAR_S = 0.000_001
"""The time limit of the step that does not keep it: over at the loop's next turn."""

HELD_S = 0.002
"""How long the step that times out holds its thread, in seconds: it cannot be stopped."""


class BrokenStepError(Exception):
    """What the step that fails raises."""


@dataclass(frozen=True)
class Graph:
    """Steps by number, each with the numbers of those that it takes.

    Attributes:
        shape: flat, chain, diamond or layered.
        takes: for each step the earlier ones whose values it adds up.
    """

    shape: str
    takes: tuple[tuple[int, ...], ...]

    @property
    def size(self) -> int:
        """How many steps there are."""
        return len(self.takes)

    @property
    def names(self) -> list[str]:
        """The steps' names, in order."""
        return [f"s{number}" for number in range(self.size)]

    @cached_property
    def ends(self) -> list[str]:
        """Names of the steps that no other takes: what somebody who asks for results has to ask for."""
        taken = {source for sources in self.takes for source in sources}
        return [name for number, name in enumerate(self.names) if number not in taken]

    @cached_property
    def levels(self) -> list[list[int]]:
        """Steps by the length of the longest way to them: what one would gather, written by hand."""
        depths: list[int] = []
        for sources in self.takes:
            depths.append(1 + max((depths[source] for source in sources), default=-1))
        levels: list[list[int]] = [[] for _ in range(max(depths) + 1)]
        for number, depth in enumerate(depths):
            levels[depth].append(number)
        return levels

    @cached_property
    def values(self) -> dict[str, int]:
        """What each step returns: its number, and all that it takes."""
        values: list[int] = []
        for number, sources in enumerate(self.takes):
            values.append(number + sum(values[source] for source in sources))
        return dict(zip(self.names, values, strict=True))

    def endings(self, fault: Fault) -> dict[str, int | str]:
        """What becomes of each step if the middle one has a fault: its value, the fault, or "skipped"."""
        endings: dict[str, int | str] = dict(self.values)
        if fault == "none":
            return endings
        for number, name in enumerate(self.names):
            if number == self.broken:
                endings[name] = fault
            elif any(isinstance(endings[f"s{source}"], str) for source in self.takes[number]):
                endings[name] = "skipped"
        return endings

    @property
    def broken(self) -> int:
        """The step that fails or times out, where one does: the one in the middle."""
        return self.size // 2


def make_flat(size: int) -> Graph:
    """Make steps that take nothing."""
    return Graph("flat", ((),) * size)


def make_chain(size: int) -> Graph:
    """Make steps each of which takes the one before it."""
    return Graph("chain", tuple((number - 1,) if number else () for number in range(size)))


def make_diamond(size: int) -> Graph:
    """Make a first step that all but it take, and a last one that takes all between."""
    between = ((0,),) * (size - 2)
    return Graph("diamond", ((), *between, tuple(range(1, size - 1))))


def make_layered(size: int) -> Graph:
    """Make layers as wide as they are many; each step takes two of the layer before, or its only one."""
    width = round(math.sqrt(size))

    def choose(number: int) -> tuple[int, ...]:
        layer, place = divmod(number, width)
        before = (layer - 1) * width
        return (before + place, before + (place + 1) % width) if layer else ()

    return Graph("layered", tuple(choose(number) for number in range(size)))


SHAPES: dict[str, Callable[[int], Graph]] = {
    "flat": make_flat,
    "chain": make_chain,
    "diamond": make_diamond,
    "layered": make_layered,
}

LEAST_SIZES = {"flat": 1, "chain": 3, "diamond": 10, "layered": 10}
"""Below, a shape is the same as one that stands before it."""


@dataclass(frozen=True, slots=True)
class Style:
    """How the parameters of a step are written.

    Attributes:
        keyword_only: whether they stand behind a star.
        annotate: returns the annotation of the parameter that takes a step, given the step's name.
        known: what annotations may name, besides the steps that were written before.
    """

    keyword_only: bool = False
    annotate: Callable[[str], str] = field(default=lambda _name: "int")
    known: Mapping[str, Any] = field(default_factory=dict)


PLAIN = Style()

BODIES: dict[Fault, dict[Body, str]] = {
    "none": {"async": "return {sum}", "inline": "return {sum}", "thread": "return {sum}"},
    "fails": dict.fromkeys(("async", "inline", "thread"), "raise BrokenStepError"),
    "times out": {"async": "await get_running_loop().create_future()", "thread": "sleep(HELD_S)"},
}


def write_functions(
    graph: Graph, style: Style = PLAIN, *, body: Body = "async", fault: Fault = "none"
) -> dict[str, Callable[..., Any]]:
    """Write the steps as their author would have: parameters have to have their names.

    Their globals are one namespace, in which annotations find what they name.
    """
    namespace: dict[str, Any] = {
        "__name__": __name__,
        "BrokenStepError": BrokenStepError,
        "HELD_S": HELD_S,
        "get_running_loop": asyncio.get_running_loop,
        "sleep": time.sleep,
        **style.known,
    }
    for number in range(graph.size):
        source = _write_function(graph, number, style, body, fault if number == graph.broken else "none")
        exec(compile(source, __file__, "exec", dont_inherit=True), namespace)  # the source is ours
    return {name: namespace[name] for name in graph.names}


def write_handler(
    graph: Graph, functions: Mapping[str, Callable[..., Any]], style: Style
) -> Callable[..., Awaitable[dict[str, int]]]:
    """Write what takes the steps that no other takes, and returns their values: a route's handler."""
    parameters = ", ".join(f"{name}: {style.annotate(name)}" for name in graph.ends)
    items = ", ".join(f'"{name}": {name}' for name in graph.ends)
    source = f"async def handler({parameters}) -> dict[str, int]:\n    return {{{items}}}\n"
    namespace = functions["s0"].__globals__
    exec(compile(source, __file__, "exec", dont_inherit=True), namespace)  # the source is ours
    handler: Callable[..., Awaitable[dict[str, int]]] = namespace["handler"]
    return handler


def _write_function(graph: Graph, number: int, style: Style, body: Body, fault: Fault) -> str:
    taken = [f"s{source}" for source in graph.takes[number]]
    parameters = [f"{name}: {style.annotate(name)}" for name in taken]
    if parameters and style.keyword_only:
        parameters.insert(0, "*")
    text = BODIES[fault][body].format(sum=" + ".join([str(number), *taken]))
    word = "async def" if body == "async" else "def"
    return f"{word} s{number}({', '.join(parameters)}) -> int:\n    {text}\n"
