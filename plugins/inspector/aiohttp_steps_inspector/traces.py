"""Several runs as one trace in the Chrome trace event format: each run a process, all on one clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp_steps.engine import build_trace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp_steps_inspector.history import Record


def merge_traces(records: Iterable[Record]) -> dict[str, Any]:
    """Return the document of these runs; its times are microseconds from the start of the first of them."""
    began = [(record, record.ended_at - record.report.timing.wall_s) for record in records]
    first = min((at for _, at in began), default=0.0)
    events = [event for record, at in began for event in _events_of(record, (at - first) * 1e6)]
    return {"traceEvents": events, "displayTimeUnit": "ms"}


def _events_of(record: Record, shift_us: float) -> Iterable[dict[str, Any]]:
    for event in build_trace(record.report)["traceEvents"]:
        moved = {**event, "pid": record.number}
        if "ts" in event:
            moved["ts"] = round(event["ts"] + shift_us, 3)
        if "id" in event:  # arrows are told apart by it, across all processes
            moved["id"] = f"{record.number}.{event['id']}"
        if event["name"] == "process_name":
            moved["args"] = {"name": f"run {record.number}: {event['args']['name']}"}
        yield moved
