"""A report as JSON: the contract on the wire."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from aiohttp_steps.errors import StepError
from aiohttp_steps.types import MISSING

if TYPE_CHECKING:
    from aiohttp_steps.types import Outcome, Report

HIDDEN = "the step failed; the server's log says why"
"""What a client reads of an exception that nobody declared, outside debug mode."""


def _encode_other(value: Any) -> Any:
    """Encode what msgspec does not know."""
    if isinstance(value, PurePath):
        return str(value)
    message = f"objects of type {type(value).__name__} cannot be encoded; return a dataclass or plain values"
    raise TypeError(message)


_ENCODER = msgspec.json.Encoder(enc_hook=_encode_other)


class StepEncodingError(StepError):
    """A step's value cannot be written as JSON.

    Attributes:
        step: name of the step.
    """

    type = "encoding"

    def __init__(self, step: str, fault: object) -> None:
        super().__init__(f"the value of step {step!r} is no JSON: {fault}")
        self.step = step


class EncodedReport(NamedTuple):
    """The JSON document of a report.

    Attributes:
        body: the document.
        completed: what it says of itself.
    """

    body: bytes
    completed: bool


def encode_report(report: Report, *, debug: bool = False) -> EncodedReport:
    """Return the JSON document of a report, as `build_document` describes it.

    Raises:
        StepEncodingError: the value of a required step cannot be said in JSON.
    """
    completed = report.completed
    document = {
        "view": report.view,
        "completed": completed,
        "data": report.data,
        "errors": {}
        if completed
        else {
            name: _describe_step_error(report, name, error, debug) for name, error in report.errors.items()
        },
        "timing": describe_timing(report),
    }
    try:
        # All at once, which is what nearly always succeeds.
        return EncodedReport(_ENCODER.encode(document), completed)
    # msgspec's hooks, and the methods of the values, may raise anything: find out whose fault it is.
    except Exception:  # noqa: BLE001
        document = build_document(report, debug=debug)
        return EncodedReport(msgspec.json.encode(document), bool(document["completed"]))


def build_document(report: Report, *, debug: bool = False) -> dict[str, Any]:
    """Return what msgspec encodes as the JSON document of a report.

    `data` holds the values of the steps that joined the view or that the handler takes, `null` for one
    without a value; `errors` all that went wrong. A value that JSON cannot say becomes an error.

    Args:
        debug: whether messages of unexpected exceptions are told.

    Raises:
        StepEncodingError: it is the value of a required step.
    """
    data: dict[str, msgspec.Raw] = {}
    errors: dict[str, dict[str, str]] = {}
    for node, outcome in zip(report.plan.nodes, report.outcomes, strict=True):
        error = outcome.error
        if node.shown:
            try:
                value = None if outcome.value is MISSING else outcome.value
                data[node.step.name] = msgspec.Raw(_ENCODER.encode(value))
            # msgspec's hooks, and the methods of the value itself, may raise anything.
            except Exception as fault:
                data[node.step.name] = msgspec.Raw(b"null")
                error = StepEncodingError(node.step.name, fault)
                if node.required:
                    raise error from fault
        if error is not None:
            errors[node.step.name] = _describe_step_error(report, node.step.name, error, debug)
    return {
        "view": report.view,
        "completed": report.completed and not errors,
        "data": data,
        "errors": errors,
        "timing": describe_timing(report),
    }


def describe_error(error: BaseException, *, debug: bool = False) -> dict[str, str]:
    """Return the `type` and `message` of a step's error that a client may see."""
    if isinstance(error, StepError):
        return {"type": error.type, "message": str(error)}
    return {"type": "error", "message": f"{type(error).__name__}: {error}" if debug else HIDDEN}


def _describe_step_error(report: Report, name: str, error: BaseException, debug: bool) -> dict[str, str]:
    plugin = report.plan.nodes[report.plan.index[name]].step.plugin
    return {**describe_error(error, debug=debug), "plugin": plugin}


def describe_timing(report: Report) -> dict[str, Any]:
    """Return a report's times in milliseconds, to the microsecond."""
    timing = report.timing
    return {
        "wall_ms": to_ms(timing.wall_s),
        "sum_ms": to_ms(timing.sum_s),
        "critical_path_ms": to_ms(timing.critical_path_s),
        "critical_path": timing.critical_path,
    }


def describe_outcome(outcome: Outcome) -> dict[str, Any]:
    """Return how one step ended, without its value, for programs."""
    return {
        "status": outcome.status.value,
        "barrier_ms": to_ms(outcome.barrier_s),
        "queue_ms": to_ms(outcome.queue_s),
        "lock_ms": to_ms(outcome.lock_s),
        "run_ms": to_ms(outcome.run_s),
        "attempts": outcome.attempts,
        "started_ms": None if outcome.started_s is None else to_ms(outcome.started_s),
    }


def to_ms(seconds: float) -> float:
    """Return milliseconds, rounded to the microsecond; of no less than 0 seconds."""
    # `round` to digits goes by way of text, which takes three times as long.
    return int(seconds * 1_000_000 + 0.5) / 1000
