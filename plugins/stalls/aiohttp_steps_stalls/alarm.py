"""An alarm that goes off in a thread unless it is put off in time; putting it off wakes nobody.

A watchdog that looks at a clock every few milliseconds takes the GIL from the event loop each time, which
costs a busy server more than one percent. Linux's timerfd can be set anew without waking who waits for it,
so that a thread waits in the kernel for as long as the loop turns.
"""

from __future__ import annotations

import ctypes
import os
import struct
import threading
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_CLOCK_MONOTONIC = 1
_AT_ONCE_S = 1e-9
_NANOSECONDS = 1_000_000_000


class Alarm(Protocol):
    """One thread waits, another puts off."""

    def put_off(self, which: int) -> None:
        """Let it go off one of its delays from now, and not before."""

    def wait(self) -> bool:
        """Wait until it goes off; may go off early when it was just put off. Answers `False` once stopped."""

    def stop(self) -> None:
        """Let `wait` return `False`, now and ever after."""

    def close(self) -> None:
        """Release what it holds; after the waiting thread has ended."""


class KernelAlarm:
    """A timerfd: https://man7.org/linux/man-pages/man2/timerfd_create.2.html.

    Args:
        delays_s: how long after a `put_off` it goes off, in seconds; several to choose from.

    Raises:
        OSError, AttributeError, TypeError: this system has none.
    """

    def __init__(self, delays_s: Sequence[float]) -> None:
        # PyDLL and not os.timerfd_settime (Python 3.13): that one lets go of the GIL, for which a thread may
        # be waiting that keeps it for milliseconds, and here the event loop calls it at each beat.
        libc = ctypes.PyDLL(None, use_errno=True)
        self._descriptor: int = libc.timerfd_create(_CLOCK_MONOTONIC, os.O_CLOEXEC)
        if self._descriptor < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        self._settime: Callable[..., int] = libc.timerfd_settime
        libc.timerfd_settime.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
        self._delays = [_to_timerspec(delay_s) for delay_s in delays_s]
        self._is_stopped = False

    def put_off(self, which: int) -> None:
        """Set the timer anew."""
        self._settime(self._descriptor, 0, self._delays[which], None)

    def wait(self) -> bool:
        """Read, which blocks without the GIL until the timer expires."""
        if not self._is_stopped:
            os.read(self._descriptor, 8)
        return not self._is_stopped

    def stop(self) -> None:
        """Let the timer expire at once."""
        self._is_stopped = True
        self._settime(self._descriptor, 0, _to_timerspec(_AT_ONCE_S), None)

    def close(self) -> None:
        """Close the descriptor. Setting and waiting do nothing from then on."""
        self._is_stopped = True
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class PlainAlarm:
    """The same where there is no timerfd: the waiting thread wakes up about once per delay to see.

    Args:
        delays_s: as for `KernelAlarm`.
    """

    def __init__(self, delays_s: Sequence[float]) -> None:
        self._delays_s = delays_s
        self._due_at = time.monotonic() + delays_s[0]
        self._stopped = threading.Event()

    def put_off(self, which: int) -> None:
        """Move the moment that the waiting thread looks at."""
        self._due_at = time.monotonic() + self._delays_s[which]

    def wait(self) -> bool:
        """Sleep until the moment that is then due has come."""
        while (remaining_s := self._due_at - time.monotonic()) > 0 and not self._stopped.is_set():
            self._stopped.wait(remaining_s)
        self.put_off(-1)  # once is enough, until the loop has turned
        return not self._stopped.is_set()

    def stop(self) -> None:
        """Wake the waiting thread."""
        self._stopped.set()

    def close(self) -> None:
        """Hold nothing, so do nothing."""


def make_alarm(delays_s: Sequence[float]) -> Alarm:
    """Return the best alarm that this system has."""
    try:
        return KernelAlarm(delays_s)
    except (OSError, AttributeError, TypeError):  # no Linux
        return PlainAlarm(delays_s)


def _to_timerspec(delay_s: float) -> bytes:
    """Return a `struct itimerspec` that expires once."""
    seconds, nanoseconds = divmod(max(1, round(delay_s * _NANOSECONDS)), _NANOSECONDS)
    return struct.pack("4l", 0, 0, seconds, nanoseconds)
