"""Runner `thread`: plain functions in a bounded pool of our own.

Not the event loop's default executor: that one is shared with name resolution and files, and a slot that a
timed-out body holds is not seen there. Not `concurrent.futures`: at exit it waits for bodies that hang.
"""

from __future__ import annotations

import asyncio
import os
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp_steps.runners.generators import enter_sync
from aiohttp_steps.runners.loop import refuse_async, refuse_awaitable
from aiohttp_steps.runners.pool import Job, Landing, Pool, bodies
from aiohttp_steps.types import MISSING

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Callable

    from aiohttp_steps.types import Call, RankCall, Step, StepCall


def check_cancelled() -> None:
    """End a body in a thread for which nobody waits any more; to be called between pieces of its work.

    A thread cannot be stopped from outside. Its client may have left, its time be up, a required step have
    failed: then this raises, and the body should let it pass, after cleaning up. Costs less than a
    microsecond. Where nothing was cancelled, and outside of runner `thread`, it does nothing.

    Raises:
        asyncio.CancelledError: the step was cancelled, or has timed out.
    """
    job: Job | None = getattr(bodies, "job", None)
    if job is not None and job.is_unwanted:
        raise asyncio.CancelledError


class ThreadRunner:
    """Calls plain functions in threads, with a copy of the context.

    What a body changes in its context is set in the caller's context when it ends, as for an `async def`.

    When a call is cancelled: a body that has not started never will; one that runs is waited for, because it
    cannot be stopped, unless its own `timeout` is what cancelled it. Then it is left behind: it keeps its
    thread until it ends, is counted by `left_behind`, and its result is discarded. In both cases the body
    learns of it if it asks, by `check_cancelled`.

    Args:
        threads: most threads at once; `None`: number of processors plus 4, at most 32.
        rank: says which of those that wait for a thread is next; `None`: first come, first served.
    """

    name = "thread"

    def __init__(self, threads: int | None = None, rank: RankCall | None = None) -> None:
        self._pool = Pool(threads or min(32, (os.cpu_count() or 1) + 4), rank)
        self._landing: Landing | None = None  # of the loop that was served last

    def bind(self, step: Step) -> StepCall:
        """Return what calls the step in a thread.

        Raises:
            PlanError: the step is an `async def`.
        """
        refuse_async(step, self.name)
        return self._enter if step.is_resource else self._run

    async def open(self) -> None:
        """Do nothing: a thread is started when it is needed, in microseconds."""

    async def close(self) -> None:
        """End the threads that are idle. Those left behind end with their bodies, or with the process."""
        self._pool.close()
        self._landing = None

    def left_behind(self) -> tuple[str, ...]:
        """Return names of the steps whose bodies outlived their timeout and still run."""
        return tuple(job.call.step.name for job in self._pool.left_behind)

    async def _enter(self, call: Call) -> Any:
        """Run a generator up to its yield in a thread, and after it in a thread, not always the same one."""
        return await enter_sync(call, lambda function: self._run(call, function))

    async def _run(self, call: Call, function: Callable[[], Any] | None = None) -> Any:
        """Run a function in a thread; `None`: the step's own, with what it takes."""
        if function is None:
            function = partial(call.step.function, *call.positional, **call.arguments)
        loop, landing = asyncio.get_running_loop(), self._landing
        if landing is None or landing.loop is not loop:
            landing = self._landing = Landing(loop)
        job = Job(call, function, landing)
        self._pool.submit(job)
        try:
            await job.finished
        except asyncio.CancelledError:
            job.is_unwanted = True
            if not self._pool.withdraw(job):
                await self._outlive(job)
            raise
        _restore(job.context)
        if job.error is not None:
            try:
                raise job.error
            finally:
                job.error = None  # no cycle of error, traceback and frame
        return refuse_awaitable(job.value)

    async def _outlive(self, job: Job) -> None:
        """Wait for a body that runs although its call was cancelled, until its own time is up."""
        while not job.is_done:
            if job.call.is_expired():
                self._pool.leave_behind(job)
                return
            # The cancelled wait has cancelled the future that it waited on.
            job.finished = asyncio.get_running_loop().create_future()
            try:
                await job.finished
            except asyncio.CancelledError:
                continue  # the caller raises the first one


def _restore(context: contextvars.Context) -> None:
    """Set in this context what a body set in its copy."""
    for variable, value in context.items():
        if variable.get(MISSING) is not value:
            variable.set(value)
