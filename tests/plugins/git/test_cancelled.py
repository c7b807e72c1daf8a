"""A client that has left: what nobody waits for is not read."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import aiohttp_steps_git
import pytest
from aiohttp_steps import StepRegistry, check_cancelled
from aiohttp_steps_git import status, worktree


async def test_status_that_nobody_waits_for_leaves_the_work_tree_alone(repo, monkeypatch):
    """Comparing the work tree takes most of the time, and one call of libgit2's cannot be stopped."""
    begun, never, read = threading.Event(), threading.Event(), []
    read_staged, read_once = status.read_staged, worktree._read_once

    def read_staged_slowly(*arguments):
        begun.set()
        with contextlib.suppress(asyncio.CancelledError):
            for _ in range(20_000):  # until it is cancelled, which takes some turns of the loop
                never.wait(0.001)
                check_cancelled()
        return read_staged(*arguments)

    def note(*arguments):
        read.append(arguments)
        return read_once(*arguments)

    monkeypatch.setattr(status, "read_staged", read_staged_slowly)
    monkeypatch.setattr(worktree, "_read_once", note)
    async with StepRegistry() as registry:
        registry.register(aiohttp_steps_git)
        run = asyncio.create_task(registry.run("project", inputs={"project_path": repo.path}))
        await asyncio.to_thread(begun.wait, 20)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
    assert read == []
