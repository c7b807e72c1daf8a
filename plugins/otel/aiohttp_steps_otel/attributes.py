"""What spans say: the names of attributes, and what is an error.

Names without our prefix are those of OpenTelemetry's semantic conventions,
https://opentelemetry.io/docs/specs/semconv/, as of the schema below. The rules for errors are theirs too:
https://opentelemetry.io/docs/specs/semconv/general/recording-errors/.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiohttp import web
from aiohttp_steps.errors import StepTimeoutError
from aiohttp_steps.types import Status
from opentelemetry.trace import StatusCode

if TYPE_CHECKING:
    from aiohttp_steps.types import Plan, Step
    from opentelemetry.trace import Span

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.34.0"

VIEW: Final = "aiohttp_steps.view"
RUN_STEPS: Final = "aiohttp_steps.run.steps"
RUN_SEQUENTIAL: Final = "aiohttp_steps.run.sequential"
RUN_COMPLETED: Final = "aiohttp_steps.run.completed"
RUN_CANCELLED: Final = "aiohttp_steps.run.cancelled"
RUN_FAILED_STEP: Final = "aiohttp_steps.run.failed_step"

STEP: Final = "aiohttp_steps.step."
"""What the names of events begin with, too; a status ends them."""

STEP_NAME: Final = STEP + "name"
STEP_PLUGIN: Final = STEP + "plugin"
STEP_CONCURRENCY: Final = STEP + "concurrency"
STEP_RUNNER: Final = STEP + "runner"
STEP_REQUIRED: Final = STEP + "required"
STEP_STATUS: Final = STEP + "status"
STEP_ATTEMPTS: Final = STEP + "attempts"
STEP_QUEUE_WAIT: Final = STEP + "queue_wait_s"
STEP_LOCK_WAIT: Final = STEP + "lock_wait_s"
STEP_SHARED: Final = STEP + "shared"
STEP_BECAUSE_OF: Final = STEP + "because_of"

ERROR_TYPE: Final = "error.type"
HTTP_STATUS: Final = "http.response.status_code"

_FIRST_ERROR_STATUS = 500

# These are addressed to the task, not to the step.
_PASSING = (asyncio.CancelledError, KeyboardInterrupt, GeneratorExit)


def describe_run(plan: Plan) -> dict[str, str | int | bool]:
    """Return what is known of a run before it begins."""
    attributes: dict[str, str | int | bool] = {
        RUN_STEPS: len(plan.nodes),
        RUN_SEQUENTIAL: plan.sequential,
    }
    if plan.view is not None:
        attributes[VIEW] = plan.view
    return attributes


def describe_step(step: Step) -> dict[str, str | int | bool]:
    """Return what is known of a step when its plan is compiled."""
    function = step.function
    return {
        "code.function.name": _qualify(function.__module__, getattr(function, "__qualname__", step.name)),
        "code.file.path": step.location.file,
        "code.line.number": step.location.line,
        STEP_NAME: step.name,
        STEP_PLUGIN: step.plugin,
        STEP_CONCURRENCY: step.kind,
        STEP_RUNNER: step.runner,
    }


def judge(error: BaseException | None) -> Status:
    """Tell how a step ended that raised `error`, or raised nothing."""
    if error is None:
        return Status.SUCCEEDED
    if isinstance(error, StepTimeoutError):
        return Status.TIMED_OUT
    if isinstance(error, _PASSING):
        return Status.CANCELLED
    return Status.FAILED


def mark_failed(span: Span, error: BaseException, *, with_event: bool = True) -> None:
    """Say on a span that it ended with an error, unless the error is an answer: a redirect, a 404.

    Args:
        with_event: whether the exception itself is recorded; once in a trace is enough.
    """
    if isinstance(error, web.HTTPException):
        span.set_attribute(HTTP_STATUS, error.status)
        if error.status < _FIRST_ERROR_STATUS:
            return
    kind = type(error)
    span.set_attribute(ERROR_TYPE, _qualify(kind.__module__, kind.__qualname__))
    span.set_status(StatusCode.ERROR, f"{kind.__name__}: {error}")
    if with_event:
        span.record_exception(error)


def mark_late(span: Span) -> None:
    """Say on a span that the deadline of its view ended it: by a cancellation, so there is no exception."""
    span.set_attribute(ERROR_TYPE, _qualify(StepTimeoutError.__module__, StepTimeoutError.__qualname__))
    span.set_status(StatusCode.ERROR, "the deadline of its view had passed")


def _qualify(module: str, name: str) -> str:
    return name if module == "builtins" else f"{module}.{name}"
