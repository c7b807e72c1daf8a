"""A run as a trace to take away: the Chrome trace event format, which Perfetto and chrome://tracing open.

Source: "Trace Event Format", https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsNchNAySU
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp_steps.engine.wire import describe_error, to_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp_steps.types import Outcome, Plan, Report

RUN_LANE = 0
"""Number of the lane ("thread" in the format's words) of the run itself; steps follow in plan order."""


def build_trace(report: Report) -> dict[str, Any]:
    """Return the document of one run, to be written as JSON; its times are microseconds from its start.

    One lane for the run with its tiers, then one for each step in plan order: how long a tier held it back,
    how long it waited for threads and slots, for exclusive keys, and how long it ran. Arrows lead from each
    step to those that took its result or had to wait for its end. Nothing of values and inputs is in it;
    messages of errors are, as the report has them.
    """
    plan, outcomes = report.plan, report.outcomes
    name = f"view {report.view}" if report.view is not None else "handler"
    events = [_name("process_name", RUN_LANE, f"aiohttp-steps {name}"), _name("thread_name", RUN_LANE, name)]
    for node in plan.nodes:
        lane = node.index + 1
        events.append(_name("thread_name", lane, node.step.name))
        events.append(
            {"ph": "M", "name": "thread_sort_index", "pid": 1, "tid": lane, "args": {"sort_index": lane}}
        )
    events.append(_span("run", name, RUN_LANE, (0.0, report.timing.wall_s), _facts_of_run(report)))
    events += _tiers(plan, outcomes)
    for lane, outcome in enumerate(outcomes, start=1):
        critical = outcome.step.name in report.timing.critical_path
        events += _phases(outcome, lane, required=plan.nodes[lane - 1].required, critical=critical)
    events += _arrows(plan, outcomes)
    return {"traceEvents": events, "displayTimeUnit": "ms"}


def _facts_of_run(report: Report) -> dict[str, Any]:
    timing = report.timing
    return {
        "completed": report.completed,
        "cancelled": report.cancelled,
        "sequential": report.plan.sequential,
        "sum_ms": to_ms(timing.sum_s),
        "critical_path": " → ".join(timing.critical_path),
    }


def _tiers(plan: Plan, outcomes: tuple[Outcome, ...]) -> Iterator[dict[str, Any]]:
    for number, tier in enumerate(plan.tiers, start=1):
        ran = [outcomes[node.index] for node in tier.nodes if outcomes[node.index].ended_s is not None]
        if ran:
            began_s = min(_ready_s(outcome) for outcome in ran)
            ended_s = max(outcome.ended_s or 0.0 for outcome in ran)
            yield _span("tier", f"{number} {tier.kind}", RUN_LANE, (began_s, ended_s - began_s))


def _phases(outcome: Outcome, lane: int, *, required: bool, critical: bool) -> Iterator[dict[str, Any]]:
    """Yield what a step went through; one that never started is an instant, at which it was given up."""
    step, ended_s = outcome.step, outcome.ended_s
    facts: dict[str, Any] = {
        "status": outcome.status.value,
        "concurrency": step.kind,
        "runner": step.runner,
        "plugin": step.plugin,
        "location": str(step.location),
        "required": required,
        "critical": critical,
        "shared": outcome.shared,
        "attempts": outcome.attempts,
    }
    if outcome.error is not None:
        facts["error"] = describe_error(outcome.error, debug=True)
    if ended_s is None:
        return
    ready_s = _ready_s(outcome)
    # Slots are taken before keys, and the runner's own queue comes last; only the sums are known.
    queued_s = outcome.queue_s - outcome.lock_s
    at_s = ready_s - outcome.barrier_s
    for kind, seconds in (("barrier", outcome.barrier_s), ("queue", queued_s), ("lock", outcome.lock_s)):
        if seconds > 0:
            yield _span(kind, f"{kind} wait", lane, (at_s, seconds))
            at_s += seconds
    if outcome.started_s is None:
        yield {"ph": "i", "name": step.name, "cat": "step", "s": "t", **_at(lane, ended_s), "args": facts}
    else:
        yield _span("step", step.name, lane, (outcome.started_s, outcome.run_s), facts)


def _arrows(plan: Plan, outcomes: tuple[Outcome, ...]) -> Iterator[dict[str, Any]]:
    """Yield flow events; they bind to the spans that enclose their moments."""
    number = 0
    for node in plan.nodes:
        for edge in node.edges:
            source, target = outcomes[edge.source], outcomes[node.index]
            if source.started_s is None or source.ended_s is None or target.started_s is None:
                continue
            number += 1
            what = {"name": edge.kind, "cat": "depends", "id": number}
            # Just before its end: an arrow starts at the span that encloses this moment.
            yield {"ph": "s", **what, **_at(edge.source + 1, max(source.started_s, source.ended_s - 1e-9))}
            yield {"ph": "f", "bp": "e", **what, **_at(node.index + 1, target.started_s)}


def _ready_s(outcome: Outcome) -> float:
    """Return when a step might start, in seconds from the start of the run."""
    begun_s = outcome.started_s if outcome.started_s is not None else outcome.ended_s or 0.0
    return begun_s - outcome.queue_s


def _name(what: str, lane: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": 1, "tid": lane, "args": {"name": name}}


def _span(
    category: str, name: str, lane: int, time_s: tuple[float, float], facts: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return a complete event; `time_s` is its beginning and its length."""
    at_s, lasts_s = time_s
    lasts_us = round(lasts_s * 1e6, 3)
    return {"ph": "X", "name": name, "cat": category, **_at(lane, at_s), "dur": lasts_us, "args": facts or {}}


def _at(lane: int, at_s: float) -> dict[str, Any]:
    return {"pid": 1, "tid": lane, "ts": round(at_s * 1e6, 3)}
