"""What a page costs: counted in bytes read and memory held, not in time."""

from __future__ import annotations

import os
import tracemalloc

import pytest
from aiohttp_steps_chat import chat_history
from aiohttp_steps_chat import tail as tail_module
from aiohttp_steps_chat.history import MAX_BAD_LINES, read_history
from aiohttp_steps_chat.tail import DEFAULT_BOUNDS

MIB = 1024 * 1024


@pytest.fixture
def reads(monkeypatch):
    """Return the sizes of all reads that are made, in order."""
    made = []
    real = os.pread

    def pread(descriptor, size, offset):
        made.append(size)
        return real(descriptor, size, offset)

    monkeypatch.setattr(tail_module.os, "pread", pread)
    return made


def write_transcript(path, line, size):
    block = b"".join(line(n, content="word " * 100) for n in range(200))
    with path.open("wb") as file:
        for _ in range(size // len(block) + 1):
            file.write(block)


async def test_bytes_read_for_a_page_do_not_depend_on_the_size_of_the_transcript(folder, line, reads):
    """The promise of this plugin: 100 messages of a long talk cost what they cost of a short one."""
    costs = []
    for size in (MIB, 64 * MIB):
        write_transcript(folder / "s.jsonl", line, size)
        reads.clear()
        page = await chat_history(chat_folder=folder, session_id="s", limit=100)
        assert len(page.messages) == 100
        costs.append(list(reads))

    assert costs[0] == costs[1]
    assert sum(costs[0]) < 256 * 1024
    assert len(costs[0]) <= 2


async def test_an_old_page_costs_no_more_than_the_newest(folder, line, reads):
    """A cursor is a place: what is newer is not read again on the way back."""
    write_transcript(folder / "s.jsonl", line, 16 * MIB)

    page = await chat_history(chat_folder=folder, session_id="s", limit=100)
    first = sum(reads)
    for _ in range(20):
        reads.clear()
        page = await chat_history(chat_folder=folder, session_id="s", limit=100, before=page.next_before)

    assert sum(reads) == first


async def test_line_of_absurd_length_is_reported_and_never_held_in_memory(folder, line, contents):
    """A program that forgot its newlines must not take the server down with it."""
    with (folder / "s.jsonl").open("wb") as file:
        file.write(line(1))
        file.truncate(file.tell() + 100 * MIB)
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + line(2))
    tracemalloc.start()
    try:
        pages = [await chat_history(chat_folder=folder, session_id="s")]
        while pages[-1].next_before:
            before = pages[-1].next_before
            pages.append(await chat_history(chat_folder=folder, session_id="s", before=before))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 2 * DEFAULT_BOUNDS.line_bytes
    assert [text for page in reversed(pages) for text in contents(page)] == ["1", "2"]
    assert [bad.reason for page in pages for bad in page.bad_lines] == ["too long to be a message"]


def test_page_of_long_messages_ends_at_its_size(folder, line, reads):
    """1000 messages of 8 MiB would be 8 GB; the cursor goes on where the page had to end."""
    (folder / "s.jsonl").write_bytes(b"".join(line(n, content="x" * MIB) for n in range(40)))

    page = read_history(folder, "s", 1000, None)

    assert 10 <= len(page.messages) < 20
    assert sum(reads) <= DEFAULT_BOUNDS.page_bytes + DEFAULT_BOUNDS.max_block_bytes
    assert page.next_before is not None


def test_page_of_nothing_but_bad_lines_ends(folder):
    """A file of a million newlines must not become a report of a million entries."""
    (folder / "s.jsonl").write_bytes(b"\n" * MIB)

    page = read_history(folder, "s", 10, None)

    assert (page.messages, page.bad_line_count) == ((), MAX_BAD_LINES)
    assert page.next_before == f"s@{MIB - MAX_BAD_LINES}"
