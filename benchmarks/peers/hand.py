"""The contenders by hand: what one writes with asyncio alone.

`plain` is the floor: one await after another, nothing at the same time. `gather`, `eager` and `group` make a
task for each step, which awaits the tasks of those that it takes: what resolves any graph. `levels` is what
one writes for a graph that one knows: gather what can go together, await what stands alone.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from benchmarks.peers.graph import Graph

    Functions = dict[str, Callable[..., Any]]
    Run = Callable[[], Awaitable[dict[str, Any]]]

IS_EAGER = sys.version_info >= (3, 12)


def await_each(graph: Graph, functions: Functions) -> Run:
    """Return what awaits one step after another."""
    steps = list(zip(graph.names, functions.values(), _name_taken(graph), strict=True))

    async def run() -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, function, taken in steps:
            values[name] = await (function(**{each: values[each] for each in taken}) if taken else function())
        return values

    return run


def call_each(graph: Graph, functions: Functions) -> Run:
    """Return what calls one plain function after another."""
    steps = list(zip(graph.names, functions.values(), _name_taken(graph), strict=True))

    async def run() -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, function, taken in steps:
            values[name] = function(**{each: values[each] for each in taken}) if taken else function()
        return values

    return run


def gather(graph: Graph, functions: Functions) -> Run:
    """Return what gathers a task for each step."""
    steps = list(functions.values())
    if not any(graph.takes):

        async def run_flat() -> dict[str, Any]:
            return dict(zip(functions, await asyncio.gather(*[step() for step in steps]), strict=True))

        return run_flat
    return _resolve(graph, functions, lambda coroutine, loop: loop.create_task(coroutine))


def gather_eagerly(graph: Graph, functions: Functions) -> Run:
    """Return what gathers a task for each step, which begins where it is made; from Python 3.12 on."""
    steps = list(functions.values())
    if not any(graph.takes):

        async def run_flat() -> dict[str, Any]:
            loop = asyncio.get_running_loop()
            values = await asyncio.gather(*[_start_eagerly(step(), loop) for step in steps])
            return dict(zip(functions, values, strict=True))

        return run_flat
    return _resolve(graph, functions, _start_eagerly)


def group(graph: Graph, functions: Functions) -> Run:
    """Return what runs a task for each step in a `TaskGroup`."""
    steps = list(functions.values())
    if not any(graph.takes):

        async def run_flat() -> dict[str, Any]:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(step()) for step in steps]
            return {name: task.result() for name, task in zip(functions, tasks, strict=True)}

        return run_flat
    ordered = list(zip(graph.names, steps, _name_taken(graph), strict=True))

    async def run() -> dict[str, Any]:
        tasks: dict[str, asyncio.Task[Any]] = {}
        async with asyncio.TaskGroup() as group:
            for name, step, taken in ordered:
                tasks[name] = group.create_task(follow(step, [(each, tasks[each]) for each in taken]))
        return {name: task.result() for name, task in tasks.items()}

    return run


def gather_levels(graph: Graph, functions: Functions) -> Run:
    """Return what gathers level by level, and awaits a step that is alone in its level."""
    steps, taken = list(functions.values()), _name_taken(graph)
    levels = [[(f"s{number}", steps[number], taken[number]) for number in level] for level in graph.levels]

    async def run() -> dict[str, Any]:
        values: dict[str, Any] = {}
        for level in levels:
            if len(level) == 1:
                name, step, takes = level[0]
                values[name] = await step(**{each: values[each] for each in takes})
            else:
                waiting = [step(**{each: values[each] for each in takes}) for _, step, takes in level]
                results = await asyncio.gather(*waiting)
                values.update(zip([name for name, _, _ in level], results, strict=True))
        return values

    return run


async def follow(step: Callable[..., Awaitable[Any]], taken: list[tuple[str, Awaitable[Any]]]) -> Any:
    """Run a step when the tasks of those that it takes have ended."""
    return await step(**{name: await task for name, task in taken})


def _resolve(
    graph: Graph,
    functions: Functions,
    start: Callable[[Coroutine[Any, Any, Any], asyncio.AbstractEventLoop], asyncio.Task[Any]],
) -> Run:
    ordered = list(zip(graph.names, functions.values(), _name_taken(graph), strict=True))

    async def run() -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        tasks: dict[str, asyncio.Task[Any]] = {}
        for name, step, taken in ordered:
            tasks[name] = start(follow(step, [(each, tasks[each]) for each in taken]), loop)
        return dict(zip(tasks, await asyncio.gather(*tasks.values()), strict=True))

    return run


def _name_taken(graph: Graph) -> list[list[str]]:
    return [[f"s{source}" for source in sources] for sources in graph.takes]


def _start_eagerly(coroutine: Any, loop: asyncio.AbstractEventLoop) -> asyncio.Task[Any]:
    task: Any = asyncio.Task  # typeshed knows eager_start from 3.12 on
    eager: asyncio.Task[Any] = task(coroutine, loop=loop, eager_start=True)
    return eager
