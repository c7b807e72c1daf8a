"""What the page is told, as plain values for JSON: runs, views, steps, plugins. Times are milliseconds."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Any

from aiohttp_steps.errors import RecordedError, StepsError
from aiohttp_steps.plan import explain_node
from aiohttp_steps.types import MISSING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from aiohttp_steps import Input, StepRegistry
    from aiohttp_steps.types import Outcome, Plan, Report

    from aiohttp_steps_inspector.history import Record
    from aiohttp_steps_inspector.tally import Tally
    from aiohttp_steps_inspector.values import Texts

CORE = "aiohttp-steps"

MOST_GAINS = 60
"""Steps up to which what each would gain is worked out: that grows with their square."""

MOST_MESSAGE = 2_000
"""Characters of an error's message."""


def describe_run(record: Record) -> dict[str, Any]:
    """Return a run for the list: what its waterfall is drawn of."""
    return {"id": record.number, "ended_at": record.ended_at, **_describe_report(record.report)}


def describe_run_fully(record: Record) -> dict[str, Any]:
    """Return a run with the explanation of each of its steps."""
    return {
        "id": record.number,
        "ended_at": record.ended_at,
        **describe_report_fully(record.report, record.texts),
    }


def describe_report_fully(report: Report, texts: Texts | None) -> dict[str, Any]:
    """Return a report with explanations; with inputs and values, if there are texts of them."""
    document = _describe_report(report)
    plan = report.plan
    gains = report.what_if if len(plan.nodes) <= MOST_GAINS else {}
    for node, entry in zip(plan.nodes, document["steps"], strict=True):
        step = node.step
        entry |= {
            "plugin": step.plugin,
            "runner": step.runner,
            "location": str(step.location),
            "required": node.required,
            "explanation": explain_node(plan, node),
            "gain_ms": _to_ms(gains[step.name]) if step.name in gains else None,
            "value": texts.values.get(step.name) if texts else None,
        }
    return {**document, "inputs": texts.inputs if texts else None}


def _describe_report(report: Report) -> dict[str, Any]:
    timing = report.timing
    critical = set(timing.critical_path)
    return {
        "view": report.view,
        "state": _state_of(report),
        "sequential": report.plan.sequential,
        "wall_ms": _to_ms(timing.wall_s),
        "sum_ms": _to_ms(timing.sum_s),
        "critical_ms": _to_ms(timing.critical_path_s),
        "critical_path": timing.critical_path,
        "idle_ms": _to_ms(timing.idle_s),
        "steps": [_describe_outcome(outcome, critical, timing.wall_s) for outcome in report.outcomes],
    }


def _state_of(report: Report) -> str:
    """Tell how a run ended as a whole, in the page's words."""
    if report.cancelled:
        return "cancelled"
    if report.failure is not None:
        return "failed"
    if report.answer is not None:
        return "answered"
    return "completed" if report.completed else "incomplete"


def _describe_outcome(outcome: Outcome, critical: Collection[str], wall_s: float) -> dict[str, Any]:
    """Return what a step's line is drawn of: where its waiting began, and how long each part of it lasted."""
    step, started_s, ended_s = outcome.step, outcome.started_s, outcome.ended_s
    begun_s = started_s if started_s is not None else ended_s
    waited_s = outcome.barrier_s + outcome.queue_s
    # What has no end was under way when the run ended.
    run_s = wall_s - started_s if started_s is not None and ended_s is None else outcome.run_s
    return {
        "name": step.name,
        "kind": step.kind,
        "status": outcome.status.value,
        "shared": outcome.shared,
        "critical": step.name in critical,
        "attempts": outcome.attempts,
        "at_ms": None if begun_s is None else _to_ms(max(0.0, begun_s - waited_s)),
        "idle_ms": _to_ms(outcome.barrier_s),
        "queue_ms": _to_ms(max(0.0, outcome.queue_s - outcome.lock_s)),
        "lock_ms": _to_ms(outcome.lock_s),
        "run_ms": _to_ms(run_s) if started_s is not None else None,
        "error": None if outcome.error is None else describe_error(outcome.error),
    }


def describe_error(error: BaseException) -> dict[str, str]:
    """Return an error's type for programs, its class, and its message, cut."""
    told = error if isinstance(error, RecordedError) else RecordedError.of(error)
    message = str(told)
    if len(message) > MOST_MESSAGE:
        message = f"{message[:MOST_MESSAGE]} …"
    return {"type": told.type, "kind": told.kind, "message": message}


