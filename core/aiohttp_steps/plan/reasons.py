"""Says in words why a step stands where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp_steps.types import Node, Plan, Tier


def explain_node(plan: Plan, node: Node) -> list[str]:
    """Return the reasons for a step's place in a plan, the law first, then what it waits for."""
    reasons = [_explain_tier(plan, node)]
    for edge in node.edges:
        name = plan.nodes[edge.source].step.name
        match edge.kind:
            case "data":
                reasons.append(f"takes the result of {name}")
            case "after":
                reasons.append(f"says that it is after {name}")
            case "before":
                reasons.append(f"{name} says that it is before it")
    return reasons


def _explain_tier(plan: Plan, node: Node) -> str:
    kind = node.step.kind
    if kind == "gate":
        return "gate: nothing starts but what it waits for itself, until it has succeeded"
    return _explain_parallel(plan, node) if kind == "parallel" else _explain_serial(plan, node)


def _explain_serial(plan: Plan, node: Node) -> str:
    kind, gate = node.step.kind, _gate_behind(plan, node)
    if gate is not None:
        return f"{kind}, ahead of the gate {gate.step.name}, which waits for it; overlaps no other step"
    return f"{kind}: overlaps no other step{_explain_turn(plan, node)}"


def _explain_parallel(plan: Plan, node: Node) -> str:
    following, last = _next_serial(plan, node.tier), _last_sequential(plan)
    if following is not None:
        what = "the gate " if following.kind == "gate" else ""
        return f"parallel, ahead of {what}{following.nodes[0].step.name}, which waits for it"
    if last is not None:
        return f"parallel, behind {last.step.name}, the last sequential step, to see what the request wrote"
    if plan.sequential:
        return "parallel, but alone: this plan runs one step after another"
    return "parallel: starts as soon as what it takes is there"


def _explain_turn(plan: Plan, node: Node) -> str:
    """Say what decided a sequential step's turn, if nothing that it or another declares did."""
    serial = [n for n in plan.nodes[: node.index] if n.step.kind not in ("gate", "parallel")]
    if not serial or _waits_for(plan, node, serial[-1].index):
        return ""
    if any(n.step.kind == "gate" for n in plan.nodes[serial[-1].index : node.index]):
        return ""  # the gate between them decided
    before = serial[-1].step
    how = "the order in the source" if before.plugin == node.step.plugin else "the order of registration"
    return f"; comes after {before.name} by {how} alone"


def _waits_for(plan: Plan, node: Node, target: int) -> bool:
    stack, seen = [node.index], {node.index}
    while stack:
        for edge in plan.nodes[stack.pop()].edges:
            if edge.source == target:
                return True
            if edge.source not in seen:
                seen.add(edge.source)
                stack.append(edge.source)
    return False


def _gate_behind(plan: Plan, node: Node) -> Node | None:
    """Return the first gate that waits for a step, at any distance."""
    gates = (n for n in plan.nodes[node.index :] if n.step.kind == "gate")
    return next((gate for gate in gates if _waits_for(plan, gate, node.index)), None)


def _next_serial(plan: Plan, tier: int) -> Tier | None:
    return next((later for later in plan.tiers[tier + 1 :] if later.kind != "parallel"), None)


def _last_sequential(plan: Plan) -> Node | None:
    return next((n for n in reversed(plan.nodes) if n.step.kind not in ("gate", "parallel")), None)
