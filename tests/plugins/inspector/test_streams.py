"""Live news: coalesced, bounded, ended with the application."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest
from aiohttp import web
from aiohttp_steps import setup, step
from aiohttp_steps_inspector import Inspector, streams


@step(concurrency="parallel", views=["v"])
async def one():
    return 1


@pytest.fixture(autouse=True)
def steps(plug):
    plug("p", one)


async def read_news(response):
    """Read one message: its number and its document."""
    fields = {}
    while True:
        line = (await asyncio.wait_for(response.content.readline(), 10)).decode().rstrip("\r\n")
        if not line and "data" in fields:
            return int(fields["id"].partition("-")[2]), json.loads(fields["data"])
        name, _, value = line.partition(": ")
        if name:
            fields[name] = value


async def test_open_page_is_told_of_runs_as_they_end(serve, registry):
    """First what there was, then what is new, and nothing twice."""
    client = await serve()
    await registry.run("v")
    async with client.get("/_steps/api/events") as response:
        assert response.content_type == "text/event-stream"
        number, news = await read_news(response)
        assert (number, news["total"], [run["id"] for run in news["runs"]]) == (1, 1, [1])
        await registry.run("v")
        await registry.run("v")
        number, news = await read_news(response)
        assert (number, [run["id"] for run in news["runs"]]) == (3, [2, 3])
        counted = {entry["name"]: entry for entry in news["steps"]}
        assert counted["one"]["count"] == 3
        assert counted["one"]["p50_ms"] >= 0


@pytest.mark.parametrize(
    ("last", "ids"),
    [("{life}-2", [3]), ("otherlife-2", [1, 2, 3]), ("2", [1, 2, 3]), ("{life}-²", [1, 2, 3])],
)
async def test_page_that_comes_back_is_told_what_it_missed(serve, registry, last, ids):
    """A number of another life of the application says nothing about this one."""
    client = await serve()
    async with client.get("/_steps/api/events") as response:
        life = (await read_news(response))[1]["life"]
    for _ in range(3):
        await registry.run("v")
    headers = {"Last-Event-ID": last.format(life=life)}
    async with client.get("/_steps/api/events", headers=headers) as response:
        _, news = await read_news(response)
        assert [run["id"] for run in news["runs"]] == ids


async def test_many_runs_become_one_message(serve, registry):
    """A message is never longer than some runs, however many there were."""
    client = await serve()
    async with client.get("/_steps/api/events") as response:
        await read_news(response)
        for _ in range(streams.MOST_RUNS * 2):
            await registry.run("v")
        _, news = await read_news(response)
    assert news["total"] == streams.MOST_RUNS * 2
    assert len(news["runs"]) == streams.MOST_RUNS
    assert news["runs"][-1]["id"] == news["total"]


async def test_pages_beyond_the_last_are_refused(serve, monkeypatch):
    """Each open page costs something."""
    monkeypatch.setattr(streams, "MOST_STREAMS", 1)
    client = await serve()
    async with client.get("/_steps/api/events") as response:
        await read_news(response)
        async with client.get("/_steps/api/events") as refused:
            assert refused.status == 503


async def test_head_opens_no_stream(serve):
    """It would stay open for somebody who reads nothing."""
    client = await serve()
    async with client.head("/_steps/api/events") as response:
        assert response.status == 405


async def start(registry, inspector):
    registry.register(inspector)
    app = web.Application()
    setup(app, registry)
    runner = web.AppRunner(app, shutdown_timeout=30)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return runner, runner.addresses[0][1]


async def test_open_pages_do_not_hold_up_the_end(registry):
    """The application stops at once, though the pages would stay."""
    runner, port = await start(registry, Inspector())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /_steps/api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await reader.readuntil(b"data: ")
    async with asyncio.timeout(5):
        await runner.cleanup()
    assert (await reader.read()).endswith(b"0\r\n\r\n")
    writer.close()


async def test_page_that_reads_nothing_neither_gathers_memory_nor_holds_up_the_end(registry, monkeypatch):
    """It is told nothing until it has read what is under way."""
    monkeypatch.setattr(streams, "REST_S", 0.0)
    inspector = Inspector(runs=streams.MOST_RUNS)
    runner, port = await start(registry, inspector)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.send(b"GET /_steps/api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    stuck = None
    while stuck is None:
        await registry.run("v")
        await asyncio.sleep(0)
        stuck = next(
            (s for s in inspector.streams._open if s._request.transport.get_write_buffer_size()), None
        )
    sizes = []
    for _ in range(3_000):
        await registry.run("v")
        await asyncio.sleep(0)
        sizes.append(stuck._request.transport.get_write_buffer_size())
    assert max(sizes) < 2**18  # twice what aiohttp and the transport hold before they wait
    assert len(set(sizes[-1_000:])) == 1
    async with asyncio.timeout(5):
        await runner.cleanup()
    client.close()


async def test_client_that_left_is_forgotten(serve, registry):
    """Nothing is kept for it."""
    inspector = Inspector()
    client = await serve(inspector)
    async with client.get("/_steps/api/events") as response:
        await read_news(response)
        assert len(inspector.streams._open) == 1
        response.close()
    async with asyncio.timeout(10):
        while inspector.streams._open:
            await registry.run("v")
            await asyncio.sleep(0)
