"""Helpers take work off the thread that wants an answer, and nothing depends on them."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pygit2
import pytest
from aiohttp_steps_git import crew as crew_module
from aiohttp_steps_git.crew import Crew


@pytest.fixture(autouse=True)
def helpers(monkeypatch):
    """Give two helpers, whatever the machine has, to an index of any size; none is at work in the end."""
    with ThreadPoolExecutor(2, thread_name_prefix="helper") as threads:
        monkeypatch.setattr(crew_module, "_threads", threads)
        monkeypatch.setattr(crew_module, "count_helpers", lambda: 2)
        monkeypatch.setattr(crew_module, "LEAST_INDEX_BYTES", 0)
        yield threads


@pytest.fixture
def start(repo):
    """Return a function that gives a crew in `repo`."""
    opened = pygit2.Repository(os.fspath(repo.path))
    return lambda: Crew(opened, Path(opened.path, "index"))


def name_thread(_desk):
    return threading.current_thread().name


def test_jobs_overlap_each_with_a_repository_of_its_own(start):
    """libgit2 lets one thread at a time use a repository: three at once need three."""
    barrier = threading.Barrier(3, timeout=20)

    def meet(desk):
        barrier.wait()
        return desk.repo, desk.index

    with start() as crew:
        jobs = [crew.add(meet) for _ in range(3)]
        met = [crew.result(job) for job in jobs]
    assert len({id(repo) for repo, _ in met}) == len({id(index) for _, index in met}) == 3


def test_busy_helpers_are_not_waited_for(start, helpers):
    """Under load each answer is made by its own thread alone, as if there were no helpers."""
    leave = threading.Event()
    busy = [helpers.submit(leave.wait, 20) for _ in range(2)]
    with start() as crew:
        jobs = [crew.add(name_thread) for _ in range(5)]
        names = {crew.result(job) for job in jobs}
    assert not any(each.done() for each in busy)
    leave.set()
    assert names == {threading.current_thread().name}


@pytest.mark.parametrize("helps", [False, True], ids=["here", "in-helper"])
def test_error_is_raised_for_who_asks(start, helps):
    """Wherever it happened; the other jobs are done all the same."""
    begun = threading.Event()

    def fail(_desk):
        begun.set()
        raise pygit2.GitError("no luck")

    with start() as crew:
        job = crew.add(fail)
        assert not helps or begun.wait(20)
        with pytest.raises(pygit2.GitError, match="no luck"):
            crew.result(job)
        assert crew.result(crew.add(name_thread))


def test_nothing_is_begun_after_the_end_and_what_was_begun_is_waited_for(start):
    """When a step has ended nothing of it is at work any more."""
    begun, leave, done = threading.Semaphore(0), threading.Event(), []

    def work(_desk):
        begun.release()
        leave.wait(20)
        done.append(threading.current_thread().name)

    with start() as crew:
        for _ in range(5):
            crew.add(work)
        for _ in range(2):
            assert begun.acquire(timeout=20)
        threading.Timer(0.01, leave.set).start()
    assert len(done) == 2


def stage_a_file(repo):
    repo.write("new.txt")
    repo("add", "new.txt")


def answer(crew):
    """Return which threads did jobs, and how many entries their index had; helpers had the chance to."""
    jobs = [crew.add(lambda desk: (name_thread(desk), len(desk.index))) for _ in range(5)]
    wait(crew._helpers, timeout=3)
    return {crew.result(job) for job in jobs}


def test_helper_that_finds_another_index_leaves(start, repo, helpers):
    """Between two readers somebody staged a file: half an answer of before, half of after would be wrong."""
    held = threading.Event()
    hold = [helpers.submit(held.wait, 20) for _ in range(2)]
    with start() as crew:
        stage_a_file(repo)
        held.set()
        wait(hold)
        answers = answer(crew)
    assert answers == {(threading.current_thread().name, 3)}


def test_helpers_leave_when_the_index_is_another_one_for_who_asks(start, repo, monkeypatch):
    """The same the other way round: a helper has read the file before it was replaced."""
    ready, crew, take_next = threading.Event(), start(), Crew._next

    def tell_and_take_next(crew):
        ready.set()
        return take_next(crew)

    class Late:
        path = crew._path

        @property
        def index(self):
            assert ready.wait(20)
            stage_a_file(repo)
            return pygit2.Repository(self.path).index

    monkeypatch.setattr(Crew, "_next", tell_and_take_next)
    monkeypatch.setattr(crew, "_repo", Late())
    with crew:
        answers = answer(crew)
    assert answers == {(threading.current_thread().name, 4)}


def test_dropped_jobs_are_not_begun(start, helpers):
    """A comparison that is begun anew needs no answers of the one before."""
    leave, done = threading.Event(), []
    for _ in range(2):
        helpers.submit(leave.wait, 20)
    with start() as crew:
        jobs = [crew.add(done.append) for _ in range(3)]
        crew.drop(jobs[:2])
        crew.result(jobs[2])
    leave.set()
    assert len(done) == 1


def test_missing_index_is_no_fault(start, repo):
    """A repository that never staged anything has none."""
    repo.full(".git/index").unlink()
    with start() as crew:
        assert not crew.is_large
        assert crew.result(crew.add(lambda desk: len(desk.index))) == 0
