"""Sending: what is written, in which order, and what is undone."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import logging
import os
import resource
import stat
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from aiohttp_steps_chat import (
    BadMessageError,
    MessageTooLongError,
    NotSavedError,
    SessionBusyError,
    StorageFullError,
    chat_history,
    send_chat_message,
)
from aiohttp_steps_chat import append as append_module
from aiohttp_steps_chat.append import append_message
from aiohttp_steps_chat.tail import MAX_LINE_BYTES

MESSAGE = {"role": "user", "content": "hello"}
TORN = b'{"role": "us'


@pytest.fixture
def calls(folder, monkeypatch):
    """Return what is done to files, in order, as (call, ending of the file; "" for a folder)."""
    made = []

    def record(name):
        real = getattr(os, name)

        def call(descriptor, *arguments):
            ends = {path.stat().st_ino: path.suffix for path in [folder, *folder.iterdir()]}
            made.append((name, ends.get(os.fstat(descriptor).st_ino, "elsewhere")))
            return real(descriptor, *arguments)

        monkeypatch.setattr(os, name, call)

    for name in ("write", "fsync", "ftruncate"):
        record(name)
    return made


@pytest.fixture
def limit_file_size():
    """Return a context in which no file grows beyond a size; a full disk, as the system makes it."""

    @contextlib.contextmanager
    def limit(size):
        # No longer than need be: the file that pytest itself may be writing to is meant as well.
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limit


async def test_sent_message_is_the_last_line_with_all_fields(folder, line):
    """What is sent is what a page shows: the same fields, and one line whatever the text holds."""
    (folder / "s.jsonl").write_bytes(line(1))
    message = {"role": "user", "content": "two\nlines\u2028\r", "model": "m", "usage": {"n": 1}}

    sent = await send_chat_message(chat_folder=folder, session_id="s", message=message)

    raw = (folder / "s.jsonl").read_bytes()
    assert raw.startswith(line(1))
    assert raw.count(b"\n") == 2
    assert (
        msgspec.json.decode(raw[sent.offset :])
        == sent.message
        == {**message, "timestamp": sent.message["timestamp"]}
    )
    assert sent.offset + sent.size_bytes == len(raw)
    assert (await chat_history(chat_folder=folder, session_id="s")).messages[-1] == sent.message


async def test_timestamp_is_now_when_not_given(folder):
    """A page sorts nothing: but people want to know when, with the time zone said."""
    before = datetime.now(UTC)

    sent = await send_chat_message(chat_folder=folder, session_id="s", message={**MESSAGE, "timestamp": None})

    stamp = datetime.fromisoformat(sent.message["timestamp"])
    assert before <= stamp <= datetime.now(UTC)
    assert stamp.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "stamp", ["2026-01-01T12:00:00+05:30", datetime(2026, 1, 1, tzinfo=UTC)], ids=["text", "datetime"]
)
async def test_given_timestamp_is_kept(folder, stamp):
    """Imports from other programs keep their times."""
    sent = await send_chat_message(
        chat_folder=folder, session_id="s", message={**MESSAGE, "timestamp": stamp}
    )

    expected = stamp if isinstance(stamp, str) else stamp.isoformat().replace("+00:00", "Z")
    assert sent.message["timestamp"] == expected


@pytest.mark.parametrize(
    ("message", "match"),
    [
        ({"content": "x"}, "no 'role'"),
        ({"role": "user"}, "no 'content'"),
        ({"role": 1, "content": "x"}, "'role' is not text"),
        ({"role": "user", "content": 5}, "'content' is neither"),
        ({**MESSAGE, "timestamp": "yesterday"}, "RFC 3339"),
        ({**MESSAGE, "timestamp": 0}, "RFC 3339"),
        ({**MESSAGE, "timestamp": "2026-01-01T00:00:00"}, "no time zone"),
        ({**MESSAGE, "extra": object()}, "object"),
        ({**MESSAGE, "extra": "\ud800"}, "surrogates"),
        ({**MESSAGE, "extra": msgspec.json.decode("[" * 200 + "]" * 200)}, "nested deeper than 100"),
        ("hello", "cannot be sent"),
        (None, "cannot be sent"),
    ],
)
async def test_message_that_no_page_would_show_is_refused(folder, message, match):
    """Written, it would be a bad line for ever; refused, the sender learns what is wrong with it."""
    with pytest.raises(BadMessageError, match=match) as caught:
        await send_chat_message(chat_folder=folder, session_id="s", message=message)

    assert (caught.value.type, caught.value.status) == ("bad_message", 400)
    assert list(folder.iterdir()) == []


async def test_message_too_long_for_a_page_is_refused(folder):
    """The bound of reading is the bound of writing, or a message could be sent and never be seen."""
    with pytest.raises(MessageTooLongError, match=str(MAX_LINE_BYTES)) as caught:
        await send_chat_message(
            chat_folder=folder, session_id="s", message={"role": "user", "content": "x" * MAX_LINE_BYTES}
        )

    assert (caught.value.status, caught.value.limit_bytes) == (413, MAX_LINE_BYTES)
    assert list(folder.iterdir()) == []


async def test_longest_message_can_be_sent_and_read(folder, contents):
    """The bound itself is inside, on both sides."""
    room = MAX_LINE_BYTES - len(
        msgspec.json.encode({**MESSAGE, "content": "", "timestamp": "2026-01-01T00:00:00Z"})
    )
    message = {"role": "user", "content": "x" * room, "timestamp": "2026-01-01T00:00:00Z"}

    sent = await send_chat_message(chat_folder=folder, session_id="s", message=message)
    page = await chat_history(chat_folder=folder, session_id="s")

    assert sent.size_bytes == MAX_LINE_BYTES + 1
    assert contents(page) == ["x" * room]


async def test_missing_folders_are_made_for_the_user_alone(tmp_path):
    """Chats are private; on the first start nothing of the path exists."""
    folder = tmp_path / "state" / "aiohttp-steps" / "chat"

    await send_chat_message(chat_folder=folder, session_id="s", message=MESSAGE)

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "s.jsonl").stat().st_mode) == 0o600


async def test_first_message_is_synced_with_the_name_of_its_file(folder, calls):
    """After a power cut, a synced file whose folder was not synced has no name: the message is gone."""
    await send_chat_message(chat_folder=folder, session_id="s", message=MESSAGE)

    assert calls == [("fsync", ""), ("write", ".jsonl"), ("fsync", ".jsonl")]


async def test_further_message_is_one_write_and_one_sync(folder, line, calls):
    """One write keeps lines of several senders whole; one sync is what durability costs."""
    (folder / "s.jsonl").write_bytes(line(1))

    await send_chat_message(chat_folder=folder, session_id="s", message={**MESSAGE, "content": "x" * 300_000})

    assert calls == [("write", ".jsonl"), ("fsync", ".jsonl")]


async def test_torn_tail_is_on_disk_elsewhere_before_it_is_cut(folder, line, calls):
    """In the other order, a crash between the two would lose it in silence."""
    (folder / "s.jsonl").write_bytes(line(1) + TORN)

    await send_chat_message(chat_folder=folder, session_id="s", message=MESSAGE)

    kept = [call for call in calls if call != ("write", ".torn")]
    assert ("write", ".torn") in calls[: calls.index(("fsync", ".torn"))]
    assert kept == [
        ("fsync", ".torn"),
        ("fsync", ""),
        ("ftruncate", ".jsonl"),
        ("write", ".jsonl"),
        ("fsync", ".jsonl"),
    ]


async def test_torn_tail_is_kept_and_reported(folder, line, contents, caplog):
    """Never lost in silence: the file has the bytes, the result and the log say so."""
    (folder / "s.jsonl").write_bytes(line(1) + TORN)

    with caplog.at_level(logging.WARNING):
        sent = await send_chat_message(chat_folder=folder, session_id="s", message=MESSAGE)

    assert sent.set_aside is not None
    assert (sent.set_aside.offset, sent.set_aside.size_bytes) == (len(line(1)), len(TORN))
    header, torn = (folder / sent.set_aside.file).read_bytes().splitlines()
    assert torn == TORN
    assert msgspec.json.decode(header) == msgspec.to_builtins(sent.set_aside)
    assert "torn line was taken from session 's'" in caplog.text
    page = await chat_history(chat_folder=folder, session_id="s")
    assert (contents(page), page.bad_lines, page.torn) == (["1", "hello"], (), None)


async def test_second_torn_tail_is_kept_beside_the_first(folder, line):
    """Crashes repeat; a later one must not overwrite what an earlier one left."""
    for torn in (b"{first", b"{second"):
        with (folder / "s.jsonl").open("ab") as file:
            file.write(line(1) + torn)
        await send_chat_message(chat_folder=folder, session_id="s", message=MESSAGE)

    assert (folder / "s.torn").read_bytes().splitlines()[1::2] == [b"{first", b"{second"]


async def test_torn_tail_longer_than_any_message_is_kept_whole(folder, line):
    """What is set aside is copied in pieces: its length is not ours to choose."""
    torn = b"x" * (MAX_LINE_BYTES + 3_000_000)
    (folder / "s.jsonl").write_bytes(line(1) + torn)

    sent = await send_chat_message(chat_folder=folder, session_id="s", message=MESSAGE)

    assert sent.set_aside is not None
    assert (folder / "s.torn").read_bytes().splitlines()[1] == torn
    assert sent.offset == len(line(1))


async def test_whole_last_line_gets_its_newline_and_stays(folder, line, contents):
    """An editor left the newline out: that is a message, and no crash."""
    (folder / "s.jsonl").write_bytes(line(1) + line(2).rstrip())

    sent = await send_chat_message(chat_folder=folder, session_id="s", message=MESSAGE)

    assert (sent.completed, sent.set_aside) == (True, None)
    assert sent.offset == len(line(1) + line(2))
    assert [path.name for path in folder.iterdir()] == ["s.jsonl"]
    page = await chat_history(chat_folder=folder, session_id="s")
    assert (contents(page), page.bad_lines) == (["1", "2", "hello"], ())


@pytest.mark.parametrize("room", [0, 10])
async def test_message_that_does_not_fit_is_undone_and_reported(folder, line, limit_file_size, room):
    """Half a line on a full disk would be a torn line without a crash."""
    before = line(1)
    (folder / "s.jsonl").write_bytes(before)

    with (
        limit_file_size(len(before) + room),
        pytest.raises(StorageFullError, match="'s' was not saved: file too large; make room") as caught,
    ):
        await send_chat_message(chat_folder=folder, session_id="s", message=MESSAGE)

    assert (caught.value.type, caught.value.status) == ("storage_full", 507)
    assert (folder / "s.jsonl").read_bytes() == before


async def test_torn_tail_that_cannot_be_kept_stays_where_it_is(folder, line, limit_file_size):
    """No room for the copy: then nothing may be cut."""
    before = line(1) + b"x" * 200_000
    (folder / "s.jsonl").write_bytes(before)

    with limit_file_size(100_000), pytest.raises(StorageFullError):
        await send_chat_message(chat_folder=folder, session_id="s", message=MESSAGE)

    assert (folder / "s.jsonl").read_bytes() == before
    assert (folder / "s.torn").read_bytes() == b""


async def test_message_whose_sync_fails_is_undone_and_reported(folder, line, monkeypatch):
    """Not on disk is not sent; left in the file, a retry would send it twice."""
    (folder / "s.jsonl").write_bytes(line(1))

    def fail(descriptor):
        raise OSError(errno.EIO, "disk on fire", str(folder))

    monkeypatch.setattr(os, "fsync", fail)

    with pytest.raises(NotSavedError, match="input/output error") as caught:
        await send_chat_message(chat_folder=folder, session_id="s", message=MESSAGE)

    assert str(folder) not in str(caught.value)
    assert (folder / "s.jsonl").read_bytes() == line(1)


def test_session_held_by_another_sender_is_busy_in_the_end(folder, line):
    """A stopped process must not hold our threads for ever; and nothing goes round its lock."""
    (folder / "s.jsonl").write_bytes(line(1))
    with (folder / "s.jsonl").open("rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)

        with pytest.raises(SessionBusyError, match=r"held by another sender for 0\.01 s") as caught:
            append_message(folder, "s", line(2).rstrip(), lock_wait_s=0.01)

    assert (caught.value.type, caught.value.status) == ("session_busy", 503)
    assert (folder / "s.jsonl").read_bytes() == line(1)


def test_session_removed_while_a_sender_waits_is_made_anew(folder, line, monkeypatch):
    """Written to the removed file, an acknowledged message would be nowhere."""
    path = folder / "s.jsonl"
    path.write_bytes(line(1))
    with path.open("rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)

        def remove_and_let_go(_seconds):
            path.unlink()
            fcntl.flock(holder, fcntl.LOCK_UN)

        monkeypatch.setattr(append_module.time, "sleep", remove_and_let_go)
        append_message(folder, "s", line(2).rstrip())

    assert path.read_bytes() == line(2)


async def test_many_senders_in_one_process_keep_lines_whole(folder, contents):
    """Requests of one server write to one session at once."""
    texts = [f"{number} " * 2000 for number in range(40)]

    await asyncio.gather(
        *(
            send_chat_message(chat_folder=folder, session_id="s", message={"role": "user", "content": text})
            for text in texts
        )
    )

    page = await chat_history(chat_folder=folder, session_id="s")
    assert page.bad_lines == ()
    assert sorted(contents(page)) == sorted(texts)


async def test_cancelled_sender_leaves_no_half_line(folder, line):
    """A client leaves at any moment; the line is there whole, or not at all."""
    (folder / "s.jsonl").write_bytes(line(1))
    sending = asyncio.ensure_future(
        send_chat_message(chat_folder=folder, session_id="s", message={**MESSAGE, "content": "x" * 500_000})
    )
    await asyncio.sleep(0)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending

    # The next sender waits for the first, whose thread runs on.
    await send_chat_message(chat_folder=folder, session_id="s", message=MESSAGE)
    page = await chat_history(chat_folder=folder, session_id="s")
    assert (page.bad_lines, page.torn) == ((), None)
    assert not (folder / "s.torn").exists()
