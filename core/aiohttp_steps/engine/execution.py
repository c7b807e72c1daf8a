"""One run of one program: the hot path."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections import deque
from typing import TYPE_CHECKING, Any

from aiohttp_steps.engine.context import await_in
from aiohttp_steps.engine.resources import Resources
from aiohttp_steps.errors import StepSkippedError, StepTimeoutError
from aiohttp_steps.policies import Deadline
from aiohttp_steps.types import MISSING, NEVER, Call, Ledger, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp_steps.engine.program import Body, Program, Stage
    from aiohttp_steps.types import OnDisconnect, RunInfo, StepCall

# Eager tasks run up to their first wait where they are made: a step that does not wait costs no turn.
_IS_EAGER = sys.version_info >= (3, 12)

# These end the run whoever raises them: they are addressed to the task, not to the step.
_PASSING = (asyncio.CancelledError, KeyboardInterrupt, GeneratorExit)

_NO_ARGUMENTS: dict[str, Any] = {}


class Execution(Ledger):
    """A run under way.

    The request's own task runs stages one by one. A stage of one step it awaits itself. In a larger one
    workers, which are tasks, run the steps: whoever ends a step goes on with one that this made ready, and
    starts workers for the others. The request's task waits for a countdown, and is the only one that
    cancels workers and waits for their end: on each way out none is left.

    Args:
        answers: types of results and errors that end the run and answer the request; `()` without HTTP.
    """

    __slots__ = (
        "_answers",
        "_at",
        "_bodies",
        "_clock",
        "_context",
        "_is_leaving",
        "_is_over",
        "_is_starting",
        "_is_together",
        "_loop",
        "_passing",
        "_positional",
        "_program",
        "_ready",
        "_scope",
        "_tasks",
        "_to_do",
        "_waits_for",
        "_wake",
        "resources",
    )

    def __init__(self, program: Program, info: RunInfo, answers: tuple[type, ...] = ()) -> None:
        self._loop = asyncio.get_running_loop()
        self._clock: Callable[[], float] = self._loop.time
        super().__init__(info, self._clock())
        self._program = program
        self._bodies = program.bodies
        self._answers = answers
        self._positional: tuple[Any, ...] = () if info.request is None else (info.request,)
        self._waits_for = list(program.waits_for)
        self._wake: asyncio.Future[None] | None = None
        self._is_over = self._is_leaving = False
        self._is_starting = self._is_together = False
        self.resources = Resources(self.resource_errors) if program.has_resources else None
        self._scope: asyncio.Timeout | None = None
        # What each worker runs just now; kept only where that makes a difference.
        self._at: dict[asyncio.Task[Any] | None, Body] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._passing: BaseException | None = None

    async def run(self) -> None:
        """Run all stages, or as many as there are before the run ends early.

        Raises:
            asyncio.CancelledError: it was cancelled; nothing of it is left running.
        """
        for stage in self._program.stages:
            self._to_do = stage.size
            body = stage.alone
            self._is_together = body is None
            if body is None:
                await self._run_together(stage)
            else:
                self.ready_at[body.index] = self._clock()
                await self._work(body)
            if self._is_over:
                break
        self.finished_at = self._clock()
        if self._is_leaving:
            message = "nobody waits for this run any more"
            raise asyncio.CancelledError(message)

    async def run_within(self, deadline_s: float) -> None:
        """Run, but no longer than that: what has not ended by then has timed out.

        Raises:
            asyncio.CancelledError: it was cancelled from outside.
        """
        deadline = Deadline(self._clock, self.began_at + deadline_s)
        self._scope = asyncio.timeout_at(deadline.at)
        try:
            with deadline:
                async with self._scope:
                    await self.run()
        except TimeoutError:
            self._time_out(deadline_s)

    def _time_out(self, deadline_s: float) -> None:
        self.finished_at = self._clock()
        self._is_over = True
        for body in self._bodies:
            index = body.index
            if self.ended_at[index] == NEVER or self.statuses[index] is Status.CANCELLED:
                has_started = self.started_at[index] != NEVER
                self.errors[index] = StepTimeoutError(deadline_s, waiting=not has_started, of_view=True)
                self.statuses[index] = Status.TIMED_OUT
                self.values[index] = body.default
                if self.failure is None and body.required and body.default is MISSING:
                    self.failure = index

    def interrupt(self) -> None:
        """Note that what ends the run is addressed to its task: a cancellation, mostly."""
        self.cancelled = True
        self.finished_at = self._clock()

    def leave(self) -> OnDisconnect:
        """Let the run end because nobody waits for it any more: nothing new starts.

        Returns:
            What is to become of the task that awaits `run`. `"cancel"`: cancel it. `"finish"`, `"detach"`: a
            step or a tear-down that has begun must not be torn, so do not; `run` raises `CancelledError` when
            the last such step has ended, others having been cancelled.
        """
        if self.resources is not None and self.resources.is_closing:
            return "finish"
        kept = {body.on_disconnect for body in self._bodies if self._is_running(body)} - {"cancel"}
        if not kept:
            return "cancel"
        self._is_leaving = True
        self._end()
        return "finish" if "finish" in kept else "detach"

    @property
    def running(self) -> tuple[str, ...]:
        """Names of the steps whose bodies run just now."""
        return tuple(body.step.name for body in self._bodies if self._is_running(body))

    def _is_running(self, body: Body) -> bool:
        """Tell whether a body has begun and not ended; one that waits for a lock or thread has not begun."""
        index = body.index
        if self.ended_at[index] != NEVER:
            return False
        call = self.calls.get(index)
        return self.started_at[index] != NEVER or (call is not None and call.started_at is not None)

    async def _run_together(self, stage: Stage) -> None:
        """Run a stage of several steps in workers, and leave none of them."""
        self._context = contextvars.copy_context()
        self._ready: deque[Body] = deque(stage.roots)
        self._wake = None
        self._at = {} if stage.keeps else None
        now = self._clock()
        ready_at = self.ready_at
        for body in stage.roots:
            ready_at[body.index] = now
        try:
            self._start_workers()
            if self._to_do and not self._is_over:
                self._wake = self._loop.create_future()
                await self._wake
        finally:
            if self._to_do:  # somebody failed or answered, or this task was cancelled
                await self._stop_workers()
            self._tasks.clear()
        if self._passing is not None:
            raise self._passing

    def _start_workers(self) -> None:
        """Start a worker for each ready step.

        An eager worker runs in here, and what it makes ready is started from here too, not from within
        itself: a long chain must not become a deep stack.
        """
        self._is_starting = True
        ready, context, loop = self._ready, self._context, self._loop
        # A task factory that an app has set means all tasks.
        create = None if loop.get_task_factory() is None else loop.create_task
        Task: Any = asyncio.Task  # noqa: N806 - typeshed knows eager_start from 3.12 on
        try:
            while ready and not self._is_over:
                body = ready.popleft()
                work = self._work(body)
                if create is not None:
                    task = create(work, name=body.step.name, context=context.copy())
                elif _IS_EAGER:
                    task = Task(
                        work, loop=loop, name=body.step.name, context=context.copy(), eager_start=True
                    )
                else:
                    task = Task(work, loop=loop, name=body.step.name, context=context.copy())
                if not task.done():
                    self._tasks.append(task)
        finally:
            self._is_starting = False

    async def _work(self, body: Body) -> None:  # noqa: C901, PLR0912 - one function: see its docstring
        """Run a step in this task, and then each time one that its end has made ready.

        The failure of a step becomes part of the ledger and is not raised. All bookkeeping of a step is in
        here: a call per step and phase would cost as much as the rest of it.
        """
        if self._is_over:  # it ended between the making of this task and its first turn
            return
        clock, started_at = self._clock, self.started_at
        # The task's context is a fresh copy for its first step only; later ones get their own.
        context: contextvars.Context | None = None
        while True:
            index = body.index
            if self._at is not None:
                self._at[asyncio.current_task()] = body
            arguments = _NO_ARGUMENTS if body.is_bare else self._collect(body)
            if arguments is not None:
                try:
                    if body.call is not None:
                        value = await self._call(body, body.call, arguments, context)
                    elif context is None:
                        started_at[index] = clock()
                        if body.takes_request:
                            value = await body.function(*self._positional, **arguments)
                        else:
                            value = await body.function(**arguments)
                    else:
                        started_at[index] = clock()
                        positional = self._positional if body.takes_request else ()
                        value = await await_in(context, body.function, positional, arguments)
                except _PASSING as error:
                    self._pass(body, error)
                    raise
                # The boundary of the step: whatever it raises is its failure, SystemExit included.
                except BaseException as error:  # noqa: BLE001
                    self._fail(body, error, _status_of(error))
                else:
                    self.values[index] = value
                    self.ended_at[index] = clock()
                    if self._answers and isinstance(value, self._answers) and not self._is_over:
                        self.answer = value
                        self._end()
            self._to_do -= 1
            following = self._release(body) if body.successors and not self._is_over else None
            if following is None:
                break
            body = following
            context = self._context.copy()
        if not self._to_do:
            self._end_stage()

    def _release(self, body: Body) -> Body | None:
        """Return a step that the end of `body` has made ready, and start workers for the others."""
        ready = self._ready
        waits_for, ready_at, now = self._waits_for, self.ready_at, self.ended_at[body.index]
        for index in body.successors:
            waits_for[index] -= 1
            if not waits_for[index]:
                ready_at[index] = now
                ready.append(self._bodies[index])
        if not ready:
            return None
        following = ready.popleft()
        if ready and not self._is_starting:
            self._start_workers()
        return following

    async def _stop_workers(self) -> None:
        """Cancel the workers and wait for their end, however often this task is cancelled meanwhile.

        When the run is left, a worker whose step is not to be torn is only waited for.
        """
        self._is_over = True
        running = {task for task in self._tasks if not task.done()}
        interruption: BaseException | None = None
        for task in running:
            body = self._at.get(task) if self._at is not None and self._is_leaving else None
            if body is None or body.on_disconnect == "cancel" or not self._is_running(body):
                task.cancel()
        while running:
            try:
                _, running = await asyncio.wait(running)
            except asyncio.CancelledError as error:
                interruption = error
        for task in self._tasks:
            if not task.cancelled():
                task.exception()  # what it was is in `_passing`; here it only counts as seen
        if interruption is not None:
            raise interruption

    def _end(self) -> None:
        """Let the run end: nothing new starts, and the request's task wakes up to stop what runs."""
        self._is_over = True
        self._end_stage()

    def _end_stage(self) -> None:
        """Wake the request's task, if it waits."""
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def _call(
        self, body: Body, step_call: StepCall, arguments: dict[str, Any], context: contextvars.Context | None
    ) -> Any:
        """Run a step through its policies and its runner."""
        run = self.run_info
        call = self.calls[body.index] = Call(
            body.step, run.request, arguments, required=body.required, run=run, run_began_at=self.began_at
        )
        if self.resources is not None and body.step.is_resource:
            step_call = self._enter(self.resources, step_call, context)
        if self._scope is not None:
            call.is_expired = self._scope.expired
        try:
            if context is None:
                return await step_call(call)
            return await await_in(context, step_call, (call,), {})
        finally:
            if call.started_at is not None:
                self.started_at[body.index] = call.started_at

    def _enter(
        self, resources: Resources, step_call: StepCall, context: contextvars.Context | None
    ) -> StepCall:
        """Return what enters a resource; in a worker, in a task that outlives it."""
        if not self._is_together:
            return lambda call: resources.enter(step_call, call)
        apart = context or self._context.copy()
        return lambda call: resources.enter_apart(step_call, call, apart)

    def _collect(self, body: Body) -> dict[str, Any] | None:
        """Return a step's arguments; `None`, and the step is skipped, if one that it needs has no value."""
        values, inputs = self.values, self.run_info.inputs
        arguments: dict[str, Any] = {}
        for binding in body.bindings:
            source = binding.source
            value = values[source] if isinstance(source, int) else inputs.get(source, MISSING)
            if value is not MISSING:
                arguments[binding.parameter] = value
            elif binding.required:
                error = StepSkippedError(binding.parameter)
                error.__cause__ = self.errors[source] if isinstance(source, int) else None
                self._fail(body, error, Status.SKIPPED)
                return None
        return arguments

    def _pass(self, body: Body, error: BaseException) -> None:
        """Note that a step was cancelled, by the end of the run or by somebody who means this task."""
        self.ended_at[body.index] = self._clock()
        self.statuses[body.index] = Status.CANCELLED
        if not self._is_over:
            self._passing = error
            self._end()

    def _fail(self, body: Body, error: BaseException, status: Status) -> None:
        index = body.index
        self.ended_at[index] = self._clock()
        self.errors[index] = error
        self.statuses[index] = status
        self.values[index] = body.default
        if self._is_over:
            return
        # An answer that is raised is an answer, however little the step was needed.
        if (body.required and body.default is MISSING) or isinstance(error, self._answers):
            self.failure = index
            self._end()


def _status_of(error: BaseException) -> Status:
    return Status.TIMED_OUT if isinstance(error, StepTimeoutError) else Status.FAILED
