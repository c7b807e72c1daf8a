"""Names of sessions, and the list of them."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import msgspec
import pytest
from aiohttp_steps_chat import (
    BadSessionIdError,
    SessionUnreadableError,
    chat_history,
    chat_sessions,
    send_chat_message,
)

MESSAGE = {"role": "user", "content": "hello"}

BAD_IDS = {
    "parent": "..",
    "traversal": "../secret",
    "inner_traversal": "a/../../secret",
    "absolute": "/etc/passwd",
    "backslash": "..\\secret",
    "drive": "C:secret",
    "stream": "a:b",
    "slash": "a/b",
    "nul": "a\0b",
    "nul_end": "a\0",
    "newline_end": "a\n",
    "hidden": ".hidden",
    "trailing_dot": "a.",
    "empty": "",
    "space": "a b",
    "percent": "%2e%2e%2fsecret",
    "fullwidth_dots": "\uff0e\uff0e\uff0fsecret",
    "fraction_slash": "a\u2044b",
    "accent": "\u00e9",
    "arabic_digit": "\u0661",
    "right_to_left": "a\u202eb",
    "surrogate": "\udc80",
    "long": "a" * 129,
    "device": "nul",
    "device_upper": "CON",
    "device_with_ending": "com1.txt",
    "tilde": "~",
    "bytes": b"abc",
    "number": 5,
}


@pytest.mark.parametrize("session_id", BAD_IDS.values(), ids=BAD_IDS)
async def test_session_id_that_is_no_plain_name_is_refused(tmp_path, folder, line, session_id):
    """A session id comes from strangers: no form of it may name a file elsewhere, on any system."""
    (tmp_path / "secret.jsonl").write_bytes(line(1))
    before = sorted(tmp_path.rglob("*"))

    for call in (
        chat_history(chat_folder=folder, session_id=session_id),
        send_chat_message(chat_folder=folder, session_id=session_id, message=MESSAGE),
    ):
        with pytest.raises(BadSessionIdError, match="session_id") as caught:
            await call
        assert (caught.value.type, caught.value.status) == ("bad_session_id", 400)
        assert str(tmp_path) not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "secret.jsonl").read_bytes() == line(1)


async def test_cursor_cannot_name_a_file_elsewhere(tmp_path, folder, line):
    """The cursor names a session too, and comes from strangers as well."""
    (tmp_path / "secret.jsonl").write_bytes(line(1))

    with pytest.raises(BadSessionIdError):
        await chat_history(chat_folder=folder, before=f"../secret@{len(line(1))}")


@pytest.mark.parametrize(
    "session_id", ["a", "A-1_b", "2026-01-01", "v1.2", "-", "_", "a" * 128, "console", "com", "0d9f.x"]
)
async def test_plain_names_are_sessions(folder, session_id):
    """The guard must not cost the names that people use: dates, UUIDs, versions."""
    await send_chat_message(chat_folder=folder, session_id=session_id, message=MESSAGE)

    page = await chat_history(chat_folder=folder, session_id=session_id)

    assert len(page.messages) == 1
    assert [session.session_id for session in await chat_sessions(chat_folder=folder)] == [session_id]


async def test_sending_without_a_session_says_so(folder):
    """The input's default is None, the newest one; a message must never go to whichever that is."""
    with pytest.raises(BadSessionIdError, match="missing; name the session"):
        await send_chat_message(chat_folder=folder, session_id=None, message=MESSAGE)


def make_link(path, outside):
    path.symlink_to(outside)


def make_dangling_link(path, outside):
    path.symlink_to(outside.with_name("made-by-attack.jsonl"))


def make_folder(path, outside):
    path.mkdir()


def make_pipe(path, outside):
    os.mkfifo(path)


@pytest.mark.parametrize("make", [make_link, make_dangling_link, make_folder, make_pipe])
async def test_session_that_is_no_regular_file_is_refused(tmp_path, folder, line, make):
    """A link leads out of the folder, and opening a pipe would wait for ever."""
    outside = tmp_path / "secret.jsonl"
    outside.write_bytes(line(1))
    make(folder / "s.jsonl", outside)

    for call in (
        chat_history(chat_folder=folder, session_id="s"),
        send_chat_message(chat_folder=folder, session_id="s", message=MESSAGE),
    ):
        with pytest.raises(BadSessionIdError, match="'s' is not a regular file"):
            await call
    assert outside.read_bytes() == line(1)
    assert [path.name for path in tmp_path.iterdir() if path != folder] == ["secret.jsonl"]


