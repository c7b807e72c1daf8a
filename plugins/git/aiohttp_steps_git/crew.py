"""Several threads at work on one answer, each with a repository object of its own.

libgit2 lets one thread at a time use a repository, and releases the GIL in its long calls: with an object for
each thread they run side by side. The thread that wants the answer works itself; helpers only take work off
it. So an answer needs no helper, waits for none that is busy elsewhere, and all answers of a process together
have no more helpers than the machine has other processors.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

import pygit2
from aiohttp_steps import check_cancelled

from aiohttp_steps_git.repository import release

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future
    from pathlib import Path

T = TypeVar("T")

MOST_HELPERS = 3
"""Each reads the index for itself, which is a tenth of all the work: more gain little."""

LEAST_INDEX_BYTES = 256 * 1024
"""With fewer than some 3,000 files there is nothing to gain."""


def count_helpers() -> int:
    """Return how many helpers there may be: one for each further processor that this process may use."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(processors - 1, MOST_HELPERS)


# Threads start when they are first needed; with a single processor, never.
_threads = ThreadPoolExecutor(max(1, count_helpers()), thread_name_prefix="aiohttp-steps-git")


@dataclass(frozen=True, slots=True)
class Desk:
    """What one thread works with. One index for both sides: each `repo.index` may read the file anew."""

    repo: pygit2.Repository
    index: pygit2.Index


@dataclass(slots=True, eq=False)
class Job(Generic[T]):
    """A piece of work, and in the end its value or error."""

    work: Callable[[Desk], T]
    value: T | None = None
    error: BaseException | None = None
    done: threading.Event = field(default_factory=threading.Event)

    def do(self, desk: Desk) -> None:
        """Do it; an error is kept for who wants the value."""
        try:
            self.value = self.work(desk)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that asks
            self.error = error
        finally:
            self.done.set()


class Crew:
    """Does jobs in the calling thread and in helpers, until the `with` block ends; then no helper is at work.

    Helpers see the same index as the calling thread: one that finds the file replaced leaves.

    Args:
        repo: for the calling thread.
        index_file: of `repo`; if it is small there are no helpers.
    """

    def __init__(self, repo: pygit2.Repository, index_file: Path) -> None:
        self._path = repo.path
        self._file = index_file
        self._jobs: deque[Job[Any]] = deque()
        self._news = threading.Condition()
        self._dismissed = False
        self._helpers: list[Future[None]] = []
        self._stamp = _stamp(index_file)
        self._repo = repo
        self.desk: Desk

    @property
    def is_large(self) -> bool:
        """Whether dividing work into jobs is worth while: for helpers, and for being stopped between two."""
        return self._stamp is not None and self._stamp[0] >= LEAST_INDEX_BYTES

    def __enter__(self) -> Self:
        """Read the index, here and in helpers at the same time."""
        if self.is_large:
            self._helpers = [_threads.submit(self._help) for _ in range(count_helpers())]
        try:
            self.desk = Desk(self._repo, self._repo.index)
        except BaseException:
            self._close()
            raise
        if self._stamp != _stamp(self._file):
            # Which of the two files anybody has read is not known: go on alone.
            self._close()
            self._helpers = []
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for helpers that are at work; what was not begun is dropped."""
        self._close()

    def add(self, work: Callable[[Desk], T]) -> Job[T]:
        """Have something done, as soon as somebody has time."""
        job = Job(work)
        with self._news:
            self._jobs.append(job)
            self._news.notify()
        return job

    def result(self, job: Job[T]) -> T:
        """Return the value of a job; until it is there, this thread does jobs itself.

        Raises:
            asyncio.CancelledError: nobody waits for it any more.
            Exception: what the job raised.
        """
        while not job.done.is_set():
            check_cancelled()
            with self._news:
                mine = self._jobs.popleft() if self._jobs else None
            if mine is None:
                job.done.wait()  # a helper has it
            else:
                mine.do(self.desk)
        if job.error is not None:
            raise job.error
        return cast("T", job.value)

    def dismiss(self) -> None:
        """Let helpers go as soon as nothing is left to begin; what is added later is done here."""
        with self._news:
            self._dismissed = True
            self._news.notify_all()

    def drop(self, jobs: Iterable[Job[Any]]) -> None:
        """Leave out those of the jobs that nobody has begun."""
        with self._news:
            unwanted = set(jobs)
            self._jobs = deque(job for job in self._jobs if job not in unwanted)

    def _help(self) -> None:
        try:
            repo = pygit2.Repository(self._path)
        except (pygit2.GitError, OSError):
            return  # the calling thread meets the same fault, and can tell of it
        try:
            self._work(Desk(repo, repo.index))
        except (pygit2.GitError, OSError):
            return
        finally:
            release(repo)

    def _work(self, desk: Desk) -> None:
        # The same index for all: with another one, half the answer would be of then and half of now.
        if self._stamp == _stamp(self._file):
            while (job := self._next()) is not None:
                job.do(desk)

    def _next(self) -> Job[Any] | None:
        with self._news:
            self._news.wait_for(lambda: self._jobs or self._dismissed)
            return self._jobs.popleft() if self._jobs else None

    def _close(self) -> None:
        with self._news:
            self._jobs.clear()
        self.dismiss()
        for helper in self._helpers:
            if not helper.cancel():
                helper.exception()  # it ends with the job that it has


def _stamp(file: Path) -> tuple[int, int, int] | None:
    """Return what changes with a file that git replaces; `None` if there is none."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino
