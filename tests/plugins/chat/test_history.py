"""Pages of a session, as the step gives them."""

from __future__ import annotations

import os
import threading

import msgspec
import pytest
from aiohttp_steps_chat import (
    BadCursorError,
    BadLimitError,
    SessionNotFoundError,
    chat_history,
    send_chat_message,
)
from aiohttp_steps_chat import history as history_module


async def test_page_has_the_newest_messages_oldest_first(folder, line, contents):
    """A chat window shows the end of a talk, in reading order."""
    (folder / "s.jsonl").write_bytes(b"".join(line(n) for n in range(10)))

    page = await chat_history(chat_folder=folder, session_id="s", limit=3)

    assert contents(page) == ["7", "8", "9"]
    assert page.next_before is not None


async def test_message_keeps_all_its_fields_through_json(folder, line):
    """Other programs put models, costs and tool calls there; a page without them would lose data."""
    extra = {
        "model": "m-1",
        "usage": {"tokens": [1, 2]},
        "content": [{"type": "text", "text": "é"}],
        "n": 2**70,
    }
    raw = line(1, **extra)
    (folder / "s.jsonl").write_bytes(raw)

    page = await chat_history(chat_folder=folder, session_id="s")

    on_the_wire = msgspec.json.decode(msgspec.json.encode(page))
    assert on_the_wire["messages"] == [msgspec.json.decode(raw)]


async def test_walk_by_cursor_ends_at_the_first_message(folder, line, contents):
    """The cursor is None exactly when nothing older is left: else a client would ask for an empty page."""
    (folder / "s.jsonl").write_bytes(b"".join(line(n) for n in range(4)))

    newer = await chat_history(chat_folder=folder, session_id="s", limit=2)
    older = await chat_history(chat_folder=folder, session_id="s", limit=2, before=newer.next_before)

    assert (contents(older), contents(newer)) == (["0", "1"], ["2", "3"])
    assert older.next_before is None


async def test_cursor_stays_valid_when_messages_are_sent_between_pages(folder, line, contents):
    """People go on talking while somebody scrolls back: no message may show twice or be skipped."""
    (folder / "s.jsonl").write_bytes(b"".join(line(n) for n in range(4)))
    newer = await chat_history(chat_folder=folder, session_id="s", limit=2)

    await send_chat_message(chat_folder=folder, session_id="s", message={"role": "user", "content": "new"})
    older = await chat_history(chat_folder=folder, session_id="s", limit=2, before=newer.next_before)

    assert contents(older) == ["0", "1"]


async def test_cursor_stays_valid_when_a_torn_tail_is_set_aside_between_pages(folder, line, contents):
    """Setting aside is the one thing that shortens a transcript; older pages lie before it."""
    (folder / "s.jsonl").write_bytes(b"".join(line(n) for n in range(4)) + b'{"role": "us')
    newer = await chat_history(chat_folder=folder, session_id="s", limit=2)

    await send_chat_message(chat_folder=folder, session_id="s", message={"role": "user", "content": "new"})
    older = await chat_history(chat_folder=folder, session_id="s", limit=2, before=newer.next_before)

    assert contents(older) == ["0", "1"]


async def test_cursor_remembers_its_session(folder, line, contents):
    """Another session may become the newest between two pages of "the newest session"."""
    (folder / "old.jsonl").write_bytes(line(1) + line(2))
    newer = await chat_history(chat_folder=folder, limit=1)
    (folder / "young.jsonl").write_bytes(line(7) + line(8))
    os.utime(folder / "young.jsonl", (4e9, 4e9))

    older = await chat_history(chat_folder=folder, limit=1, before=newer.next_before)

    assert (older.session_id, contents(older)) == ("old", ["1"])


async def test_newest_session_is_shown_when_none_is_named(folder, line):
    """The view `project` has to show something before anybody has chosen a session."""
    for name, modified in (("b", 2_000_000_000), ("c", 3_000_000_000), ("a", 1_000_000_000)):
        (folder / f"{name}.jsonl").write_bytes(line(1))
        os.utime(folder / f"{name}.jsonl", (modified, modified))

    page = await chat_history(chat_folder=folder)

    assert page.session_id == "c"


async def test_no_session_at_all_is_an_empty_page(tmp_path):
    """A project without chats is no error; the view shows the rest."""
    page = await chat_history(chat_folder=tmp_path / "missing")

    assert (page.session_id, page.messages, page.next_before) == (None, (), None)


async def test_named_session_that_is_missing_is_an_error(folder):
    """A mistyped name must not look like an empty talk."""
    with pytest.raises(SessionNotFoundError, match="no session 'typo'") as caught:
        await chat_history(chat_folder=folder, session_id="typo")

    assert (caught.value.type, caught.value.status) == ("session_not_found", 404)


async def test_empty_file_is_an_empty_page(folder):
    """A session is made before its first message is on disk."""
    (folder / "s.jsonl").touch()

    page = await chat_history(chat_folder=folder, session_id="s")

    assert (page.messages, page.bad_lines, page.torn, page.next_before) == ((), (), None, None)


