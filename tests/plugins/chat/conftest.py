"""Real transcripts for the tests of aiohttp-steps-chat."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest


@pytest.fixture(scope="session", autouse=True)
def current_loop():
    """Give the main thread a loop that is closed in the end.

    pytest-asyncio 1.5 makes one that nobody closes, where there is none (pytest-asyncio#724).
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.close()


@pytest.fixture
def folder(tmp_path):
    """Return an empty chat folder."""
    made = tmp_path / "chat"
    made.mkdir()
    return made


@pytest.fixture
def line():
    """Return a function that makes the line of a message, newline included."""

    def make(number, **fields):
        stamp = f"2026-01-01T00:{number // 60 % 60:02}:{number % 60:02}Z"
        return (
            msgspec.json.encode({"role": "user", "content": str(number), "timestamp": stamp, **fields})
            + b"\n"
        )

    return make


@pytest.fixture
def contents():
    """Return a function that gives the contents of a page's messages."""
    return lambda page: [message["content"] for message in page.messages]


@pytest.fixture
def start_child():
    """Return a function that starts a Python of its own on a script; what still runs is killed at the end."""
    children = []

    def start(script: str, *arguments: object) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-u", "-c", script, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(sys.prefix),
        )
        children.append(child)
        return child

    yield start
    for child in children:
        child.kill()
        child.communicate()


@pytest.fixture
def run_child(start_child):
    """Return a function that runs a script to its end and gives its exit code and output."""

    def run(script: str, *arguments: object) -> tuple[int, str]:
        child = start_child(script, *arguments)
        output, errors = child.communicate(timeout=60)
        assert child.returncode <= 0, errors
        return child.returncode, output

    return run
