"""Finds sequential steps whose order nothing but the order of installation decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp_steps.types import Plan, Step


def find_ambiguities(plan: Plan) -> list[tuple[Step, Step]]:
    """Return pairs of sequential steps of different plugins whose order nothing declares, in plan order.

    Quadratic in the number of sequential steps: for people and CI, never for a request.
    """
    # One bit per step: which steps it waits for, at any distance.
    waits_for: list[int] = []
    serial: list[int] = []
    pairs: list[tuple[Step, Step]] = []
    for node in plan.nodes:
        reached = 0
        for edge in node.edges:
            reached |= waits_for[edge.source] | 1 << edge.source
        waits_for.append(reached)
        if node.step.kind in ("sequential", "exclusive"):
            pairs += [
                (plan.nodes[other].step, node.step)
                for other in serial
                if plan.nodes[other].step.plugin != node.step.plugin and not reached >> other & 1
            ]
            serial.append(node.index)
    return pairs
