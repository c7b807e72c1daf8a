"""Watches an event loop: a beat in it puts off an alarm; when that goes off, a thread looks at the loop.

Owns thread, timers and clocks, and gathers evidence. What to make of that is its owner's.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

from aiohttp_steps_stalls.alarm import make_alarm
from aiohttp_steps_stalls.look import look_at_all, look_at_loop
from aiohttp_steps_stalls.processor import OwnUsage, parse_usage, read_all_cpu
from aiohttp_steps_stalls.underway import UNDER_WAY
from aiohttp_steps_stalls.verdict import Evidence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiohttp_steps_stalls.look import Look

MOST_S = 30.0
"""What lasts longer is a debugger, or a machine that slept, and nobody's fault."""

_SELDOM = 8
"""A loop that stays held is looked at again after one part in so many of the time for which it was."""

_SHARE = 200
"""What is done in vain, and what is done in case, may each cost one part in so many."""

_REST_BEATS = 4
"""Processor times are read at every so many beats, while no step runs in a thread; at rest one is so long."""

_REST_AFTER_S = 5.0
"""A loop that had next to nothing to do for so long is at rest."""

_NEXT_TO_NOTHING = 0.05
"""Share of the time that such a loop computes at most."""

_PATIENT_BEATS = 8
"""After a look in vain, for so many beats only a loop that is held for long is looked at."""

_LONG = 3
"""A stall of so many thresholds is looked into even where others were nobody's just before."""

_USUAL, _AT_REST, _LATE = range(3)


