"""Runner `thread`: plain functions in a bounded pool of our own.

Not the event loop's default executor: that one is shared with name resolution and files, and a slot that a
timed-out body holds is not seen there. Not `concurrent.futures`: at exit it waits for bodies that hang.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import itertools
import os
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from aiohttp_steps.runners.generators import enter_sync
from aiohttp_steps.runners.loop import refuse_async, refuse_awaitable
from aiohttp_steps.types import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp_steps.types import Call, Rank, RankCall, Step, StepCall


_FIRST_COME: Rank = (0.0, 0.0, 0)
"""Rank of all that waits for a thread where the order is that of coming."""

_bodies = threading.local()
"""Which job a thread works on: `_bodies.job`."""


def check_cancelled() -> None:
    """End a body in a thread for which nobody waits any more; to be called between pieces of its work.

    A thread cannot be stopped from outside. Its client may have left, its time be up, a required step have
    failed: then this raises, and the body should let it pass, after cleaning up. Costs less than a
    microsecond. Where nothing was cancelled, and outside of runner `thread`, it does nothing.

    Raises:
        asyncio.CancelledError: the step was cancelled, or has timed out.
    """
    job: _Job | None = getattr(_bodies, "job", None)
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
        self._pool = _Pool(threads or min(32, (os.cpu_count() or 1) + 4), rank)

    def bind(self, step: Step) -> StepCall:
        """Return what calls the step in a thread.

        Raises:
            PlanError: the step is an `async def`.
        """
        refuse_async(step, self.name)
        return self._enter if step.is_resource else self._call

    async def open(self) -> None:
        """Do nothing: a thread is started when it is needed, in microseconds."""

    async def close(self) -> None:
        """End the threads that are idle. Those left behind end with their bodies, or with the process."""
        self._pool.close()

    def left_behind(self) -> tuple[str, ...]:
        """Return names of the steps whose bodies outlived their timeout and still run."""
        return tuple(job.call.step.name for job in self._pool.left_behind)

    async def _call(self, call: Call) -> Any:
        function = call.step.function
        return await self._run(call, lambda: function(*call.positional, **call.arguments))

    async def _enter(self, call: Call) -> Any:
        """Run a generator up to its yield in a thread, and after it in a thread, not always the same one."""
        return await enter_sync(call, lambda function: self._run(call, function))

    async def _run(self, call: Call, function: Callable[[], Any]) -> Any:
        job = _Job(call, function, asyncio.get_running_loop())
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

    async def _outlive(self, job: _Job) -> None:
        """Wait for a body that runs although its call was cancelled, until its own time is up."""
        while not job.is_done:
            if job.call.is_expired():
                self._pool.leave_behind(job)
                return
            # The cancelled wait has cancelled the future that it waited on.
            job.finished = job.loop.create_future()
            try:
                await job.finished
            except asyncio.CancelledError:
                continue  # the caller raises the first one


class _Job:
    """One call on its way through the pool. Only `run` happens in the thread."""

    __slots__ = (
        "call",
        "context",
        "error",
        "finished",
        "function",
        "has_ended",
        "is_claimed",
        "is_done",
        "is_unwanted",
        "loop",
        "value",
    )

    def __init__(self, call: Call, function: Callable[[], Any], loop: asyncio.AbstractEventLoop) -> None:
        self.call = call
        self.function = function
        self.loop = loop
        self.context = contextvars.copy_context()
        self.finished: asyncio.Future[None] = loop.create_future()
        self.is_claimed = False  # by a thread; under the pool's lock, as is the next
        self.has_ended = False
        self.is_done = False
        self.is_unwanted = False  # set in the loop, read in the thread
        self.value: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        call = self.call
        at = self.loop.time()
        if call.on_start is None:
            call.mark_started(at)
        else:  # somebody in the loop waits for it
            self._tell(call.mark_started, at)
        _bodies.job = self
        try:
            self.value = self.context.run(self.function)
        # Whatever a body raises belongs to the task that waits for it, which judges it.
        except BaseException as error:  # noqa: BLE001
            self.error = error
        finally:
            del _bodies.job
        self._tell(self._deliver)

    def _deliver(self) -> None:
        self.is_done = True
        if not self.finished.done():
            self.finished.set_result(None)

    def _tell(self, function: Callable[..., None], *arguments: Any) -> None:
        try:
            self.loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:  # the loop is closed: nobody waits
            self.is_done = True


class _Pool:
    """Threads, started when needed and kept until `close`; daemons, so that none holds up the exit."""

    def __init__(self, size: int, rank: RankCall | None) -> None:
        self._size = size
        self._rank = rank
        self._changed = threading.Condition()
        # Jobs for which a thread is on its way, and the heap of those that wait until one is free.
        self._queue: deque[_Job] = deque()
        self._waiting: list[tuple[Rank, int, _Job]] = []
        self._number = itertools.count()
        self._is_closed = False
        self._idle = 0
        self._threads: set[threading.Thread] = set()
        self._left_behind: set[_Job] = set()

    @property
    def left_behind(self) -> list[_Job]:
        with self._changed:
            return list(self._left_behind)

    def submit(self, job: _Job) -> None:
        with self._changed:
            self._is_closed = False
            # An idle thread that was notified already is not idle for this job.
            if self._idle > len(self._queue):
                self._queue.append(job)
                self._changed.notify()
            elif len(self._threads) < self._size:
                self._queue.append(job)
                name = f"aiohttp-steps-{len(self._threads)}"
                thread = threading.Thread(target=self._work, name=name, daemon=True)
                self._threads.add(thread)
                thread.start()
            else:
                rank = _FIRST_COME if self._rank is None else self._rank(job.call)
                heapq.heappush(self._waiting, (rank, next(self._number), job))
                self._changed.notify()  # one may be idle while another is on its way to the job before

    def withdraw(self, job: _Job) -> bool:
        """Take a job out of the queue; answers whether it had not started."""
        with self._changed:
            if job.is_claimed:
                return False
            if job in self._queue:
                self._queue.remove(job)
            else:
                self._waiting = [entry for entry in self._waiting if entry[-1] is not job]
                heapq.heapify(self._waiting)
            return True

    def leave_behind(self, job: _Job) -> None:
        with self._changed:
            if not job.has_ended:  # the loop may not have heard of it yet
                self._left_behind.add(job)

    def close(self) -> None:
        with self._changed:
            threads = [*self._threads]
            self._is_closed = True
            self._changed.notify_all()
            busy = len(self._left_behind)
        if not busy:
            for thread in threads:
                thread.join(timeout=1.0)

    def _work(self) -> None:
        while (job := self._next()) is not None:
            job.run()
            with self._changed:
                job.has_ended = True
                self._left_behind.discard(job)
            del job  # its values must not wait for the next one

    def _next(self) -> _Job | None:
        with self._changed:
            while not self._queue and not self._waiting:
                if self._is_closed:
                    self._threads.discard(threading.current_thread())
                    return None
                self._idle += 1
                self._changed.wait()
                self._idle -= 1
            job = self._queue.popleft() if self._queue else heapq.heappop(self._waiting)[-1]
            job.is_claimed = True
            return job


def _restore(context: contextvars.Context) -> None:
    """Set in this context what a body set in its copy."""
    for variable, value in context.items():
        if variable.get(MISSING) is not value:
            variable.set(value)
