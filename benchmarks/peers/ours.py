"""Ours: the steps registered as a plugin's, run as a view."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

from aiohttp_steps import StepRegistry, step
from aiohttp_steps.types import Status

from benchmarks.peers.graph import FAR_S, NEAR_S, Style, write_functions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp_steps.types import Report

    from benchmarks.peers.graph import Body, Fault, Graph

VIEW = "work"
STYLE = Style(keyword_only=True)
RUNNERS = {"async": "loop", "inline": "inline", "thread": "thread"}
ENDINGS = {Status.FAILED: "fails", Status.TIMED_OUT: "times out", Status.SKIPPED: "skipped"}


class Ours:
    """A registry with the steps of a graph in one view.

    Args:
        graph: the steps and what they take.
        body: how they are written, and so where they run.
        fault: what the one in the middle does. Where it times out, each step has a time limit.
        threads: most threads at once.
    """

    def __init__(
        self, graph: Graph, *, body: Body = "async", fault: Fault = "none", threads: int | None = None
    ) -> None:
        self.registry = StepRegistry(threads=threads)
        functions = write_functions(graph, STYLE, body=body, fault=fault)
        steps = {}
        for number, (name, function) in enumerate(functions.items()):
            limit = NEAR_S if number == graph.broken else FAR_S
            mark = step(
                concurrency="parallel",
                views=[VIEW],
                runner=RUNNERS[body],
                timeout=limit if fault == "times out" else None,
            )
            steps[name] = mark(function)
        self.registry.register(types.SimpleNamespace(**steps), "work")
        self._program = self.registry.program(VIEW)

    @property
    def run(self) -> Callable[[], Awaitable[Report]]:
        """What runs the view once."""
        execute, program = self.registry.execute, self._program

        async def run() -> Report:
            return await execute(program, {})

        return run

    @property
    def run_and_read(self) -> Callable[[], Awaitable[Any]]:
        """What runs the view once and asks for outcomes and timing, which are worked out when asked for."""
        execute, program = self.registry.execute, self._program

        async def run() -> object:
            report = await execute(program, {})
            return report.outcomes, report.timing

        return run

    async def close(self) -> None:
        """End its threads."""
        await self.registry.close()


def read_values(report: Report) -> dict[str, Any]:
    """Return the value of each step; all of them have to have one."""
    return {outcome.step.name: outcome.value for outcome in report.outcomes}


def read_endings(report: Report) -> dict[str, int | str]:
    """Say what became of each step, in the words of `Graph.endings`."""
    return {
        outcome.step.name: outcome.value
        if outcome.status is Status.SUCCEEDED
        else ENDINGS.get(outcome.status, str(outcome.status))
        for outcome in report.outcomes
    }
