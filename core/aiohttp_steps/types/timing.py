"""Works out of a ledger what it means: how each step ended, where the time went, and the critical path."""

from __future__ import annotations

from operator import sub
from typing import TYPE_CHECKING

from aiohttp_steps.types.ledger import NEVER
from aiohttp_steps.types.outcome import Outcome, Status, Timing

if TYPE_CHECKING:
    from aiohttp_steps.types.ledger import Ledger
    from aiohttp_steps.types.plan import Node, Plan


def work_out_outcome(ledger: Ledger, node: Node) -> Outcome:
    """Return how one step of a run ended."""
    index, began = node.index, ledger.began_at
    ready, started, ended = ledger.ready_at[index], ledger.started_at[index], ledger.ended_at[index]
    has_started, has_ended = started != NEVER, ended != NEVER
    was_ready = ready != NEVER and has_ended
    call = ledger.calls.get(index)
    return Outcome(
        step=node.step,
        status=ledger.statuses.get(index) or (Status.SUCCEEDED if has_ended else Status.NOT_STARTED),
        value=ledger.values[index],
        error=ledger.errors.get(index),
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
    nodes, began, started_at, ended_at = (
        ledger.plan.nodes,
        ledger.began_at,
        ledger.started_at,
        ledger.ended_at,
    )
    if ledger.flawed or NEVER in started_at:
        # One that never started is on no path.
        ended_at = [
            NEVER if started == NEVER else ended for started, ended in zip(started_at, ended_at, strict=True)
        ]
        run_s = [
            0.0 if ended == NEVER else ended - started
            for started, ended in zip(started_at, ended_at, strict=True)
        ]
    else:
        run_s = list(map(sub, ended_at, started_at))
    has_barriers = len(ledger.plan.tiers) > 1
    idle_s = [_idle_of(ledger, node) for node in nodes] if has_barriers else []
    # Back from the step that ended last, each time to the one whose end let it start. Both `index` and `max`
    # give the first on a tie, the earlier in the plan: the path does not depend on chance.
    here = ended_at.index(max(ended_at)) if nodes else None
    names: list[str] = []
    critical_s = 0.0
    while here is not None and ended_at[here] != NEVER:
        names.append(nodes[here].step.name)
        critical_s += run_s[here]
        blockers = _blockers(ledger.plan, here, is_idle=bool(idle_s and idle_s[here]))
        here = max(blockers, key=ended_at.__getitem__) if blockers else None
    names.reverse()
    return Timing(
        wall_s=ledger.finished_at - began,
        sum_s=sum(run_s),
        critical_path_s=critical_s,
        critical_path=tuple(names),
        idle_s=sum(idle_s),
    )


def _idle_of(ledger: Ledger, node: Node) -> float:
    """Return how long a step was held back although all it takes was there."""
    ready = ledger.ready_at[node.index]
    # Nothing stands before the first tier, and in any tier one that waits for another of it has what it takes
    # when that ends.
    if not node.tier or node.waits_for or ready == NEVER or ledger.ended_at[node.index] == NEVER:
        return 0.0
    inputs_at = ledger.began_at
    for edge in node.edges:
        inputs_at = max(inputs_at, ledger.ended_at[edge.source])
    return max(0.0, ready - inputs_at)


def _blockers(plan: Plan, index: int, *, is_idle: bool) -> list[int]:
    """Return the steps whose end a step has waited for, in plan order."""
    node = plan.nodes[index]
    blockers = [edge.source for edge in node.edges] if node.edges else []
    if node.tier and (is_idle or not blockers):
        blockers = sorted({*blockers, *(before.index for before in plan.tiers[node.tier - 1].nodes)})
    return blockers