async def test_torn_file_that_is_a_link_is_not_followed(tmp_path, folder, line):
    """What is set aside is written too: the same guard, or a link would be appended to."""
    outside = tmp_path / "victim"
    outside.write_bytes(b"precious\n")
    (folder / "s.torn").symlink_to(outside)
    (folder / "s.jsonl").write_bytes(line(1) + b"{torn")

    with pytest.raises(BadSessionIdError, match="not a regular file"):
        await send_chat_message(chat_folder=folder, session_id="s", message=MESSAGE)

    assert outside.read_bytes() == b"precious\n"
    assert (folder / "s.jsonl").read_bytes() == line(1) + b"{torn"


async def test_list_has_size_and_time_newest_first(folder, line):
    """The list is what a person picks a talk from."""
    for name, modified in (("b", 2_000_000_000), ("c", 3_000_000_000), ("a", 2_000_000_000)):
        (folder / f"{name}.jsonl").write_bytes(line(1))
        os.utime(folder / f"{name}.jsonl", (modified, modified))

    sessions = await chat_sessions(chat_folder=folder)

    assert [session.session_id for session in sessions] == ["c", "a", "b"]
    assert sessions[0].size_bytes == len(line(1))
    assert sessions[0].modified == datetime.fromtimestamp(3_000_000_000, tz=UTC)
    assert msgspec.json.decode(msgspec.json.encode(sessions))[0]["modified"].endswith("Z")


async def test_list_passes_over_what_is_no_session(tmp_path, folder, line):
    """Other files in the folder are not offered, least of all those that opening would refuse."""
    (folder / "s.jsonl").write_bytes(line(1))
    for name in ("notes.txt", "s.torn", ".hidden.jsonl", ".jsonl", "a b.jsonl", "nul.jsonl", "x.JSONL"):
        (folder / name).write_bytes(line(1))
    (folder / "folder.jsonl").mkdir()
    (folder / "link.jsonl").symlink_to(folder / "s.jsonl")
    (folder / os.fsdecode(b"\xff.jsonl")).write_bytes(line(1))

    assert [session.session_id for session in await chat_sessions(chat_folder=folder)] == ["s"]


async def test_list_of_a_missing_folder_is_empty(tmp_path):
    """Nobody has chatted yet; and a look must not make the folder."""
    assert await chat_sessions(chat_folder=tmp_path / "missing") == []
    assert list(tmp_path.iterdir()) == []


async def test_list_of_thousands_is_one_hop(folder, monkeypatch):
    """A thread hop for each file would make the list of a heavy user take a second."""
    for number in range(1000):
        (folder / f"{number}.jsonl").touch()
    hops = []
    from aiohttp_steps_chat import steps

    real = steps._readers.submit
    monkeypatch.setattr(steps._readers, "submit", lambda *arguments: hops.append(1) or real(*arguments))

    assert len(await chat_sessions(chat_folder=folder)) == 1000
    assert len(hops) == 1


async def test_folder_that_is_a_file_is_an_error_without_its_path(tmp_path):
    """A wrong configuration is told apart from an empty folder; strangers do not learn where it is."""
    (tmp_path / "chat").touch()

    with pytest.raises(
        SessionUnreadableError, match="the chat folder cannot be read: not a directory"
    ) as caught:
        await chat_sessions(chat_folder=tmp_path / "chat")

    assert str(tmp_path) not in str(caught.value)
    assert caught.value.status == 500


WITHOUT_RIGHTS = """
import asyncio, os, sys
from pathlib import Path
from aiohttp_steps import StepError
from aiohttp_steps_chat import chat_history, chat_sessions, send_chat_message
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
folder = Path(sys.argv[1])
async def main():
    for call in (
        chat_history(chat_folder=folder, session_id="s"),
        chat_sessions(chat_folder=folder),
        send_chat_message(chat_folder=folder, session_id="s", message={"role": "user", "content": "x"}),
    ):
        try:
            await call
        except StepError as error:
            print(error.type, error.status, error)
asyncio.run(main())
"""


def test_missing_rights_are_errors_that_say_so(tmp_path_factory, line, run_child):
    """Rights are the first thing that goes wrong on a new server; the child has none, as root has all."""
    folder = tmp_path_factory.getbasetemp() / "no-rights"
    folder.mkdir(exist_ok=True)
    (folder / "s.jsonl").write_bytes(line(1))
    folder.chmod(0)
    try:
        _, output = run_child(WITHOUT_RIGHTS, folder)
    finally:
        folder.chmod(0o700)

    history, sessions, sent = output.splitlines()
    assert history.startswith("session_unreadable 500 session 's' cannot be read: permission denied;")
    assert sessions.startswith("session_unreadable 500 the chat folder cannot be read: permission denied;")
    assert sent.startswith("not_saved 500 the message to session 's' was not saved: permission denied;")
    assert str(folder) not in output
