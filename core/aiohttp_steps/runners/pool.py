"""Threads that take jobs and hand them back to the event loop; what a job is for is not their business.

What costs in it is not its code but who wakes whom: each system call lets go of the interpreter's lock, and
each thread that wakes up asks for it. So one thread is woken at a time, and one word brings the loop all that
has ended until it listens.
"""

from __future__ import annotations

import contextvars
import heapq
import itertools
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from aiohttp_steps.types.running import FIRST_COME

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from aiohttp_steps.types import Call, Rank, RankCall

bodies = threading.local()
"""Which job a thread works on: `bodies.job`, `None` between two."""


class Job:
    """One call on its way through the pool. Only `run` happens in the thread.

    Attributes:
        finished: of the loop; done when the job has come back.
        is_done: whether it has come back, which the loop knows.
        has_ended: whether its thread is done with it; under the pool's lock, as is `is_claimed`.
        is_claimed: whether a thread has taken it.
        is_unwanted: set in the loop, read in the thread.
        value, error: what the function gave, or raised.
    """

    __slots__ = (
        "_function",
        "_landing",
        "_started_at",
        "call",
        "context",
        "error",
        "finished",
        "has_ended",
        "is_claimed",
        "is_done",
        "is_unwanted",
        "value",
    )

    def __init__(self, call: Call, function: Callable[[], Any], landing: Landing) -> None:
        self.call = call
        self.context = contextvars.copy_context()
        self.finished: asyncio.Future[None] = landing.loop.create_future()
        self.is_claimed = self.has_ended = self.is_done = self.is_unwanted = False
        self.value: Any = None
        self.error: BaseException | None = None
        self._function = function
        self._landing = landing
        self._started_at: float | None = None

    def run(self) -> None:
        """Call the function, in the thread."""
        call, landing = self.call, self._landing
        at = landing.loop.time()
        if call.on_start is None:
            call.mark_started(at)
        else:  # somebody in the loop waits for it
            self._started_at = at
            landing.receive(self)
        bodies.job = self
        try:
            self.value = self.context.run(self._function)
        # Whatever a body raises belongs to the task that waits for it, which judges it.
        except BaseException as error:  # noqa: BLE001
            self.error = error
        finally:
            bodies.job = None
        self.is_done = True
        landing.receive(self)

    def land(self) -> None:
        """Tell in the loop what has become known since: that it has started, that it has ended, or both."""
        started_at, self._started_at = self._started_at, None
        try:
            if started_at is not None:
                self.call.mark_started(started_at)
        finally:
            if self.is_done and not self.finished.done():
                self.finished.set_result(None)


