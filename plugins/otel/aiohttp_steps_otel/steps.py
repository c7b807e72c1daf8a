"""The spans of one step: around each execution, and around each tear-down."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from aiohttp_steps.types import Status
from opentelemetry import context, trace

from aiohttp_steps_otel import attributes
from aiohttp_steps_otel.carrier import pack_context
from aiohttp_steps_otel.runs import RunSpan

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp_steps.types import Call, Step, StepCall
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, SpanContext, Tracer

logger = logging.getLogger("aiohttp_steps_otel")

# Where context variables reach by themselves.
_NEAR = frozenset({"loop", "inline", "thread"})


class StepSpans:
    """Makes the spans of a step; a step middleware.

    Args:
        key: of the context's value that is the run's `RunSpan`; without one there is nothing to record.
    """

    def __init__(self, tracer: Tracer, step: Step, key: str) -> None:
        self._tracer = tracer
        self._key = key
        self._name = f"step {step.name}"
        self._step = step
        self._attributes = attributes.describe_step(step)
        self._is_elsewhere = step.runner not in _NEAR
        # Whose context the body of a shared run is in; others, that join, are linked to it.
        self._begun: WeakKeyDictionary[Call, SpanContext] = WeakKeyDictionary()

    def __call__(self, call_next: StepCall) -> StepCall:
        """Wrap an execution of the step."""
        get_value, key = context.get_value, self._key

        async def call_in_span(call: Call) -> Any:
            run = get_value(key)
            if run is None:
                return await call_next(call)
            if not isinstance(run, RunSpan) or not run.is_recording:
                self._send_along(call)
                return await call_next(call)
            return await self._call(call, call_next, run)

        return call_in_span

    async def _call(self, call: Call, call_next: StepCall, run: RunSpan) -> Any:
        clock = asyncio.get_running_loop().time
        called_at = clock()
        span = self._start(self._name)
        if span is None:
            return await call_next(call)
        run.reached.add(self._step.name)
        if self._step.options.share:
            self._begun[call] = span.get_span_context()
        within = trace.set_span_in_context(span)
        token = context.attach(within)
        self._send_along(call)
        raised: BaseException | None = None
        try:
            value = await call_next(call)
        except BaseException as error:
            raised = error
            raise
        finally:
            waited_s = _waited_s(call, called_at, clock)
            self._end(span, lambda: self._describe(span, call, waited_s, raised))
            # Thrown away with its loop, it is closed in a context that is not its own.
            if not isinstance(raised, GeneratorExit):
                context.detach(token)
            raised = None  # no cycle of error, traceback and frame
        if call.leave is not None:
            call.leave = self._wrap_leave(call.leave, within)
        return value

    def _start(self, name: str, within: Context | None = None) -> Span | None:
        """Start a span; `None` if that fails, which is not the step's failure."""
        try:
            return self._tracer.start_span(name, context=within, attributes=self._attributes)
        except Exception:
            logger.exception("the span of step %r could not be started", self._step.name)
            return None

    def _send_along(self, call: Call) -> None:
        """Let the span be current in another process, if that is where the body runs."""
        if self._is_elsewhere:
            call.contexts = (*call.contexts, pack_context())

    def _end(self, span: Span, describe: Callable[[], None]) -> None:
        """Say how something ended, and end its span; whatever goes wrong here is not the step's failure."""
        try:
            try:
                describe()
            finally:
                span.end()
        except Exception:
            logger.exception("the span of step %r could not be recorded", self._step.name)

    def _describe(self, span: Span, call: Call, waited_s: float, error: BaseException | None) -> None:
        status = attributes.judge(error)
        # The deadline of a view ends its steps by cancellation.
        is_late = status is Status.CANCELLED and call.is_expired()
        facts: dict[str, str | int | float | bool] = {
            attributes.STEP_STATUS: (Status.TIMED_OUT if is_late else status).value,
            attributes.STEP_REQUIRED: call.required,
            attributes.STEP_ATTEMPTS: call.attempts,
            attributes.STEP_QUEUE_WAIT: waited_s,
        }
        if self._step.kind == "exclusive":
            facts[attributes.STEP_LOCK_WAIT] = call.lock_s
        if self._step.options.share:
            facts[attributes.STEP_SHARED] = call.shared
        span.set_attributes(facts)
        begun = None if call.joined is None else self._begun.get(call.joined)
        if begun is not None:
            span.add_link(begun)
        if is_late:
            attributes.mark_late(span)
        elif error is not None and status is not Status.CANCELLED:
            attributes.mark_failed(span, error)

    def _wrap_leave(
        self, leave: Callable[[BaseException | None], Awaitable[None]], within: Context
    ) -> Callable[[BaseException | None], Awaitable[None]]:
        """Let a tear-down have a span of its own, below that of the step."""

        async def leave_in_span(error: BaseException | None) -> None:
            span = self._start(f"{self._name} tear-down", within)
            if span is None:
                await leave(error)
                return
            token = context.attach(trace.set_span_in_context(span))
            raised: BaseException | None = None
            try:
                await leave(error)
            except (Exception, SystemExit) as failure:
                raised = failure
                raise
            finally:
                context.detach(token)
                self._end(span, lambda: None if raised is None else attributes.mark_failed(span, raised))
                raised = None  # as above

        return leave_in_span


def _waited_s(call: Call, called_at: float, clock: Callable[[], float]) -> float:
    """Return how long a call waited for its body to start, which may never have come."""
    until = clock() if call.started_at is None else call.started_at
    return max(0.0, until - called_at)
