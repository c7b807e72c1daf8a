"""The contract of what keeps exclusive steps apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager


class Locks(Protocol):
    """Holds keys for exclusive steps: one holder a key at a time, as far as the implementation reaches.

    The framework's own reaches as far as the process. A plugin may give a registry one that spans processes
    or machines: `registry.locks = ...`, say in `steps_app_setup`.
    """

    def hold(self, key: str) -> AbstractAsyncContextManager[None]:
        """Return what waits for `key` when entered, and lets go of it when left, however it is left.

        Waiting is fair: first come, first served. A wait that is cancelled leaves no trace. The caller holds
        several keys only in sorted order, so that an implementation need not look for deadlocks.
        """
