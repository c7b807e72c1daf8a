"""Requests under way share what is dear to find out."""

import asyncio
import threading

import aiohttp_steps_git
from aiohttp_steps import StepRegistry
from aiohttp_steps_git import status


async def test_requests_under_way_share_one_status(repo, monkeypatch):
    """Ten tabs on one repository cost what one does; who comes after the end gets a status of his own."""
    begun, leave, reads, read = threading.Event(), threading.Event(), [], status.read_staged

    def hold_the_first(flags, desk):
        reads.append(desk)
        if len(reads) == 1:
            begun.set()
            leave.wait(20)
        return read(flags, desk)

    monkeypatch.setattr(status, "read_staged", hold_the_first)
    async with StepRegistry() as registry:
        registry.register(aiohttp_steps_git)

        async def run(**inputs):
            report = await registry.run("project", inputs={"project_path": repo.path, **inputs})
            return report["git_status"]

        first = asyncio.create_task(run())
        await asyncio.to_thread(begun.wait, 20)
        same = [asyncio.create_task(run()) for _ in range(9)]
        await run(status_limit=1)
        leave.set()
        answers = await asyncio.gather(first, *same)
        assert len({id(answer) for answer in answers}) == 1
        assert len(reads) == 2
        repo.write("new.txt")
        assert (await run()).counts.untracked == 1
