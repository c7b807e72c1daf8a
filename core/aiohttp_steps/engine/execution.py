"""One run of one program: its stages one by one, and how each of its steps ends."""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Any

from aiohttp_steps.engine.implementation import PASSING
from aiohttp_steps.engine.resources import Resources
from aiohttp_steps.engine.workers import NO_ARGUMENTS, Workers
from aiohttp_steps.errors import StepSkippedError, StepTimeoutError
from aiohttp_steps.plan import estimate_gains
from aiohttp_steps.policies import Deadline
from aiohttp_steps.types import MISSING, NEVER, Call, Ledger, Report, Status
from aiohttp_steps.types.ledger import NOTHING

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Callable, Mapping

    from aiohttp_steps.engine.program import Body, Program
    from aiohttp_steps.types import OnDisconnect, StepCall


class Execution(Ledger):
    """A run under way.

    The request's own task runs stages one by one. A stage of one step it awaits itself; a larger one is for
    `Workers`.

    Attributes:
        program: what runs.
        answers: types of results and errors that end the run and answer the request; `()` without HTTP.
        clock: the event loop's.
        is_over: whether nothing new may start.
        is_leaving: whether that is so because nobody waits any more.
        resources: what generator steps have opened; `None` in a program without any.
    """

    __slots__ = (
        "_scope",
        "_workers",
        "answers",
        "clock",
        "is_leaving",
        "is_over",
        "positional",
        "program",
        "resources",
    )

    def __init__(
        self, program: Program, request: Any, inputs: Mapping[str, Any], answers: tuple[type, ...] = ()
    ) -> None:
        self.clock: Callable[[], float] = asyncio.get_running_loop().time
        # The request will hold the report: a cycle would leave each request to the garbage collector.
        held = weakref.ref(request) if answers and request is not None else request
        super().__init__(program.plan, held, inputs, self.clock())
        self.program = program
        self.positional: tuple[Any, ...] = () if request is None else (request,)
        self.is_over = self.is_leaving = False
        self.answers = answers
        self._workers: Workers | None = None
        self._scope: asyncio.Timeout | None = None
        self.resources: Resources | None = None
        if program.has_resources:
            self.resource_errors = {}
            self.resources = Resources(self.resource_errors)

    async def run(self) -> Report:
        """Run all stages, or as many as there are before the run ends early, and return the report.

        Raises:
            asyncio.CancelledError: it was cancelled; nothing of it is left running.
        """
        try:
            for stage in self.program.stages:
                body = stage.alone
                if body is None:
                    workers = self._workers = Workers(self, stage)
                    try:
                        await workers.run()
                    finally:
                        self._workers = None
                else:
                    self.ready_at[body.index] = self.clock()
                    await self.run_here(body)
                if self.is_over:
                    break
        finally:
            paths = self.program.paths
            if paths is not None and paths.is_wanted:
                paths.learn(Report(self, estimate_gains))
        self.finished_at = self.clock()
        self.positional = ()
        if self.is_leaving:
            message = "nobody waits for this run any more"
            raise asyncio.CancelledError(message)
        return Report(self, estimate_gains)

    async def run_within(self, deadline_s: float) -> Report:
        """Run, but no longer than that: what has not ended by then has timed out.

        Raises:
            asyncio.CancelledError: it was cancelled from outside.
        """
        deadline = Deadline(self.clock, self.began_at + deadline_s)
        self._scope = asyncio.timeout_at(deadline.at)
        try:
            with deadline:
                async with self._scope:
                    return await self.run()
        except TimeoutError:
            self._time_out(deadline_s)
        return Report(self, estimate_gains)

    def _time_out(self, deadline_s: float) -> None:
        self.finished_at = self.clock()
        self.is_over = self.flawed = True
        for body in self.program.bodies:
            index = body.index
            if self.ended_at[index] == NEVER or self.statuses.get(index) is Status.CANCELLED:
                has_started = self.started_at[index] != NEVER
                error = StepTimeoutError(deadline_s, waiting=not has_started, of_view=True)
                self._note(index, Status.TIMED_OUT, error)
                self.values[index] = body.default
                if self.failure is None and body.required and body.default is MISSING:
                    self.failure = index

    def interrupt(self) -> None:
        """Note that what ends the run is addressed to its task: a cancellation, mostly."""
        self.cancelled = self.flawed = True
        self.positional = ()
        self.finished_at = self.clock()

    def leave(self) -> OnDisconnect:
        """Let the run end because nobody waits for it any more: nothing new starts.

        Returns:
            What is to become of the task that awaits `run`. `"cancel"`: cancel it. `"finish"`, `"detach"`: a
            step or a tear-down that has begun must not be torn, so do not; `run` raises `CancelledError` when
            the last such step has ended, others having been cancelled.
        """
        if self.resources is not None and self.resources.is_closing:
            return "finish"
        kept = {body.on_disconnect for body in self.program.bodies if self.is_running(body)} - {"cancel"}
        if not kept:
            return "cancel"
        self.is_leaving = True
        self.end()
        return "finish" if "finish" in kept else "detach"

    @property
    def running(self) -> tuple[str, ...]:
        """Names of the steps whose bodies run just now."""
        return tuple(body.step.name for body in self.program.bodies if self.is_running(body))

    def is_running(self, body: Body) -> bool:
        """Tell whether a body has begun and not ended; one that waits for a lock or thread has not begun."""
        index = body.index
        if self.ended_at[index] != NEVER:
            return False
        call = self.calls.get(index)
        return self.started_at[index] != NEVER or (call is not None and call.started_at is not None)

    async def run_here(self, body: Body, workers: Workers | None = None) -> None:
        """Run a step in the context of this task; its failure becomes part of the ledger, not raised.

        Args:
            workers: of a task that was made for this step, and goes on with others. Not a coroutine of
                their own: a frame for each step that waits is the most that a run takes of memory.
        """
        if self.is_over:  # it ended between the making of this task and its first turn
            return
        index = body.index
        arguments = NO_ARGUMENTS if body.is_bare else self.collect(body)
        if arguments is not None:
            try:
                if body.call is not None:
                    value = await self.call(body, body.call, arguments)
                else:
                    self.started_at[index] = self.clock()
                    positional = self.positional if body.takes_request else ()
                    value = body.function() if body.is_bare else body.function(*positional, **arguments)
                    if not body.is_plain:
                        value = await value
            except PASSING as error:
                self.pass_on(body, error)
                raise
            # The boundary of the step: whatever it raises is its failure, SystemExit included.
            except BaseException as error:  # noqa: BLE001
                self.fail(body, error)
            else:
                self.values[index] = value
                self.ended_at[index] = self.clock()
                if self.answers and isinstance(value, self.answers):
                    self.answer_with(value)
        if workers is not None and workers.is_to_go_on(body):
            await workers.drive(self.ended_at[index])

    async def call(
        self,
        body: Body,
        step_call: StepCall,
        arguments: dict[str, Any],
        context: contextvars.Context | None = None,
    ) -> Any:
        """Run a step through its policies and its runner.

        Args:
            context: the step's, if this task has another.
        """
        if self.calls is NOTHING:
            self.calls = {}
        call = self.calls[body.index] = Call(
            body.step,
            self.request,
            arguments,
            required=body.required,
            plan=self.plan,
            run_began_at=self.began_at,
        )
        if self.resources is not None and body.step.is_resource:
            step_call = self._enter(self.resources, step_call, context)
        if self._scope is not None:
            call.is_expired = self._scope.expired
        try:
            return await step_call(call)
        finally:
            call.request = None
            if call.started_at is not None:
                self.started_at[body.index] = call.started_at

    def _enter(
        self, resources: Resources, step_call: StepCall, context: contextvars.Context | None
    ) -> StepCall:
        """Return what enters a resource; in a worker, in a task that outlives it."""
        if self._workers is None:
            return lambda call: resources.enter(step_call, call)
        apart = context or self._workers.context.copy()
        return lambda call: resources.enter_apart(step_call, call, apart)

    def collect(self, body: Body) -> dict[str, Any] | None:
        """Return a step's arguments; `None`, and the step is skipped, if one that it needs has no value."""
        values = self.values
        arguments: dict[str, Any] = {}
        for parameter, source in body.takes_steps:
            value = values[source]
            if value is not MISSING:
                arguments[parameter] = value
            elif parameter in body.needs:
                self._skip(body, parameter, self.errors.get(source))
                return None
        for parameter, name in body.takes_inputs:
            value = self.inputs.get(name, MISSING)
            if value is not MISSING:
                arguments[parameter] = value
            elif parameter in body.needs:
                self._skip(body, parameter)
                return None
        return arguments

    def _skip(self, body: Body, parameter: str, cause: BaseException | None = None) -> None:
        """Note that a step is skipped for want of what a parameter takes."""
        error = StepSkippedError(parameter)
        error.__cause__ = cause
        self.fail(body, error, Status.SKIPPED)

    def pass_on(self, body: Body, error: BaseException) -> None:
        """Note that a step was cancelled, by the end of the run or by somebody who means this task."""
        self.ended_at[body.index] = self.clock()
        self._note(body.index, Status.CANCELLED)
        if not self.is_over:
            if self._workers is not None:
                self._workers.passing = error
            self.end()

    def fail(self, body: Body, error: BaseException, status: Status | None = None) -> None:
        """Note the failure of a step; that of one that is required ends the run."""
        index = body.index
        self.ended_at[index] = self.clock()
        if status is None:
            status = Status.TIMED_OUT if isinstance(error, StepTimeoutError) else Status.FAILED
        self._note(index, status, error)
        self.values[index] = body.default
        if self.is_over:
            return
        # An answer that is raised is an answer, however little the step was needed.
        if (body.required and body.default is MISSING) or isinstance(error, self.answers):
            self.failure = index
            self.end()

    def _note(self, index: int, status: Status, error: BaseException | None = None) -> None:
        """Note that a step has given no result of its own."""
        self.flawed = True
        if self.statuses is NOTHING:
            self.statuses, self.errors = {}, {}
        self.statuses[index] = status
        if error is not None:
            self.errors[index] = error

    def answer_with(self, value: Any) -> None:
        """End the run with a step's response, unless it has ended."""
        if not self.is_over:
            self.answer = value
            self.end()

    def end(self) -> None:
        """Let the run end: nothing new starts, and the request's task wakes up to stop what runs."""
        self.is_over = self.flawed = True
        if self._workers is not None:
            self._workers.wake()
