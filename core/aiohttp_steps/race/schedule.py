"""What the run of one trial is to be like: who goes first, who may overlap, how it is delayed."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohttp_steps.types import Plan

Pace = Literal["none", "turns", "hold"]
"""Delays at await points: none; turns of the event loop; the same, and some steps wait at one point until the
others have ended or wait as well."""

ORDER_OF_KINDS = ("order", "turns", "hold")


@dataclass(frozen=True)
class Schedule:
    """How one run is made to go; the parallel steps of a plan follow it.

    Attributes:
        seed: what all that is drawn follows from.
        ranks: by name of step: of those that could start, the one with the lowest rank goes first.
        together: names of steps that may overlap one another; every other runs alone.
        pace: how steps are delayed at their await points.
        sequential: run the plan that has every step in a tier of its own.
        is_free: let the engine start steps as it does without a check.
        carried: pairs of steps: the context variables of the first are given to the second, against the rule.
    """

    seed: str = ""
    ranks: Mapping[str, int] = field(default_factory=dict)
    together: frozenset[str] = frozenset()
    pace: Pace = "none"
    sequential: bool = False
    is_free: bool = False
    carried: frozenset[tuple[str, str]] = frozenset()


SEQUENTIAL = Schedule(sequential=True, is_free=True)
"""One after another: what all others are compared with."""


def make_schedule(plan: Plan, seed: int) -> Schedule:
    """Make the schedule of a trial of the whole plan; seed 0 is the plan as it runs without a check."""
    if seed == 0:
        return Schedule(seed="0", is_free=True)
    kind = ORDER_OF_KINDS[seed % len(ORDER_OF_KINDS)]
    ranks = rank(shuffle(plan, Random(str(seed))))  # noqa: S311 - no secret
    if kind == "order":
        return Schedule(str(seed), ranks)
    together = frozenset(step.name for step in plan.steps)
    return Schedule(str(seed), ranks, together, "hold" if kind == "hold" else "turns")


def make_overlap(order: Sequence[str], together: Sequence[str], seed: int, attempt: int) -> Schedule:
    """Make the schedule in which only `together` overlap, all others run alone and in this order.

    Args:
        order: names of all steps.
        attempt: 0 for the delays of the trial with this seed, further ones for others that follow from it.
    """
    text = f"{seed}:{attempt}" if attempt else str(seed)
    first = seed + attempt
    pace: Pace = "hold" if ORDER_OF_KINDS[first % len(ORDER_OF_KINDS)] == "hold" else "turns"
    return Schedule(text, rank(order), frozenset(together), pace)


def rank(order: Sequence[str]) -> dict[str, int]:
    """Return the place of each name in an order."""
    return {name: place for place, name in enumerate(order)}


def shuffle(plan: Plan, random: Random) -> list[str]:
    """Draw one of the orders in which the steps of a plan could run one by one."""
    order: list[str] = []
    for tier in plan.tiers:
        missing = {node.index: node.waits_for for node in tier.nodes}
        ready = [index for index, count in missing.items() if not count]
        while ready:
            node = plan.nodes[ready.pop(random.randrange(len(ready)))]
            order.append(node.step.name)
            for successor in node.successors:
                missing[successor] -= 1
                if not missing[successor]:
                    ready.append(successor)
    return order


def find_rivals(plan: Plan) -> list[tuple[str, str]]:
    """Return all pairs of steps that may overlap: of one tier, neither waiting for the other."""
    before = find_ancestors(plan)
    return [
        (first.step.name, second.step.name)
        for tier in plan.tiers
        for place, first in enumerate(tier.nodes)
        for second in tier.nodes[place + 1 :]
        if first.step.name not in before[second.step.name] and second.step.name not in before[first.step.name]
    ]


def find_ancestors(plan: Plan) -> dict[str, frozenset[str]]:
    """Return for each step the names of all that it waits for, at any distance."""
    before: dict[str, frozenset[str]] = {}
    for node in plan.nodes:  # plan order: what it waits for stands before it
        sources = [plan.nodes[edge.source].step.name for edge in node.edges]
        before[node.step.name] = frozenset(sources).union(*(before[source] for source in sources))
    return before


def gather(plan: Plan, order: Sequence[str], members: Sequence[str]) -> list[str]:
    """Return a possible order in which `members` stand as close to each other as it can be.

    What stands between them goes before them, or behind if it waits for one of them.
    """
    before = find_ancestors(plan)
    group = set(members)
    last = max(order.index(name) for name in members)
    first = min(order.index(name) for name in members)
    between = [name for name in order[first : last + 1] if name not in group]
    needed = frozenset[str]().union(*(before[name] for name in members))
    # What one member takes and another gives must stay between these two: a member that is waited for
    # goes first, as part of what stands in front.
    ahead = [name for name in order[first : last + 1] if name in needed]
    group -= set(ahead)
    behind = {name for name in between if name not in needed and before[name] & group}
    front = [name for name in order[first : last + 1] if name not in behind | group]
    kept = [name for name in order if name in group]
    return [*order[:first], *front, *kept, *(name for name in between if name in behind), *order[last + 1 :]]
