"""Requests under way share a page, and nobody misses what he has sent himself."""

from __future__ import annotations

import asyncio
import threading

import aiohttp_steps_chat
import pytest
from aiohttp_steps import StepRegistry
from aiohttp_steps_chat import history, send_chat_message


@pytest.fixture
def hold(monkeypatch):
    """Have the first page wait, read and not yet given, until it is let go; count the pages."""
    holding = type("Hold", (), {"begun": threading.Event(), "leave": threading.Event(), "pages": 0})()
    read = history._read_page

    def wait_and_read(descriptor, session_id, limit, end, bounds):
        holding.pages += 1
        page = read(descriptor, session_id, limit, end, bounds)
        if holding.pages == 1:
            holding.begun.set()
            holding.leave.wait(20)
        return page

    monkeypatch.setattr(history, "_read_page", wait_and_read)
    yield holding
    holding.leave.set()


async def _run(registry, folder, **inputs):
    report = await registry.run("project", inputs={"chat_folder": folder, **inputs})
    return report["chat_history"]


async def test_requests_under_way_share_a_page(folder, line, hold):
    """A page is read once for all who ask for it at the same time, and apart for who asks for another one."""
    (folder / "s.jsonl").write_bytes(line(1) + line(2))
    async with StepRegistry() as registry:
        registry.register(aiohttp_steps_chat)
        first = asyncio.create_task(_run(registry, folder))
        await asyncio.to_thread(hold.begun.wait, 20)
        same = [asyncio.create_task(_run(registry, folder)) for _ in range(9)]
        other = await _run(registry, folder, limit=1)
        hold.leave.set()
        pages = await asyncio.gather(first, *same)
    assert len({id(page) for page in pages}) == 1
    assert len(other.messages) == 1
    assert hold.pages == 2


async def test_who_has_sent_a_message_gets_a_page_with_it(folder, line, hold, contents):
    """A page that somebody else asked for before does not have it yet."""
    (folder / "s.jsonl").write_bytes(line(1))
    async with StepRegistry() as registry:
        registry.register(aiohttp_steps_chat)
        first = asyncio.create_task(_run(registry, folder))
        await asyncio.to_thread(hold.begun.wait, 20)
        await send_chat_message(
            chat_folder=folder, session_id="s", message={"role": "user", "content": "mine"}
        )
        mine = await _run(registry, folder)
        hold.leave.set()
        before = await first
    assert contents(before) == ["1"]
    assert contents(mine) == ["1", "mine"]
