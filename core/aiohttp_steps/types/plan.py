"""What a plan is: the immutable schedule of one set of steps. `aiohttp_steps.plan` compiles it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp_steps.types.step import Step

TierKind = Literal["gate", "sequential", "parallel"]
EdgeKind = Literal["data", "after", "before"]


@dataclass(frozen=True, slots=True)
class Edge:
    """A reason for a step to wait.

    Attributes:
        source: position in the plan of the step that has to end first.
        kind: `"data"`: its result is taken; `"after"`, `"before"`: an order that the later, or the earlier,
            step declares.
    """

    source: int
    kind: EdgeKind


@dataclass(frozen=True, slots=True)
class Binding:
    """Where a value that a step takes comes from.

    Attributes:
        parameter: its name; for what only an exclusive key is made of, the name in the key.
        source: a position in the plan for a step's result; the name of an input otherwise.
        required: `False` if the parameter has a default.
    """

    parameter: str
    source: int | str
    required: bool


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A step in its place.

    Attributes:
        index: position in plan order.
        step: the step.
        tier: position of its tier.
        required: whether its failure ends this run: as its author says, or because the handler needs it.
        shown: whether its value belongs into the JSON answer: it joined the view, or the handler takes it.
        edges: all it waits for, in plan order.
        bindings: where its arguments come from; without optional parameters that nobody provides.
        successors: positions of the steps of its own tier that wait for it.
        waits_for: how many steps of its own tier it waits for.
    """

    index: int
    step: Step
    tier: int
    required: bool
    shown: bool
    edges: tuple[Edge, ...]
    bindings: tuple[Binding, ...]
    successors: tuple[int, ...]
    waits_for: int


@dataclass(frozen=True, slots=True, eq=False)
class Tier:
    """Steps that run together; a `gate` or `sequential` tier holds one.

    Attributes:
        kind: what runs in it. A gate's own dependencies stand in tiers of their own kind before it.
        nodes: in plan order.
    """

    kind: TierKind
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class InputNeed:
    """An input that a plan takes.

    Attributes:
        name: its name.
        required: whether some step cannot do without.
        taken_by: name of the first step that takes it.
    """

    name: str
    required: bool
    taken_by: str


@dataclass(frozen=True, eq=False)
class Plan:
    """The schedule of one set of steps; immutable, shared by all runs of it.

    Attributes:
        view: the view, `None` for a handler without one.
        nodes: all steps in plan order: the order of reports, errors and JSON.
        tiers: in the order they run.
        index: position of each step by name.
        inputs: what it takes from outside, in the order of first use.
        sequential: whether parallel steps were put in tiers of their own, one by one.
    """

    view: str | None
    nodes: tuple[Node, ...]
    tiers: tuple[Tier, ...]
    index: Mapping[str, int]
    inputs: tuple[InputNeed, ...]
    sequential: bool = False

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps in plan order."""
        return tuple(node.step for node in self.nodes)

    @cached_property
    def shown(self) -> tuple[tuple[str, int], ...]:
        """Names and positions of the steps whose values belong into the JSON answer."""
        return tuple((node.step.name, node.index) for node in self.nodes if node.shown)

    @property
    def writes(self) -> bool:
        """Whether some step of it may change something, so that GET must not run it."""
        return any(node.step.writes for node in self.nodes)
