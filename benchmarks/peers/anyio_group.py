"""AnyIO's task group: a task for each step, which awaits the handles of those that it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anyio import TaskHandle, create_task_group  # handles: 4.14 or newer

from benchmarks.peers.contender import Contender
from benchmarks.peers.graph import write_functions
from benchmarks.peers.hand import follow

if TYPE_CHECKING:
    from benchmarks.peers.graph import Graph


async def build(graph: Graph) -> Contender:
    """Set up a graph."""
    functions = write_functions(graph)
    names = graph.names
    ordered = [
        (name, functions[name], [f"s{source}" for source in sources])
        for name, sources in zip(names, graph.takes, strict=True)
    ]

    async def run() -> dict[str, Any]:
        handles: dict[str, TaskHandle[Any]] = {}
        async with create_task_group() as group:
            for name, step, taken in ordered:
                handles[name] = (
                    group.start_soon(follow, step, [(each, handles[each]) for each in taken])
                    if taken
                    else group.start_soon(step)
                )
        return {name: handle.return_value for name, handle in handles.items()}

    return Contender(run, lambda values: {name: values[name] for name in graph.ends})
