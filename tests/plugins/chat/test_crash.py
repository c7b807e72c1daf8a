"""Crashes and other processes: real ones, ended by SIGKILL."""

from __future__ import annotations

import asyncio
import signal

import pytest
from aiohttp_steps_chat import chat_history, send_chat_message

SEND_FOR_EVER = """
import asyncio, itertools, sys
from pathlib import Path
from aiohttp_steps_chat import send_chat_message
async def main():
    for number in itertools.count():
        message = {"role": "user", "content": f"{number}", "padding": "x" * 20_000}
        await send_chat_message(chat_folder=Path(sys.argv[1]), session_id="s", message=message)
        print(number)
asyncio.run(main())
"""

SEND_SOME = """
import asyncio, sys
from pathlib import Path
from aiohttp_steps_chat import send_chat_message
async def main():
    print("ready")
    sys.stdin.readline()
    for number in range(40):
        message = {"role": sys.argv[2], "content": f"{number}", "padding": "x" * (number * 1500)}
        await send_chat_message(chat_folder=Path(sys.argv[1]), session_id="s", message=message)
asyncio.run(main())
"""

DIE_AT_CALL = """
import asyncio, os, signal, sys
from pathlib import Path
from aiohttp_steps_chat import send_chat_message
left = int(sys.argv[2])
def wrap(name):
    real = getattr(os, name)
    def call(descriptor, *arguments):
        global left
        left -= 1
        if left == 0:
            if name == "write":
                real(descriptor, arguments[0][: len(arguments[0]) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return real(descriptor, *arguments)
    setattr(os, name, call)
async def main():
    for name in ("write", "fsync", "ftruncate"):
        wrap(name)
    message = {"role": "user", "content": "from the child"}
    await send_chat_message(chat_folder=Path(sys.argv[1]), session_id="s", message=message)
    sys.stdout.write("acknowledged")
asyncio.run(main())
"""

TORN = b'{"role": "user", "content": "half of somethi'
AFTER = {"role": "user", "content": "after the crash"}


async def walk(folder):
    """Give all messages of the session, and what else its pages report."""
    pages = [await chat_history(chat_folder=folder, session_id="s", limit=1000)]
    while pages[-1].next_before:
        before = pages[-1].next_before
        pages.append(await chat_history(chat_folder=folder, session_id="s", limit=1000, before=before))
    pages.reverse()
    return [m for p in pages for m in p.messages], [b for p in pages for b in p.bad_lines], pages[-1].torn


async def test_every_acknowledged_message_survives_a_kill(folder, start_child):
    """The promise of sending: what was answered is there, in order, whatever moment the process dies at."""
    child = start_child(SEND_FOR_EVER, folder)
    for _ in range(25):
        assert child.stdout.readline()
    child.kill()
    last = max(map(int, child.communicate()[0].split()), default=24)

    messages, bad, _ = await walk(folder)

    numbers = [int(message["content"]) for message in messages]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > last
    assert bad == []


@pytest.mark.parametrize("call", range(1, 9))
async def test_death_at_any_call_loses_neither_messages_nor_the_torn_tail(
    folder, line, contents, run_child, call
):
    """A process dies within each call of a repair in turn, writes half done; the next sender cleans up."""
    (folder / "s.jsonl").write_bytes(line(1) + line(2) + TORN)

    code, output = run_child(DIE_AT_CALL, folder, call)
    assert (code, output) == (-signal.SIGKILL, "")
    await send_chat_message(chat_folder=folder, session_id="s", message=AFTER)

    messages, bad, torn = await walk(folder)
    texts = [message["content"] for message in messages]
    assert [text for text in texts if text != "from the child"] == ["1", "2", "after the crash"]
    assert (bad, torn) == ([], None)
    assert TORN in (folder / "s.torn").read_bytes().splitlines()


async def test_death_within_the_write_is_reported_before_and_after(folder, line, run_child):
    """A page shows the torn line as such; the next sender says where it went."""
    (folder / "s.jsonl").write_bytes(line(1))

    code, _ = run_child(DIE_AT_CALL, folder, 1)
    assert code == -signal.SIGKILL
    _, _, torn = await walk(folder)
    sent = await send_chat_message(chat_folder=folder, session_id="s", message=AFTER)

    assert torn is not None
    assert sent.set_aside is not None
    assert (sent.set_aside.offset, sent.set_aside.size_bytes) == (torn.offset, torn.size_bytes)
    assert b"from the" in (folder / "s.torn").read_bytes()


def test_the_last_call_of_a_repair_is_the_eighth(folder, line, run_child):
    """Keeps the test above honest: with more calls than it kills at, it would miss some."""
    (folder / "s.jsonl").write_bytes(line(1) + line(2) + TORN)

    assert run_child(DIE_AT_CALL, folder, 9) == (0, "acknowledged")


async def test_two_processes_write_whole_lines_each_in_its_order(folder, start_child):
    """Two servers on one folder, on purpose or by a restart that overlaps."""
    children = [start_child(SEND_SOME, folder, name) for name in ("left", "right")]
    for child in children:
        assert child.stdout.readline() == "ready\n"
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        _, errors = await asyncio.to_thread(child.communicate)
        assert (child.returncode, errors) == (0, "")

    messages, bad, torn = await walk(folder)

    assert (bad, torn) == ([], None)
    for name in ("left", "right"):
        assert [m["content"] for m in messages if m["role"] == name] == [str(number) for number in range(40)]
    assert not (folder / "s.torn").exists()
