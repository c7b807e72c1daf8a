"""The plugin that brings the framework's own runners."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp_steps.marker import hookimpl
from aiohttp_steps.runners.loop import InlineRunner, LoopRunner
from aiohttp_steps.runners.process import ProcessRunner
from aiohttp_steps.runners.thread import ThreadRunner

if TYPE_CHECKING:
    from aiohttp_steps.types import RankCall, Runner


class BuiltinRunners:
    """Brings `loop`, `inline`, `thread` and `process`.

    Args:
        threads: most threads at once; `None`: number of processors plus 4, at most 32.
        processes: most worker processes at once; `None`: number of processors.
        rank: says which of the calls that wait for a thread is next; `None`: first come, first served.
    """

    def __init__(
        self, threads: int | None = None, processes: int | None = None, rank: RankCall | None = None
    ) -> None:
        self._runners: list[Runner] = [
            LoopRunner(),
            InlineRunner(),
            ThreadRunner(threads, rank),
            ProcessRunner(processes),
        ]

    @hookimpl
    def step_runners(self) -> list[Runner]:
        """Give the same objects each time: a runner outlives changes of plugins."""
        return self._runners
