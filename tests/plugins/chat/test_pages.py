"""Pages against a reader that reads the whole file, over random transcripts and bounds."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec
from aiohttp_steps_chat.errors import BadMessageError
from aiohttp_steps_chat.history import read_history
from aiohttp_steps_chat.messages import decode_object, parse_message
from aiohttp_steps_chat.tail import Bounds
from hypothesis import given
from hypothesis import strategies as st

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
MESSAGE = st.builds(
    lambda role, content, extra: msgspec.json.encode(
        {"role": role, "content": content, "timestamp": "2026-01-01T00:00:00Z", **extra}
    ),
    TEXT,
    TEXT | st.lists(st.dictionaries(TEXT, TEXT, max_size=2), max_size=2),
    st.dictionaries(
        st.sampled_from(["model", "é", "a\nb"]), st.integers() | st.booleans() | TEXT, max_size=3
    ),
)
BAD = st.binary(max_size=40).map(lambda raw: raw.replace(b"\n", b"")) | st.sampled_from(
    [
        b"",
        b" ",
        b"{}",
        b"[1]",
        b'{"role":"user"',
        b'{"role":1,"content":"","timestamp":"2026-01-01T00:00:00Z"}',
    ]
)
LINES = st.lists(st.one_of(MESSAGE, MESSAGE, BAD), max_size=25)
# A block of one byte, blocks that end at newlines, blocks longer than the file.
BLOCKS = st.integers(1, 300)


def read_naively(content):
    """Give (offset, message or None) of each line, and the offset of a torn tail."""
    found, offset = [], 0
    ended, _, tail = content.rpartition(b"\n")
    for raw in ended.split(b"\n") if b"\n" in content else []:
        found.append((offset, _message(raw)))
        offset += len(raw) + 1
    if not tail:
        return found, None
    try:
        decode_object(tail)
    except BadMessageError:
        return found, offset
    return [*found, (offset, _message(tail))], None


def _message(raw):
    try:
        return parse_message(raw)
    except BadMessageError:
        return None


def walk(content, limit, bounds):
    """Give all pages of a transcript, the newest first."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "s.jsonl").write_bytes(content)
        pages = [read_history(Path(folder), "s", limit, None, bounds)]
        while pages[-1].next_before is not None:
            pages.append(read_history(Path(folder), "s", limit, pages[-1].next_before, bounds))
            assert len(pages) <= len(content) + 1, "the walk goes on for ever"
    return pages


def joined(pages):
    """Give messages and offsets of bad lines of a walk, oldest first."""
    pages = pages[::-1]
    return (
        [message for page in pages for message in page.messages],
        [bad.offset for page in pages for bad in page.bad_lines],
    )


@given(
    lines=LINES,
    tail=st.just(b"") | MESSAGE | BAD,
    end=st.sampled_from([b"\n", b"\r\n"]),
    limit=st.integers(1, 30),
    block=BLOCKS,
)
def test_walk_visits_every_line_exactly_once_in_order(lines, tail, end, limit, block):
    """The law of paging, whatever the lines, where blocks and pages end, and what stands at the end."""
    content = b"".join(raw + end for raw in lines) + tail
    expected, torn = read_naively(content)

    pages = walk(content, limit, Bounds(block_bytes=block, max_block_bytes=2 * block))

    messages, bad = joined(pages)
    assert messages == [message for _, message in expected if message is not None]
    assert bad == [offset for offset, message in expected if message is None]
    assert [page.torn.offset if page.torn else None for page in pages] == [torn] + [None] * (len(pages) - 1)
    assert all(len(page.messages) == limit for page in pages[:-1])


@given(lines=LINES, block=BLOCKS, line_bytes=st.integers(1, 150), spare=st.integers(1, 100))
def test_no_message_is_lost_or_doubled_however_tight_the_bounds(lines, block, line_bytes, spare):
    """Pages that end early, within too long lines or for their size, still make one whole walk."""
    content = b"".join(raw + b"\n" for raw in lines)
    expected, _ = read_naively(content)
    sizes = {offset: content.index(b"\n", offset) - offset for offset, _ in expected}

    pages = walk(content, 5, Bounds(block, 2 * block, line_bytes, page_bytes=2 * line_bytes + spare))

    messages, bad = joined(pages)
    assert messages == [m for offset, m in expected if m is not None and sizes[offset] <= line_bytes]
    assert len(bad) == len(expected) - len(messages)
    assert not any(page.torn for page in pages)


@given(sizes=st.lists(st.integers(60, 200), min_size=1, max_size=12), block=st.integers(1, 64))
def test_offsets_lead_back_to_the_lines(sizes, block):
    """Where a bad line is said to be, it is: people go there with an editor."""
    lines = [b"x" * size for size in sizes]

    (page,) = walk(b"".join(raw + b"\n" for raw in lines), 1000, Bounds(block_bytes=block))

    assert [bad.size_bytes for bad in page.bad_lines] == sizes
    assert [bad.offset for bad in page.bad_lines] == [sum(sizes[:n]) + n for n in range(len(sizes))]


def test_page_ends_exactly_where_a_block_ends():
    """The newline as the first, then as the last byte of a block: the places where off-by-one lives."""
    raw = b'{"role":"u","content":"0123456789","timestamp":"2026-01-01T00:00:00Z"}\n'
    for block in (len(raw) - 1, len(raw), len(raw) + 1):
        pages = walk(raw * 6, 2, Bounds(block_bytes=block, max_block_bytes=block))

        assert [len(page.messages) for page in pages] == [2, 2, 2]
        assert not any(page.bad_lines for page in pages)