class Watch:
    """Notices when the loop that runs here does not turn.

    Args:
        threshold_s: how long it must not have turned, in seconds.
        explain: called in the loop with each stall: when it began, by `time.monotonic`, and what is known,
            `None` if it was the machine's; answers whether somebody was to blame.
    """

    def __init__(self, threshold_s: float, explain: Callable[[float, Evidence | None], bool]) -> None:
        self._threshold_s = threshold_s
        self._explain = explain
        # A hold is noticed for certain from one beat above the threshold on.
        self._usual_s = self._beat_s = threshold_s / 2
        self._rest_s = _REST_BEATS * self._usual_s
        # Early enough for two looks at what is just long enough, and late enough to look seldom in vain.
        self._patience_s = 0.8 * threshold_s
        self._loop = asyncio.get_running_loop()
        self._ident = threading.get_ident()
        self._usage = OwnUsage()
        usual_s = self._usual_s + self._patience_s
        self._alarm = make_alarm((usual_s, self._rest_s + self._patience_s, usual_s + 2 * threshold_s))
        self._is_stopped = threading.Event()
        self._looks: list[Look] = []
        self._base: Mapping[int, float] = {}
        now = time.monotonic()
        self._base_at = self._next_base_at = self._patient_until = self._quiet_until = 0.0
        self._began, self._busy_at = self._usage.note(), now
        self._judged_cpu_s, self._judged_at = parse_usage(self._began).cpu_s, now
        self._take_base(now)
        self._expect(now)
        self._handle = self._loop.call_later(self._beat_s, self._beat)
        self._thread = threading.Thread(target=self._watch, name="aiohttp-steps-stalls", daemon=True)
        self._thread.start()
        UNDER_WAY.add_listener(self._freshen)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that is watched."""
        return self._loop

    def stop(self) -> None:
        """End thread and timer. Call it in the loop, or after that was closed."""
        UNDER_WAY.remove_listener(self._freshen)
        self._handle.cancel()
        self._is_stopped.set()
        self._alarm.stop()
        self._thread.join()
        self._release()

    def _release(self) -> None:
        self._alarm.close()
        self._usage.close()
        self._looks = []

    def settle(self) -> None:
        """Explain a stall that has just ended, now and not at the next beat. Call it in the loop."""
        now = time.monotonic()
        if now - self._due_at >= self._threshold_s:
            self._explain_stall(now)
            self._expect(time.monotonic())

    def _beat(self) -> None:
        now = time.monotonic()
        try:
            if now - self._due_at >= self._threshold_s:
                self._explain_stall(now)
                now = time.monotonic()
            elif self._looks:
                # Looked in vain. Where turns are that long at all times, look later for a while.
                self._be_patient(now)
        finally:  # whatever is wrong with one stall, the next one is another
            self._expect(now)
            self._handle = self._loop.call_later(self._beat_s, self._beat)

    def _be_patient(self, now: float) -> None:
        self._patient_until = now + _PATIENT_BEATS * self._usual_s

    def _expect(self, now: float) -> None:
        """Begin to wait for the next beat."""
        self._looks = []  # here, and not in the other thread: they hold frames of this one
        self._began = self._usage.note()
        is_under_way = bool(UNDER_WAY)
        if is_under_way or now - self._base_at >= _REST_BEATS * self._usual_s:
            self._take_base(now)
            self._judge_business(now, is_under_way=is_under_way)
        is_at_rest = now - self._busy_at > _REST_AFTER_S
        self._beat_s = self._rest_s if is_at_rest else self._usual_s
        self._due_at = now + self._beat_s
        self._alarm.put_off(_AT_REST if is_at_rest else _LATE if now < self._patient_until else _USUAL)

    def _judge_business(self, now: float, *, is_under_way: bool) -> None:
        """Find out whether the loop has had something to do since this was last asked."""
        cpu_s = parse_usage(self._began).cpu_s
        if is_under_way or cpu_s - self._judged_cpu_s > _NEXT_TO_NOTHING * (now - self._judged_at):
            self._busy_at = now
        self._judged_cpu_s, self._judged_at = cpu_s, now

    def _freshen(self) -> None:
        """Get ready for a step that begins in a thread: read processor times, and be at rest no longer."""
        if threading.get_ident() != self._ident:
            return
        now = time.monotonic()
        if now - self._base_at >= self._usual_s:
            self._take_base(now)
        if self._beat_s > self._usual_s and now < self._due_at:
            self._busy_at = now
            self._handle.cancel()
            self._expect(now)
            self._handle = self._loop.call_later(self._beat_s, self._beat)

    def _take_base(self, now: float) -> None:
        if now < self._next_base_at:
            return
        # Not the time that passed: if others took the GIL meanwhile, the next reading matters all the more.
        began_s = time.thread_time()
        self._base = read_all_cpu()
        self._base_at = now
        self._next_base_at = now + (time.thread_time() - began_s) * _SHARE

    def _explain_stall(self, now: float) -> None:
        looks = [look for look in self._looks if look.at >= self._due_at]
        lasted_s = now - self._due_at
        is_short = lasted_s < _LONG * self._threshold_s
        if lasted_s > MOST_S or (is_short and not looks and now < self._quiet_until):
            return
        usage = self._usage.read()
        began = parse_usage(self._began)
        denied_s = usage.denied_s - began.denied_s
        if lasted_s - denied_s < self._threshold_s:
            # The machine's, which may be so often: little time is spent on it.
            self._explain(self._due_at, None)
            self._be_patient(now)
            return
        last = self._look(0.0)
        evidence = Evidence(
            threshold_s=self._threshold_s,
            lasted_s=lasted_s,
            denied_s=denied_s,
            loop_cpu_s=usage.cpu_s - began.cpu_s,
            looks=looks,
            last=last,
            cpu_s={
                number: thread.cpu_s - self._base.get(number, 0.0)
                for number, thread in last.threads.items()
                if thread.cpu_s is not None
            },
            begun=UNDER_WAY.find_begun(self._loop.time()),
            untold=UNDER_WAY.find_untold(),
        )
        if not self._explain(self._due_at, evidence):
            self._quiet_until = time.monotonic() + (self._usage.read().cpu_s - usage.cpu_s) * _SHARE
            self._be_patient(now)

    def _look(self, waited_s: float) -> Look:
        return look_at_all(self._ident, waited_s, self._base, self._threshold_s / 4)

    def _watch(self) -> None:
        """Wait for the alarm, and then look until the loop turns. Runs in the thread."""
        while self._alarm.wait():
            due_at = self._due_at
            expected_at = due_at + self._patience_s
            while not self._is_stopped.is_set():
                now = time.monotonic()
                late_s = now - due_at
                if self._loop.is_closed():  # and nobody has stopped this
                    self._release()
                    return
                if self._due_at != due_at or not 0 < late_s < MOST_S:
                    break  # it turns, or never will
                waited_s = max(0.0, now - expected_at)
                # Who has been kept out may see the thread that kept it, before that goes on.
                is_kept_out = waited_s > self._threshold_s / 4
                self._looks.append(
                    self._look(waited_s) if is_kept_out else look_at_loop(self._ident, waited_s)
                )
                delay_s = max(self._threshold_s / 4, late_s / _SELDOM)
                expected_at = time.monotonic() + delay_s
                self._is_stopped.wait(delay_s)
