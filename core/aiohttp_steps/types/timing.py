"""Works out of a ledger what it means: how each step ended, where the time went, and the critical path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp_steps.types.ledger import NEVER
from aiohttp_steps.types.outcome import Outcome, Status, Timing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp_steps.types.ledger import Ledger
    from aiohttp_steps.types.plan import Node


def work_out_outcome(ledger: Ledger, node: Node) -> Outcome:
    """Return how one step of a run ended."""
    index, began = node.index, ledger.began_at
    ready, started, ended = ledger.ready_at[index], ledger.started_at[index], ledger.ended_at[index]
    has_started, has_ended = started != NEVER, ended != NEVER
    was_ready = ready != NEVER and has_ended
    call = ledger.calls.get(index)
    return Outcome(
        step=node.step,
        status=ledger.statuses[index] or (Status.SUCCEEDED if has_ended else Status.NOT_STARTED),
        value=ledger.values[index],
        error=ledger.errors[index],
        barrier_s=_idle_of(ledger, node),
        queue_s=max(0.0, (started if has_started else ended) - ready) if was_ready else 0.0,
        lock_s=call.lock_s if call else 0.0,
        run_s=ended - started if has_started and has_ended else 0.0,
        attempts=call.attempts if call else int(has_started),
        shared=call.shared if call else False,
        started_s=started - began if has_started else None,
        ended_s=ended - began if has_ended else None,
    )


def work_out_timing(ledger: Ledger) -> Timing:
    """Return the times of a run as a whole."""
    # From the moments alone: an `Outcome` for each step would cost as much as running them.
    began, ended_at = ledger.began_at, ledger.ended_at
    idle_s = [_idle_of(ledger, node) for node in ledger.plan.nodes]
    run_s = [
        ended - started if NEVER not in (started, ended) else 0.0
        for started, ended in zip(ledger.started_at, ended_at, strict=True)
    ]
    path = _critical_path(ledger, idle_s)
    return Timing(
        wall_s=ledger.finished_at - began,
        sum_s=sum(run_s),
        critical_path_s=sum(run_s[index] for index in path),
        critical_path=tuple(ledger.plan.nodes[index].step.name for index in path),
        idle_s=sum(idle_s),
    )


def _idle_of(ledger: Ledger, node: Node) -> float:
    """Return how long a step was held back although all it takes was there."""
    ready = ledger.ready_at[node.index]
    if ready == NEVER or ledger.ended_at[node.index] == NEVER:
        return 0.0
    inputs_at = ledger.began_at
    for edge in node.edges:
        inputs_at = max(inputs_at, ledger.ended_at[edge.source])
    return max(0.0, ready - inputs_at)


def _critical_path(ledger: Ledger, idle_s: list[float]) -> list[int]:
    """Walk back from the step that ended last, each time to the one whose end let it start."""
    plan, started_at, ended_at = ledger.plan, ledger.started_at, ledger.ended_at

    def last_of(indexes: Iterable[int]) -> int | None:
        last, last_at = None, NEVER
        for index in indexes:
            at = ended_at[index]
            # On a tie the earlier in the plan, so that the path does not depend on chance.
            is_later = last is None or at > last_at or (at == last_at and index < last)
            if is_later and started_at[index] != NEVER:
                last, last_at = index, at
        return last

    path: list[int] = []
    here = last_of(range(len(plan.nodes)))
    while here is not None:
        path.append(here)
        node = plan.nodes[here]
        blockers = [edge.source for edge in node.edges]
        if node.tier and (idle_s[here] or not blockers):
            blockers += [before.index for before in plan.tiers[node.tier - 1].nodes]
        here = last_of(blockers)
    return path[::-1]
