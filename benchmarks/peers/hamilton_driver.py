"""Hamilton's async driver: functions of a module, whose parameters name other functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hamilton import ad_hoc_utils, async_driver

from benchmarks.peers.contender import Contender
from benchmarks.peers.graph import write_functions

if TYPE_CHECKING:
    from benchmarks.peers.graph import Graph


async def build(graph: Graph) -> Contender:
    """Set up a graph."""
    module = ad_hoc_utils.create_temporary_module(*write_functions(graph).values())
    driver = await async_driver.Builder().with_modules(module).build()
    ends = graph.ends

    async def run() -> Any:
        return await driver.execute(ends)

    return Contender(run, dict)
