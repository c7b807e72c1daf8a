"""asyncinject: functions whose parameters name other functions, resolved in parallel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncinject

from benchmarks.peers.contender import Contender
from benchmarks.peers.graph import write_functions

if TYPE_CHECKING:
    from benchmarks.peers.graph import Graph


async def build(graph: Graph) -> Contender:
    """Set up a graph."""
    registry = asyncinject.Registry(*write_functions(graph).values())
    ends = graph.ends

    async def run() -> dict[str, Any]:
        return await registry.resolve_multi(ends)

    return Contender(run, lambda values: {name: values[name] for name in ends})
