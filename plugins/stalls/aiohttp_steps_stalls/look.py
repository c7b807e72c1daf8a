"""A look at all threads in one moment, taken while holding the GIL."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp_steps_stalls.processor import read_cpu
from aiohttp_steps_stalls.stacks import read_stack

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiohttp_steps_stalls.stacks import Stack

_WINDOW_S = 0.0001
"""For how long it is watched who runs without the GIL: long against the clock, short against a threshold."""

_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class ThreadLook:
    """Where a thread was.

    Attributes:
        native_id: what the operating system calls it.
        name: what Python calls it.
        stack: innermost first.
        cpu_s: how long it had run on a processor; `None` if nobody can tell.
    """

    native_id: int
    name: str
    stack: Stack
    cpu_s: float | None


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen in one moment.

    Attributes:
        at: when, by `time.monotonic`.
        waited_s: for how long whoever looked had waited for its turn: for the GIL, or a processor.
        loop: stack of the event loop's thread; empty if that is who looks.
        threads: all others but the one that looks, by native id; empty if only the loop mattered.
        free: native ids of those that ran just then although the GIL was held here: they do not hold it.
    """

    at: float
    waited_s: float
    loop: Stack
    threads: Mapping[int, ThreadLook] = field(default_factory=dict)
    free: frozenset[int] = frozenset()


def look_at_loop(ident: int, waited_s: float) -> Look:
    """Look at the event loop's thread alone, from another one."""
    frame = sys._current_frames().get(ident)  # noqa: SLF001 - public and documented, whatever its name
    return Look(time.monotonic(), waited_s, read_stack(frame, keep=True))


def look_at_all(ident: int, waited_s: float, base: Mapping[int, float], suspicious_s: float) -> Look:
    """Look at all threads.

    Args:
        ident: the event loop's thread.
        base: processor times of threads as they were before, in seconds.
        suspicious_s: how long one must have had a processor since then to be worth a closer look.
    """
    at, here = time.monotonic(), threading.get_ident()
    frames = sys._current_frames()  # noqa: SLF001 - as above
    threads = {}
    for thread in threading.enumerate():
        number = thread.native_id
        if number is None or thread.ident in (ident, here):
            continue
        frame = frames.get(thread.ident or 0)
        threads[number] = ThreadLook(number, thread.name, read_stack(frame), read_cpu(number))
    loop = () if ident == here else read_stack(frames.get(ident), keep=True)
    suspects = [
        number
        for number, thread in threads.items()
        if thread.cpu_s is not None and thread.cpu_s - base.get(number, 0.0) >= suspicious_s
    ]
    return Look(at, waited_s, loop, threads, find_free(suspects) if suspects else frozenset())


def find_free(native_ids: Iterable[int]) -> frozenset[int]:
    """Return those threads that run just now, while this one holds the GIL.

    A thread that waits for the GIL sleeps: its clock stands still. One whose clock runs needs no GIL.
    If this thread was interrupted, somebody else may have had the GIL meanwhile, and nothing is known.
    """
    for _ in range(_ATTEMPTS):
        began_at, own_began = time.perf_counter(), time.thread_time()
        before = {number: read_cpu(number) for number in native_ids}
        if all(used is None for used in before.values()):
            return frozenset()
        while time.perf_counter() - began_at < _WINDOW_S:
            pass
        grown = set()
        for number, used in before.items():
            now = read_cpu(number)
            if used is not None and now is not None and now - used > _WINDOW_S / 3:
                grown.add(number)
        passed_s, own_s = time.perf_counter() - began_at, time.thread_time() - own_began
        if passed_s - own_s < _WINDOW_S / 4:
            return frozenset(grown)
    return frozenset()
