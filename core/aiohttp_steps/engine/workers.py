"""The tasks that run the steps of a stage of several: the hot path."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections import deque
from typing import TYPE_CHECKING, Any

from aiohttp_steps.engine.context import go_on
from aiohttp_steps.engine.implementation import PASSING
from aiohttp_steps.engine.outlasting import outlast

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from aiohttp_steps.engine.execution import Execution
    from aiohttp_steps.engine.program import Body, Stage

# Eager tasks run up to their first wait where they are made: a step that does not wait costs no turn.
_IS_EAGER = sys.version_info >= (3, 12)

NO_ARGUMENTS: dict[str, Any] = {}
"""What a step gets that takes nothing; nobody writes to it."""


class Workers:
    """Runs a stage of several steps.

    Workers, which are tasks, run the steps: whoever ends a step goes on with what is ready, and whoever has
    to wait leaves that to others, so that tasks are made for steps that wait and for no others. The request's
    task waits for a countdown, and is the only one that cancels workers and waits for their end: on each way
    out none is left. It runs none of these steps itself, unless none can wait, or only one can run at a time:
    a cancellation of the request, which ends all, has to be told from one that a step asks for, as its own
    time limits do.

    Attributes:
        context: what each step gets a copy of.
        passing: what a step has raised that is addressed to the request's task.
    """

    __slots__ = (
        "_at",
        "_execution",
        "_is_starting",
        "_loop",
        "_ready",
        "_stage",
        "_tasks",
        "_to_do",
        "_waits_for",
        "_wake",
        "context",
        "passing",
    )

    def __init__(self, execution: Execution, stage: Stage) -> None:
        self._execution = execution
        self._stage = stage
        self._loop = asyncio.get_running_loop()
        # One driver takes a chain in order, so that nothing has to be counted.
        self._ready: deque[Body] = deque(stage.members if stage.is_chain else stage.roots)
        self._to_do = stage.size
        self._waits_for = stage.waits_for.copy() if stage.waits_for else stage.waits_for
        self._tasks: list[asyncio.Task[None]] = []
        self._wake: asyncio.Future[None] | None = None
        self._is_starting = False
        # What each worker runs just now; kept only where that makes a difference.
        self._at: dict[asyncio.Task[Any] | None, Body] | None = {} if stage.keeps else None
        self.context = contextvars.copy_context()
        self.passing: BaseException | None = None

    async def run(self) -> None:
        """Run the stage, and leave no worker."""
        stage, execution = self._stage, self._execution
        now = execution.clock()
        ready_at = execution.ready_at
        for body in stage.roots:
            ready_at[body.index] = now
        try:
            if stage.is_chain:
                await self.drive(now, is_chain=True)
            elif stage.is_plain:
                await self.drive(now)
            elif _IS_EAGER or stage.waits:
                self._start_workers()
            else:
                self._start(self.drive(now), stage.roots[0])
            if self._to_do and not execution.is_over:
                self._wake = self._loop.create_future()
                await self._wake
        finally:
            if self._to_do:  # somebody failed or answered, or this task was cancelled
                await self._stop_workers()
            self._tasks.clear()
        if self.passing is not None:
            raise self.passing

    def wake(self) -> None:
        """Wake the request's task, if it waits."""
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _start_workers(self) -> None:
        """Start a worker for each ready step.

        An eager worker runs in here. Where its step does not wait it goes on with the next, and where that
        does, others are started from here, not from within itself: many steps must not become a deep stack.
        """
        ready, execution = self._ready, self._execution
        self._is_starting = True
        try:
            while ready and not execution.is_over:
                body = ready.popleft()
                self._start(self._execution.run_here(body, self), body)
        finally:
            self._is_starting = False

    def _start(self, work: Coroutine[Any, Any, None], body: Body) -> None:
        """Make a task, which is called like its first step."""
        name, context, loop = body.step.name, self.context.copy(), self._loop
        Task: Any = asyncio.Task  # noqa: N806 - typeshed knows eager_start from 3.12 on
        if loop.get_task_factory() is not None:  # an app that has set one means all tasks
            task = loop.create_task(work, name=name, context=context)
        elif _IS_EAGER:
            task = Task(work, loop=loop, name=name, context=context, eager_start=True)
        else:
            task = Task(work, loop=loop, name=name, context=context)
        if not task.done():
            self._tasks.append(task)
            if self._at is not None:
                self._at.setdefault(task, body)  # an eager one may have gone on with another

    def is_to_go_on(self, body: Body) -> bool:
        """Note the end of a step; answers whether its task should `drive` what is ready."""
        self._to_do -= 1
        execution = self._execution
        if not execution.is_over:
            if body.successors:
                self._release(body, execution.ended_at[body.index])
            if self._ready:
                return True
        if not self._to_do:
            self.wake()
        return False

    async def drive(self, now: float, *, is_chain: bool = False) -> None:  # noqa: C901, PLR0912, PLR0915 - see its docstring
        """Run ready steps in this task one by one, each in a context of its own, until none is ready.

        As long as they do not wait, nothing else is needed. Before the first one waits, workers are started
        for the others. The failure of a step becomes part of the ledger and is not raised. All bookkeeping
        of a step is in here: a call per step and phase would cost as much as the rest of it.

        Args:
            now: the event loop's time, which the start of the first step is taken to be, as the end of each
                step is the start of the next.
            is_chain: each of the ready steps waits for the one before it, so that no worker is of use.
        """
        execution, ready, at = self._execution, self._ready, self._at
        clock, ready_at = execution.clock, execution.ready_at
        started_at, ended_at = execution.started_at, execution.ended_at
        copy_context, values = self.context.copy, execution.values
        while ready and not execution.is_over:
            body = ready.popleft()
            index = body.index
            if is_chain:
                ready_at[index] = now
            elif at is not None:
                at[asyncio.current_task()] = body
            arguments = NO_ARGUMENTS if body.is_bare else execution.collect(body)
            if arguments is not None:
                context = copy_context()
                run = context.run
                try:
                    positional = execution.positional if body.takes_request else ()
                    if body.is_plain:
                        started_at[index] = now
                        value = run(body.function, *positional, **arguments)
                    else:
                        if body.call is None:
                            started_at[index] = now
                            # Nothing of it runs in here.
                            working = (
                                body.function() if body.is_bare else body.function(*positional, **arguments)
                            )
                        else:
                            working = execution.call(body, body.call, arguments, context)
                        try:
                            yielded = run(working.send, None)
                        except StopIteration as stop:
                            value = stop.value
                        else:
                            if ready and not is_chain and not self._is_starting:
                                self._stage.waits = True
                                self._start_workers()
                            value = await go_on(run, working, yielded)
                except PASSING as error:
                    execution.pass_on(body, error)
                    raise
                # The boundary of the step: whatever it raises is its failure, SystemExit included.
                except BaseException as error:  # noqa: BLE001
                    execution.fail(body, error)
                    now = ended_at[index]
                else:
                    values[index] = value
                    now = ended_at[index] = clock()
                    if execution.answers and isinstance(value, execution.answers):
                        execution.answer_with(value)
            else:
                now = ended_at[index]
            self._to_do -= 1
            if not is_chain and body.successors and not execution.is_over:
                self._release(body, now)
        if not self._to_do:
            self.wake()

    def _release(self, body: Body, now: float) -> None:
        """Note which steps the end of `body` has made ready."""
        waits_for, execution = self._waits_for, self._execution
        for index in body.successors:
            waits_for[index] -= 1
            if not waits_for[index]:
                execution.ready_at[index] = now
                self._ready.append(execution.program.bodies[index])

    async def _stop_workers(self) -> None:
        """Cancel the workers and wait for their end, however often this task is cancelled meanwhile.

        When the run is left, a worker whose step is not to be torn is only waited for.
        """
        execution, at = self._execution, self._at
        execution.is_over = True
        for task in self._tasks:
            body = at.get(task) if at is not None and execution.is_leaving else None
            if body is None or body.on_disconnect == "cancel" or not execution.is_running(body):
                task.cancel()
        try:
            await outlast(self._tasks)
        finally:
            for task in self._tasks:
                if not task.cancelled():
                    task.exception()  # what it was is in `passing`; here it only counts as seen