def describe_views(
    registry: StepRegistry, declared: Mapping[str, Input], may_set: Collection[str]
) -> list[dict[str, Any]]:
    """Return all views with their plans and inputs; the fault of one that has no plan."""
    return [_describe_view(registry, name, declared, may_set) for name in registry.views]


def _describe_view(
    registry: StepRegistry, name: str, declared: Mapping[str, Input], may_set: Collection[str]
) -> dict[str, Any]:
    try:
        plan = registry.plan(name, inputs=declared.keys() - registry.inputs.keys())
    except StepsError as error:
        return {"name": name, "fault": str(error)}
    return {
        "name": name,
        "writes": plan.writes,
        **_describe_plan(plan),
        "inputs": describe_inputs(plan, declared, may_set),
    }


def _describe_plan(plan: Plan) -> dict[str, Any]:
    nodes = plan.nodes
    return {
        "tiers": [
            {"kind": tier.kind, "steps": [node.step.name for node in tier.nodes]} for tier in plan.tiers
        ],
        "edges": [
            {"from": nodes[edge.source].step.name, "to": node.step.name, "kind": edge.kind}
            for node in nodes
            for edge in node.edges
        ],
        "steps": [
            {
                "name": node.step.name,
                "kind": node.step.kind,
                "plugin": node.step.plugin,
                "required": node.required,
                "explanation": explain_node(plan, node),
            }
            for node in nodes
        ],
    }


def describe_inputs(
    plan: Plan, declared: Mapping[str, Input], may_set: Collection[str]
) -> list[dict[str, Any]]:
    """Return the inputs of a plan; those that the page may set with `settable`."""
    inputs = []
    for need in plan.inputs:
        one = declared.get(need.name)
        has_value = one is not None and (one.has_default or one.provide is not None)
        inputs.append(
            {
                "name": need.name,
                "type": one.type_name if one else "any type",
                "help": one.help if one else "",
                "taken_by": need.taken_by,
                "required": need.required and not has_value,
                "default": _describe_default(one),
                "settable": is_settable(one, may_set),
            }
        )
    return inputs


def is_settable(one: Input | None, may_set: Collection[str]) -> bool:
    """Tell whether the page may give a value: a request may, or the inspector was told so."""
    return one is not None and (bool(one.sources) or one.name in may_set)


def _describe_default(one: Input | None) -> str | None:
    """Return a default as text; of what the app may not want to be seen, nothing."""
    if one is None or one.default is MISSING or not one.sources:
        return None
    return "" if one.default is None else str(one.default)


def describe_steps(registry: StepRegistry, tally: Tally) -> list[dict[str, Any]]:
    """Return the counts of all registered steps, in their order."""
    counts, errors = tally.count(), tally.errors
    entries = []
    for step in registry.steps:
        spread, stalls = tally.percentiles(step.name), tally.stalls.get(step.name)
        entries.append(
            {
                "name": step.name,
                "plugin": step.plugin,
                "kind": step.kind,
                "runner": step.runner,
                "views": step.options.views,
                "count": counts[step.name],
                "errors": errors[step.name],
                "p50_ms": _to_ms(spread.p50) if spread else None,
                "p95_ms": _to_ms(spread.p95) if spread else None,
                "p99_ms": _to_ms(spread.p99) if spread else None,
                "stalls": stalls.count if stalls else 0,
                "worst_stall_ms": _to_ms(stalls.worst_s) if stalls else None,
                "stalled_at": stalls.where if stalls else "",
                "holds_gil": bool(stalls and stalls.gil),
            }
        )
    return entries


def describe_plugins(registry: StepRegistry) -> dict[str, Any]:
    """Return what is registered, and what could not be loaded and why."""
    return {
        "plugins": [
            {
                "name": info.name,
                "distribution": CORE if _is_of_core(info.plugin) else info.distribution,
                "version": metadata.version(CORE) if _is_of_core(info.plugin) else info.version,
                "steps": [step.name for step in info.steps],
            }
            for info in registry.plugins
        ],
        "failures": [
            {
                "name": failure.name,
                "target": failure.target,
                "distribution": failure.distribution,
                "version": failure.version,
                "error": describe_error(failure.error),
                "traceback": failure.traceback,
            }
            for failure in registry.failures
        ],
    }


def _is_of_core(plugin: object) -> bool:
    return type(plugin).__module__.startswith("aiohttp_steps.")


def _to_ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
