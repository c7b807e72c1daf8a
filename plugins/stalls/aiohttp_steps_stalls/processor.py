"""What the operating system says of threads: how long they had a processor, and how long they waited for one.

Linux tells all of it. Elsewhere only the calling thread's own time is known, and verdicts rest on stacks.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEDSTAT = "/proc/thread-self/schedstat"
_SIZE = 96
_IS_LINUX = sys.platform == "linux"


class Usage(NamedTuple):
    """How a thread has fared since it began, in seconds.

    Attributes:
        cpu_s: it ran on a processor.
        denied_s: it could have run, but the machine ran others; 0 where that is not known. A thread that
            waits for the GIL sleeps, and is not counted here.
    """

    cpu_s: float
    denied_s: float


class OwnUsage:
    """Reads the usage of the thread that made it, without letting go of the GIL.

    The first two numbers of https://docs.kernel.org/scheduler/sched-stats.html.
    """

    def __init__(self) -> None:
        self._descriptor: int | None = None
        try:
            self._pread = ctypes.PyDLL(None).pread
            self._pread.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_long)
            self._buffer = ctypes.create_string_buffer(_SIZE)
            self._descriptor = os.open(_SCHEDSTAT, os.O_RDONLY | os.O_CLOEXEC)
        except (OSError, AttributeError, TypeError):  # no Linux, or one without statistics
            return
        note = self.note()
        if isinstance(note, bytes) and len(note.split()) < 2:  # noqa: PLR2004 - the two numbers
            self.close()

    def read(self) -> Usage:
        """Return the usage so far; call it in the thread that made this."""
        return parse_usage(self.note())

    def note(self) -> bytes | float:
        """Note the usage so far, to be parsed if it is asked for: that costs half as much."""
        if self._descriptor is None:
            return time.thread_time()
        # The buffer keeps what a longer line has left behind the end of this one.
        length: int = self._pread(self._descriptor, self._buffer, _SIZE - 1, 0)
        return self._buffer.raw[: max(0, length)]

    def close(self) -> None:
        """Release the descriptor."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def parse_usage(note: bytes | float) -> Usage:
    """Return what was noted."""
    if isinstance(note, float):
        return Usage(note, 0.0)
    cpu, denied = note.split()[:2]
    return Usage(int(cpu) / 1e9, int(denied) / 1e9)


def read_cpu(native_id: int) -> float | None:
    """Return for how many seconds a thread ran on a processor; `None` if it has ended or nobody can tell.

    Not `time.pthread_getcpuclockid`: for a thread that has just ended that is undefined. The number of its
    clock is part of the kernel's interface (`make_thread_cpuclock` in linux/posix-timers.h), and reading the
    clock of a thread that has ended is an error like any other.
    """
    if not _IS_LINUX:
        return None
    try:
        return time.clock_gettime((~native_id << 3) | 0b110)
    except OSError:
        return None


def read_all_cpu() -> Mapping[int, float]:
    """Return the processor time of each Python thread by its native id; empty if nobody can tell."""
    found = {}
    for thread in threading.enumerate():
        number = thread.native_id
        used = None if number is None else read_cpu(number)
        if number is not None and used is not None:
            found[number] = used
    return found
