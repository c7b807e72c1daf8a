"""Pauses of long work in threads, so that the event loop gets the interpreter."""

from __future__ import annotations

import pytest
from aiohttp_steps_chat import pace as pace_module
from aiohttp_steps_chat.history import read_history
from aiohttp_steps_chat.pace import Pace
from aiohttp_steps_chat.sessions import scan_sessions


class Clock:
    """A time that goes on by itself with each look, and by its sleeps."""

    def __init__(self, tick_s):
        self.now = 0.0
        self.tick_s = tick_s
        self.pauses = 0

    def perf_counter(self):
        self.now += self.tick_s
        return self.now

    def sleep(self, seconds):
        assert seconds > 0
        self.now += seconds
        self.pauses += 1


@pytest.fixture
def clock(monkeypatch):
    """Return the clock that pauses are made by: a tenth of a turn passes with each look."""
    made = Clock(pace_module.TURN_S / 10)
    monkeypatch.setattr(pace_module, "time", made)
    return made


def test_pause_comes_once_a_turn(clock):
    """Too rare, it leaves the loop waiting; for every line, it would cost more than the work."""
    pace = Pace()

    for _ in range(100):
        pace.keep()

    assert 8 <= clock.pauses <= 11


def test_long_page_pauses_while_it_is_decoded(clock, folder, line):
    """A thousand big messages are tens of milliseconds of computing."""
    (folder / "s.jsonl").write_bytes(b"".join(line(n) for n in range(100)))

    read_history(folder, "s", 1000, None)

    assert clock.pauses >= 8


def test_long_list_pauses_while_it_is_made(clock, folder):
    """Thousands of sessions are looked at one by one."""
    for number in range(100):
        (folder / f"{number}.jsonl").touch()

    scan_sessions(folder)

    assert clock.pauses >= 8
