"""A repository of 20,000 files: right, bounded, and never holding the event loop."""

import asyncio
import itertools
import time

import msgspec
import pytest
from aiohttp_steps_git import git_status


def test_same_as_git(large_repo, check_status):
    """500 of 20,000 files differ, in all ways."""
    status = check_status(large_repo)
    counts = status.counts
    assert (counts.staged, counts.unstaged, counts.untracked, counts.renamed) == (200, 200, 100, 100)


def test_everything_changed(large_repo, at_path, tmp_path):
    """20,000 changes: the counts are complete, the lists and so the JSON stay small."""
    large_repo("worktree", "add", "-q", "--no-checkout", "-f", str(tmp_path / "empty"), "HEAD")
    status = git_status(project_path=tmp_path / "empty")
    large_repo("worktree", "remove", "--force", str(tmp_path / "empty"))
    # Without an index everything is deleted in it.
    assert status.counts.staged == 20_000
    assert len(status.staged) == 1000
    assert status.truncated
    assert len(msgspec.json.encode(status)) < 200_000


def test_sparse_checkout_of_a_large_repository(large_repo, at_path, tmp_path, check_status):
    """19,800 paths were left out; none of them is a deletion."""
    large_repo("worktree", "add", "-q", "--no-checkout", str(tmp_path / "sparse"), "HEAD")
    sparse = at_path(tmp_path / "sparse")
    sparse("sparse-checkout", "set", "--no-sparse-index", "d0/s0")
    sparse("checkout", "-q")
    assert len(list(sparse.path.rglob("*.txt"))) < 300
    assert check_status(sparse).clean


async def _measure_hold(function):
    """Return the longest time that the loop was held while `function` ran in a thread, as a share of that."""
    gaps, done = [], asyncio.Event()

    async def tick():
        last = time.perf_counter()
        while not done.is_set():
            await asyncio.sleep(0)
            now = time.perf_counter()
            gaps.append(now - last)
            last = now

    ticker = asyncio.create_task(tick())
    await asyncio.sleep(0)
    start = time.perf_counter()
    await asyncio.to_thread(function)
    run = time.perf_counter() - start
    done.set()
    await ticker
    return max(gaps) / run


@pytest.fixture
def many_moved(make_repo):
    """90 files that were moved and changed, each to be compared with all others.

    Each is a little more like itself than like two others: between equals git's choice hangs on its hash.
    """
    git = make_repo()
    for number in range(90):
        common = "".join(f"file {number // 3} line {line}\n" for line in range(200))
        git.write(f"old/{number}", f"a line of {number} alone\n" * 3 + common)
    git.commit()
    for number in range(90):
        path = git.full(f"old/{number}")
        git.write(f"new/{number}-moved", path.read_text() + "and more\n" * (number % 7))
        path.unlink()
    git("add", "-A")
    return git


@pytest.mark.parametrize("kind", ["files", "renames"])
async def test_event_loop_is_not_held(large_repo, many_moved, kind):
    """A call that keeps the GIL from start to end holds the loop for all of its run, in a thread or not.

    `Repository.status()` would be more than a third of the run on many files. The best of several counts: a
    busy machine can hold anybody for a while.
    """
    path = (large_repo if kind == "files" else many_moved).path
    shares = [await _measure_hold(lambda: git_status(project_path=path)) for _ in range(7)]
    assert min(shares) < 0.25, shares


def test_moved_and_changed_files_are_the_same_as_in_git(many_moved, check_status):
    """Where every file is like two others, the most similar one is the source."""
    assert check_status(many_moved).counts.renamed == 90


async def test_parallel_runs_agree(large_repo):
    """Each opens its own repository: libgit2 lets one thread at a time use one."""
    runs = (asyncio.to_thread(git_status, project_path=large_repo.path) for _ in range(4))
    answers = await asyncio.gather(*runs)
    assert all(one == other for one, other in itertools.pairwise(answers))
