"""The steps read, and do nothing else: no byte, no time, no lock."""

import gc
import os
import threading
from pathlib import Path

import pygit2
import pytest
from aiohttp_steps_git import (
    CorruptRepositoryError,
    WorkTreeBusyError,
    crew,
    git_branch,
    git_log,
    git_status,
    worktree,
)

MAPS = Path("/proc/self/maps")


def _run_all(path):
    git_branch(project_path=path)
    git_log(project_path=path)
    return git_status(project_path=path)


@pytest.fixture
def stale(repo, make_repo):
    """A repository whose index git would refresh and write at the next `git status`."""
    make_repo("library").commit()
    repo("submodule", "--quiet", "add", str(repo.path.parent / "library"), "sub")
    repo.commit()
    os.utime(repo.full("a.txt"), (1, 1))
    repo.write("b.txt", "changed\n")
    repo.write("sub/new", "new\n")
    repo.write("new", "new\n")
    repo("mv", "dir/c.txt", "moved.txt")
    return repo


def test_nothing_is_written(stale, snapshot):
    """`git status` writes the index here; the steps must not: they run behind the user's back."""
    before = snapshot(stale.path)
    _run_all(stale.path)
    assert snapshot(stale.path) == before
    stale("status")
    assert snapshot(stale.path) != before, "git itself would not have written: the test proves nothing"


@pytest.mark.skipif(not MAPS.exists(), reason="Linux says what a process has open")
def test_nothing_is_left_for_the_garbage_collector(repo, monkeypatch):
    """It would free large indexes, of many calls at once, while the event loop waits for the GIL."""
    monkeypatch.setattr(crew, "LEAST_INDEX_BYTES", 0)
    monkeypatch.setattr(crew, "count_helpers", lambda: 1)
    repo("gc", "--quiet")
    gc.collect()
    gc.disable()
    try:
        _run_all(repo.path)
        left = [line for line in MAPS.read_text().splitlines() if str(repo.path) in line]
    finally:
        gc.enable()
    assert left == []


def test_held_lock_does_not_disturb(stale):
    """While the user's own git command holds the lock, the answer comes all the same."""
    before = _run_all(stale.path)
    lock = stale.path / ".git/index.lock"
    lock.touch()
    (stale.path / ".git/HEAD.lock").touch()
    assert _run_all(stale.path) == before
    assert lock.exists()


def test_users_git_command_never_meets_a_lock(stale):
    """Git fails when it finds a lock; it must find none while the steps run."""
    stop = threading.Event()

    def read_on():
        while not stop.is_set():
            _run_all(stale.path)

    thread = threading.Thread(target=read_on)
    thread.start()
    try:
        for number in range(20):
            stale.write("new", f"{number}\n")
            stale("add", "new")
    finally:
        stop.set()
        thread.join()


def test_repository_that_may_not_be_written(own_repo, run_as_user):
    """On a read-only mount, or as a user who may only look."""
    own_repo.write("a.txt", "changed\n")
    for full in (own_repo.path, *own_repo.path.rglob("*")):
        full.chmod(full.stat().st_mode & ~0o222)
    assert run_as_user("git_branch", own_repo.path)["name"] == "main"
    assert len(run_as_user("git_log", own_repo.path)) == 1
    assert [c["path"] for c in run_as_user("git_status", own_repo.path)["unstaged"]] == ["a.txt"]


def test_files_that_come_and_go_meanwhile(repo):
    """Somebody works in the folder: an answer a moment old is right, an error is not."""
    stop = threading.Event()

    def work():
        number = 0
        while not stop.is_set():
            number += 1
            for name in ("a.txt", "dir/c.txt", "new/x"):
                repo.write(name, f"{number}\n")
            for name in ("a.txt", "dir/c.txt", "new/x"):
                repo.full(name).unlink()
            repo.full("new").rmdir()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(300):
            git_status(project_path=repo.path)
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize(
    ("faults", "message", "expected"),
    [
        pytest.param(3, "error reading file for hashing: ", None, id="now-and-then"),
        pytest.param(1000, "error reading file for hashing: ", WorkTreeBusyError, id="always"),
        pytest.param(1, "something else", CorruptRepositoryError, id="other"),
    ],
)
def test_race_is_tried_again_and_nothing_else(repo, monkeypatch, faults, message, expected):
    """What libgit2 says when a file shrinks under it; if that has no end, it is an error of its own."""
    left, read_once = faults, worktree._read_once

    def read(*arguments):
        nonlocal left
        left -= 1
        if left >= 0:
            raise pygit2.GitError(message)
        return read_once(*arguments)

    monkeypatch.setattr(worktree, "_read_once", read)
    if expected is None:
        assert git_status(project_path=repo.path).clean
    else:
        with pytest.raises(expected):
            git_status(project_path=repo.path)
