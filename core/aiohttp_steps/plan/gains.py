"""Works out what parallelism brings: the times of a run, laid out by the laws of other plans."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aiohttp_steps.plan.compile import arrange
from aiohttp_steps.plan.graph import Graph

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp_steps.types import Plan, Step


def estimate_gains(plan: Plan, durations_s: Sequence[float]) -> dict[str, float]:
    """Return for each step but gates what being parallel brings, or would bring, in seconds.

    The plan is compiled anew for each step with that step in the other class, and every step takes the time
    that it took. So contention is not foreseen: two steps that share a disk or the GIL gain less. Quadratic
    in the number of steps: for people, never for a request.

    Args:
        plan: what ran; of one that runs every step alone, its parallel form is what is estimated.
        durations_s: what each step took once it might start, in plan order.
    """
    steps = plan.steps
    now_s = _lay_out(steps, durations_s)
    gains = {}
    for index, step in enumerate(steps):
        if step.kind == "gate":
            continue
        changed = [*steps]
        changed[index] = _change_class(step)
        difference_s = _lay_out(changed, durations_s) - now_s
        gains[step.name] = max(0.0, difference_s if step.kind == "parallel" else -difference_s)
    return gains


def _change_class(step: Step) -> Step:
    """Return a parallel step as a sequential one, and any other as a parallel one."""
    if step.kind == "parallel":
        return replace(step, options=replace(step.options, concurrency="sequential"))
    return replace(step, options=replace(step.options, concurrency="parallel"))


def _lay_out(steps: Sequence[Step], durations_s: Sequence[float]) -> float:
    """Return how long a run of these steps takes if each starts as early as the laws allow."""
    graph = Graph(steps)
    ended_at = [0.0] * len(steps)
    tier_began_at = 0.0
    for _, numbers in arrange(graph):
        for number in numbers:
            waited = max((ended_at[source] for source in graph.waits_for[number]), default=0.0)
            ended_at[number] = max(tier_began_at, waited) + durations_s[number]
        tier_began_at = max((ended_at[number] for number in numbers), default=tier_began_at)
    return max(ended_at, default=0.0)
