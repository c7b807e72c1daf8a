"""A client that has left: what nobody waits for is not read."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import aiohttp_steps_git
import pytest
from aiohttp_steps import StepRegistry, check_cancelled
from aiohttp_steps_git import crew, status, worktree


class Brake:
    """Stands in for a job: counts how often it is begun, and does not end before its run is cancelled."""

    def __init__(self, job):
        self.job = job
        self.begun = threading.Event()
        self.times = 0

    def __call__(self, *arguments):
        self.times += 1
        self.begun.set()
        with contextlib.suppress(asyncio.CancelledError):
            for _ in range(20_000):  # until it is cancelled, which takes some turns of the loop
                threading.Event().wait(0.001)
                check_cancelled()
        return self.job(*arguments)


async def _cancel_when_begun(brake, path):
    async with StepRegistry() as registry:
        registry.register(aiohttp_steps_git)
        run = asyncio.create_task(registry.run("project", inputs={"project_path": path}))
        await asyncio.to_thread(brake.begun.wait, 20)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run


async def test_status_that_nobody_waits_for_leaves_the_work_tree_alone(repo, monkeypatch):
    """Comparing the work tree takes most of the time."""
    brake, compared = Brake(status.read_staged), []
    compare = worktree._compare_part

    def note(part, desk):
        compared.append(part)
        return compare(part, desk)

    monkeypatch.setattr(status, "read_staged", brake)
    monkeypatch.setattr(worktree, "_compare_part", note)
    await _cancel_when_begun(brake, repo.path)
    assert compared == []


async def test_no_further_part_of_a_large_work_tree_is_begun(large_repo, monkeypatch):
    """No call of libgit2's can be stopped: the parts that they are made in are what can be left out."""
    monkeypatch.setattr(crew, "count_helpers", lambda: 0)
    brake = Brake(worktree._compare_part)
    monkeypatch.setattr(worktree, "_compare_part", brake)
    await _cancel_when_begun(brake, large_repo.path)
    assert brake.times == 1
