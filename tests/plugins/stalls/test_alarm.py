"""Both kinds of alarm: the kernel's, and the one for systems without."""

from __future__ import annotations

import sys
import threading
import time

import pytest
from aiohttp_steps_stalls.alarm import KernelAlarm, PlainAlarm, make_alarm

NEVER_S = 1_000.0

KINDS = [
    pytest.param(KernelAlarm, marks=pytest.mark.skipif(sys.platform != "linux", reason="timerfd is Linux's")),
    PlainAlarm,
]


@pytest.fixture(params=KINDS, ids=["kernel", "plain"])
def make(request):
    """Return a function that makes alarms, which are closed in the end."""
    made = []

    def make_one(delay_s):
        made.append(request.param((delay_s, NEVER_S)))
        return made[-1]

    yield make_one
    for alarm in made:
        alarm.close()


def test_alarm_goes_off_after_its_delay(make) -> None:
    """Not before: who is late by less is not late."""
    alarm = make(0.02)
    began_at = time.monotonic()
    alarm.put_off(0)
    assert alarm.wait()
    assert time.monotonic() - began_at >= 0.02


def test_alarm_that_is_put_off_wakes_nobody(make) -> None:
    """That is what it is for."""
    alarm = make(0.3)
    alarm.put_off(0)
    went_off = threading.Event()

    def wait():
        alarm.wait()
        went_off.set()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    alarm.put_off(1)
    assert not went_off.wait(0.01)
    alarm.stop()
    thread.join(5)
    assert went_off.is_set()


def test_alarm_that_is_stopped_ends_its_thread(make) -> None:
    """Whether that waits just then or comes later."""
    alarm = make(NEVER_S)
    alarm.put_off(0)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(alarm.wait()), daemon=True)
    thread.start()
    alarm.stop()
    thread.join(5)
    assert answers == [False]
    assert not alarm.wait()


def test_system_without_timers_has_the_plain_one(monkeypatch) -> None:
    """Neither macOS nor Windows has timerfd."""
    monkeypatch.setattr("ctypes.PyDLL", lambda *_a, **_k: object())
    alarm = make_alarm((1.0, 2.0))
    assert isinstance(alarm, PlainAlarm)
