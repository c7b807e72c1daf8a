"""graphql-core: a field of the query for each step, with an async resolver.

The document is parsed and validated once, as servers do that keep documents; each run executes it.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from graphql import (
    GraphQLField,
    GraphQLInt,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    execute,
    parse,
    validate,
)

from benchmarks.peers.contender import Contender
from benchmarks.peers.graph import write_functions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.peers.graph import Graph


async def build(graph: Graph) -> Contender:
    """Set up a graph."""
    fields = {name: _make_field(function) for name, function in write_functions(graph).items()}
    schema = GraphQLSchema(query=GraphQLObjectType("Query", fields))
    document = parse("{ " + " ".join(graph.names) + " }")
    if errors := validate(schema, document):
        raise errors[0]

    async def run() -> Any:
        result: Any = execute(schema, document)
        return await result if inspect.isawaitable(result) else result

    return Contender(run, _read)


def _read(result: Any) -> dict[str, int]:
    if result.errors:
        raise result.errors[0]
    return dict(result.data)


def _make_field(function: Callable[..., Awaitable[int]]) -> GraphQLField:
    def resolve(_source: Any, _info: Any) -> Awaitable[int]:
        return function()

    return GraphQLField(GraphQLNonNull(GraphQLInt), resolve=resolve)
