"""Being a good neighbour to the event loop from another thread."""

from __future__ import annotations

import time

TURN_S = 0.001
_PAUSE_S = 0.00005


class Pace:
    """Pauses a busy thread for a moment after each millisecond of its work.

    Without it the loop waits up to 5 ms, `sys.getswitchinterval()`, each time that it has something to do:
    a thread that only computes keeps the interpreter for so long.
    """

    def __init__(self) -> None:
        self._next = time.perf_counter() + TURN_S

    def keep(self) -> None:
        """Pause if it is time; to be called between small pieces of work."""
        if time.perf_counter() >= self._next:
            # Not 0: that may give the interpreter back to this thread before another has woken up.
            time.sleep(_PAUSE_S)
            self._next = time.perf_counter() + TURN_S