BAD_LINES = {
    "text": (b"hello", "not JSON"),
    "half": (b'{"role": "user"', "not JSON"),
    "array": (b"[1, 2]", "not a JSON object"),
    "number": (b"5", "not a JSON object"),
    "blank": (b"", "blank"),
    "spaces": (b" \t ", "blank"),
    "bad_utf8": (b'{"role":"user","content":"\xff","timestamp":"2026-01-01T00:00:00Z"}', "not UTF-8"),
    "nul_bytes": (b"\0" * 9, "not JSON"),
    "no_role": (b'{"content":"x","timestamp":"2026-01-01T00:00:00Z"}', "no 'role'"),
    "no_content": (b'{"role":"user","timestamp":"2026-01-01T00:00:00Z"}', "no 'content'"),
    "no_timestamp": (b'{"role":"user","content":"x"}', "no 'timestamp'"),
    "role_no_text": (b'{"role":1,"content":"x","timestamp":"2026-01-01T00:00:00Z"}', "'role' is not text"),
    "content_no_text": (
        b'{"role":"user","content":null,"timestamp":"2026-01-01T00:00:00Z"}',
        "'content' is neither",
    ),
    "timestamp_no_date": (b'{"role":"user","content":"x","timestamp":"yesterday"}', "'timestamp' is not"),
    "timestamp_number": (b'{"role":"user","content":"x","timestamp":1}', "'timestamp' is not"),
    "too_deep": (
        b'{"role":"user","content":' + b"[" * 200 + b"]" * 200 + b',"timestamp":"2026-01-01T00:00:00Z"}',
        "nested deeper than 100",
    ),
    "far_too_deep": (b'{"a":' * 100_000, "nested deeper than 100"),
}


@pytest.mark.parametrize(("bad", "reason"), BAD_LINES.values(), ids=BAD_LINES)
async def test_bad_line_is_reported_with_its_place_and_the_rest_is_shown(folder, line, contents, bad, reason):
    """One line that some program spoiled must neither hide a talk nor vanish unseen."""
    first, last = line(1), line(2)
    (folder / "s.jsonl").write_bytes(first + bad + b"\n" + last)

    page = await chat_history(chat_folder=folder, session_id="s")

    assert contents(page) == ["1", "2"]
    assert page.bad_line_count == 1
    (found,) = page.bad_lines
    assert (found.offset, found.size_bytes) == (len(first), len(bad))
    assert found.reason.startswith(reason)


async def test_lines_that_end_in_crlf_are_messages(folder, line, contents):
    """Transcripts come from Windows too."""
    (folder / "s.jsonl").write_bytes((line(1) + line(2)).replace(b"\n", b"\r\n"))

    page = await chat_history(chat_folder=folder, session_id="s")

    assert (contents(page), page.bad_lines) == (["1", "2"], ())


async def test_whole_last_message_without_newline_is_shown(folder, line, contents):
    """Editors and other programs leave out the last newline."""
    (folder / "s.jsonl").write_bytes(line(1) + line(2).rstrip())

    page = await chat_history(chat_folder=folder, session_id="s")

    assert (contents(page), page.torn) == (["1", "2"], None)


async def test_torn_last_line_is_reported_apart_from_bad_lines(folder, line, contents):
    """It is the trace of a crash, and the next sender will set it aside: not the same as a spoiled line."""
    (folder / "s.jsonl").write_bytes(line(1) + b'{"role": "us')

    page = await chat_history(chat_folder=folder, session_id="s")

    assert (contents(page), page.bad_lines) == (["1"], ())
    assert page.torn is not None
    assert (page.torn.offset, page.torn.size_bytes) == (len(line(1)), 12)


@pytest.mark.parametrize("limit", [0, -1, 1001, "5"])
async def test_limit_out_of_range_is_refused(folder, line, limit):
    """Called without the framework, nobody else checks; a limit of 10**9 would fill the memory."""
    (folder / "s.jsonl").write_bytes(line(1))

    with pytest.raises(BadLimitError, match="from 1 to 1000"):
        await chat_history(chat_folder=folder, session_id="s", limit=limit)


@pytest.mark.parametrize(
    ("before", "match"),
    [
        ("s@999999", "shorter than"),
        ("other@1", "a cursor of session 'other'"),
        ("17", "no cursor"),
        ("s@-1", "no cursor"),
        ("s@1\n", "no cursor"),
        ("s@\u0661", "no cursor"),
        (17, "no cursor"),
    ],
    ids=["beyond_end", "other_session", "number", "negative", "newline", "arabic_digit", "int"],
)
async def test_cursor_that_no_page_gave_is_refused(folder, line, before, match):
    """A made-up cursor gets an answer that says what to do, not somebody else's page."""
    (folder / "s.jsonl").write_bytes(line(1))

    with pytest.raises(BadCursorError, match=match) as caught:
        await chat_history(chat_folder=folder, session_id="s", before=before)

    assert caught.value.status == 400


async def test_cursor_within_a_line_shows_neither_half_of_it(folder, line, contents):
    """A page that ends within a line too long to be read gives such a cursor; the line was reported there."""
    (folder / "s.jsonl").write_bytes(line(1) + line(2) + line(3))

    page = await chat_history(chat_folder=folder, session_id="s", before=f"s@{len(line(1)) + 9}")

    assert (contents(page), page.bad_lines, page.torn) == (["1"], (), None)


async def test_reading_happens_outside_the_loops_thread(folder, line, monkeypatch):
    """A slow disk must not hold the event loop."""
    (folder / "s.jsonl").write_bytes(line(1))
    threads = []
    real = history_module.read_exactly
    monkeypatch.setattr(
        history_module,
        "read_exactly",
        lambda *arguments: threads.append(threading.current_thread()) or real(*arguments),
    )

    await chat_history(chat_folder=folder, session_id="s")

    assert threads
    assert threading.main_thread() not in threads


async def test_file_cut_while_it_is_read_is_read_again(folder, line, contents, monkeypatch):
    """A sender sets a torn tail aside below a reader's feet: the page is that of after."""
    path = folder / "s.jsonl"
    path.write_bytes(line(1) + b'{"role": "us')
    real = history_module.read_exactly

    def cut_then_read(*arguments):
        os.truncate(path, len(line(1)))
        return real(*arguments)

    monkeypatch.setattr(history_module, "read_exactly", cut_then_read)

    page = await chat_history(chat_folder=folder, session_id="s")

    assert (contents(page), page.torn) == (["1"], None)
