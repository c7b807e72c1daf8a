"""apluggy: pluggy with `ahook`, which gathers the implementations of a hook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import apluggy

from benchmarks.peers.contender import Contender
from benchmarks.peers.pluggy_gather import PROJECT, register

if TYPE_CHECKING:
    from benchmarks.peers.graph import Graph


async def build(graph: Graph) -> Contender:
    """Set up a graph."""
    manager = apluggy.PluginManager(PROJECT)
    register(manager, graph)

    async def run() -> list[Any]:
        return await manager.ahook.step()

    return Contender(run, lambda values: dict(zip(graph.names, reversed(values), strict=True)))
