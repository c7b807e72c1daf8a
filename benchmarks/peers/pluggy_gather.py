"""Bare pluggy: each step a plugin's implementation of one hook, whose coroutines are gathered by hand."""

from __future__ import annotations

import asyncio
import types
from typing import TYPE_CHECKING, Any

import pluggy

from benchmarks.peers.contender import Contender
from benchmarks.peers.graph import write_functions

if TYPE_CHECKING:
    from benchmarks.peers.graph import Graph

PROJECT = "peers"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Spec:
    """The one hook there is."""

    @hookspec
    async def step(self) -> Any:
        """Do one piece of the work."""


def register(manager: pluggy.PluginManager, graph: Graph) -> None:
    """Register each step as a plugin of its own; pluggy calls the last one first."""
    manager.add_hookspecs(Spec)
    for name, function in write_functions(graph).items():
        manager.register(types.SimpleNamespace(step=hookimpl(function)), name)


async def build(graph: Graph) -> Contender:
    """Set up a graph."""
    manager = pluggy.PluginManager(PROJECT)
    register(manager, graph)

    async def run() -> list[Any]:
        return await asyncio.gather(*manager.hook.step())

    return Contender(run, lambda values: dict(zip(graph.names, reversed(values), strict=True)))
