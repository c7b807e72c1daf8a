"""di: a dependent solved once, executed by `ConcurrentAsyncExecutor` in a scope of its own each time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from di import Container
from di.dependent import Dependent, Marker
from di.executors import ConcurrentAsyncExecutor

from benchmarks.peers.contender import Contender
from benchmarks.peers.graph import Style, write_functions, write_handler

if TYPE_CHECKING:
    from benchmarks.peers.graph import Graph

STYLE = Style(
    annotate=lambda name: f'Annotated[int, Marker({name}, scope="request")]',
    known={"Annotated": Annotated, "Marker": Marker},
)


async def build(graph: Graph) -> Contender:
    """Set up a graph."""
    handler = write_handler(graph, write_functions(graph, STYLE), STYLE)
    container, executor = Container(), ConcurrentAsyncExecutor()
    solved = container.solve(Dependent(handler, scope="request"), scopes=["request"])

    async def run() -> Any:
        async with container.enter_scope("request") as state:
            return await solved.execute_async(executor=executor, state=state)

    return Contender(run, dict)