class Landing:
    """Where jobs of one event loop come back to it."""

    __slots__ = ("_is_told", "_jobs", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._jobs: deque[Job] = deque()
        self._is_told = False

    def receive(self, job: Job) -> None:
        """Let a job land in the loop's next turn; called in any thread.

        A loop that was told and has not come yet is not told again: it takes all that is there when it comes.
        """
        # No lock: the job is there before the flag is read, and the loop clears the flag before it looks.
        self._jobs.append(job)
        if not self._is_told:
            self._tell()

    def _tell(self) -> None:
        self._is_told = True
        try:
            self.loop.call_soon_threadsafe(self._land)
        except RuntimeError:  # the loop is closed: nobody waits
            self._is_told = False
            self._jobs.clear()

    def _land(self) -> None:
        self._is_told = False
        jobs = self._jobs
        try:
            # Those that come meanwhile tell the loop again.
            for _ in range(len(jobs)):
                jobs.popleft().land()
        finally:
            if jobs and not self._is_told:  # one has raised; the others are to land all the same
                self._tell()


class Pool:
    """Threads, started when needed and kept until `close`; daemons, so that none holds up the exit.

    Args:
        size: most threads at once.
        rank: says which of the jobs that wait for a thread is next; `None`: first come, first served.
    """

    def __init__(self, size: int, rank: RankCall | None) -> None:
        self._size = size
        self._rank = rank
        self._lock = threading.Lock()
        # Jobs for which a thread is on its way, and the heap of those that wait until one is free.
        self._queue: deque[Job] = deque()
        self._waiting: list[tuple[Rank, int, Job]] = []
        self._number = itertools.count()
        self._is_closed = False
        self._threads: set[threading.Thread] = set()
        # Threads that sleep, each on a lock of its own, the last to fall asleep being the first to be woken.
        self._asleep: list[threading.Lock] = []
        self._is_waking = False  # whether one was woken and has not come yet
        self._free = 0  # threads without a job: asleep, waking or starting
        self._left_behind: set[Job] = set()

    @property
    def left_behind(self) -> list[Job]:
        """Jobs whose callers have gone although their bodies run."""
        with self._lock:
            return list(self._left_behind)

    @property
    def idle(self) -> int:
        """How many threads sleep."""
        with self._lock:
            return len(self._asleep)

    def submit(self, job: Job) -> None:
        """Let a thread run a job: at once if one is free or may be started, else when its turn has come."""
        with self._lock:
            self._is_closed = False
            if self._free > len(self._queue) and not self._waiting:
                self._queue.append(job)
            elif len(self._threads) < self._size:
                self._start()
                self._queue.append(job)
                return
            else:
                rank = FIRST_COME if self._rank is None else self._rank(job.call)
                heapq.heappush(self._waiting, (rank, next(self._number), job))
            if self._asleep and not self._is_waking:
                self._wake()

    def _start(self) -> None:
        thread = threading.Thread(target=self._work, name=f"aiohttp-steps-{len(self._threads)}", daemon=True)
        thread.start()
        self._threads.add(thread)
        self._free += 1

    def withdraw(self, job: Job) -> bool:
        """Take a job out of the queue; answers whether it had not started."""
        with self._lock:
            if job.is_claimed:
                return False
            if job in self._queue:
                self._queue.remove(job)
            else:
                self._waiting = [entry for entry in self._waiting if entry[-1] is not job]
                heapq.heapify(self._waiting)
            return True

    def leave_behind(self, job: Job) -> None:
        """Count a job as left behind, until its body ends."""
        with self._lock:
            if not job.has_ended:  # the loop may not have heard of it yet
                self._left_behind.add(job)

    def close(self) -> None:
        """End the threads that are asleep, and the others with their jobs."""
        with self._lock:
            threads = [*self._threads]
            self._is_closed = True
            while self._asleep:
                self._wake()
            busy = len(self._left_behind)
        if not busy:
            for thread in threads:
                thread.join(timeout=1.0)

    def _wake(self) -> None:
        self._is_waking = True
        self._asleep.pop().release()

    def _work(self) -> None:
        lock, asleep = self._lock, self._asleep
        bell = threading.Lock()
        bell.acquire()
        job: Job | None = None
        was_asleep = False
        while True:
            with lock:
                if was_asleep:
                    was_asleep = self._is_waking = False
                elif job is not None:
                    job.has_ended = True
                    self._left_behind.discard(job)
                    self._free += 1
                taken = self._take()
                if taken is None:
                    if self._is_closed:
                        self._threads.discard(threading.current_thread())
                        self._free -= 1
                        return
                    asleep.append(bell)
            job = taken  # the values of the one before must not wait for the next one
            del taken
            if job is None:
                bell.acquire()
                was_asleep = True
            else:
                job.run()

    def _take(self) -> Job | None:
        """Return the next job, and wake another thread if there are more: not before, nor all at once."""
        if self._queue:
            job = self._queue.popleft()
        elif self._waiting:
            job = heapq.heappop(self._waiting)[-1]
        else:
            return None
        job.is_claimed = True
        self._free -= 1
        if self._asleep and not self._is_waking and (self._queue or self._waiting):
            self._wake()
        return job
