"""The contenders by hand that survive a fault: `try` around each step, `asyncio.timeout` where one times out.

As in `hand`, what can go together is gathered and what stands alone awaited. What a step gave, or why it gave
nothing, is kept; one whose sources gave nothing is skipped. None of it keeps times.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.peers.graph import FAR_S, NEAR_S, Graph

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from concurrent.futures import ThreadPoolExecutor

    from benchmarks.peers.hand import Functions, Run

SKIPPED = "skipped"


def gather_guarded(graph: Graph, functions: Functions, *, timed: bool) -> Run:
    """Return what gathers level by level, each step guarded."""
    guard = _guard_timed if timed else _guard
    return _by_levels(graph, functions, guard)


def call_guarded(graph: Graph, functions: Functions) -> Run:
    """Return what calls one plain function after another, each guarded."""
    steps = list(zip(graph.names, functions.values(), graph.takes, strict=True))

    async def run() -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, function, sources in steps:
            arguments = _collect(values, sources)
            if arguments is None:
                values[name] = SKIPPED
                continue
            try:
                values[name] = function(**arguments)
            except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
                values[name] = error
        return values

    return run


def thread_plainly(graph: Graph, functions: Functions, pool: ThreadPoolExecutor) -> Run:
    """Return what gathers bare calls of `run_in_executor` level by level."""
    steps = list(functions.values())
    levels = [
        [(f"s{number}", steps[number], [f"s{source}" for source in graph.takes[number]]) for number in level]
        for level in graph.levels
    ]

    async def run() -> dict[str, Any]:
        submit = asyncio.get_running_loop().run_in_executor
        values: dict[str, Any] = {}
        for level in levels:
            waiting = [
                submit(pool, partial(step, **{each: values[each] for each in taken}) if taken else step)
                for _, step, taken in level
            ]
            results = [await waiting[0]] if len(waiting) == 1 else await asyncio.gather(*waiting)
            values.update(zip([name for name, _, _ in level], results, strict=True))
        return values

    return run


def thread_guarded(graph: Graph, functions: Functions, pool: ThreadPoolExecutor, *, timed: bool) -> Run:
    """Return what gathers calls of `run_in_executor` level by level, each guarded."""
    guard = _guard_timed if timed else _guard

    def start(step: Callable[..., Any], arguments: dict[str, Any], limit: float) -> Awaitable[Any]:
        submit = asyncio.get_running_loop().run_in_executor
        return guard(lambda **given: submit(pool, partial(step, **given)), arguments, limit)

    return _by_levels(graph, functions, start)


def read_endings(values: dict[str, Any]) -> dict[str, int | str]:
    """Say what became of each step, in the words of `Graph.endings`."""
    return {name: _describe(value) for name, value in values.items()}


def _describe(value: Any) -> int | str:
    if isinstance(value, TimeoutError):
        return "times out"
    if isinstance(value, Exception):
        return "fails"
    ending: int | str = value
    return ending


def _by_levels(
    graph: Graph,
    functions: Functions,
    start: Callable[[Callable[..., Any], dict[str, Any], float], Awaitable[Any]],
) -> Run:
    steps = list(functions.values())
    levels = [
        [
            (f"s{number}", steps[number], graph.takes[number], NEAR_S if number == graph.broken else FAR_S)
            for number in level
        ]
        for level in graph.levels
    ]

    async def run() -> dict[str, Any]:
        values: dict[str, Any] = {}
        for level in levels:
            started: dict[str, Awaitable[Any]] = {}
            for name, step, sources, limit in level:
                arguments = _collect(values, sources)
                if arguments is None:
                    values[name] = SKIPPED
                else:
                    started[name] = start(step, arguments, limit)
            if len(started) == 1:
                for name, one in started.items():
                    values[name] = await one
            elif started:
                values.update(zip(started, await asyncio.gather(*started.values()), strict=True))
        return values

    return run


async def _guard(step: Callable[..., Any], arguments: dict[str, Any], _limit: float) -> Any:
    try:
        return await step(**arguments)
    except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
        return error


async def _guard_timed(step: Callable[..., Any], arguments: dict[str, Any], limit: float) -> Any:
    try:
        async with asyncio.timeout(limit):
            return await step(**arguments)
    except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
        return error


def _collect(values: dict[str, Any], sources: tuple[int, ...]) -> dict[str, Any] | None:
    """Return the arguments of a step, or `None` if one that it takes gave nothing."""
    arguments: dict[str, Any] = {}
    for source in sources:
        value = values[f"s{source}"]
        if value is SKIPPED or isinstance(value, Exception):
            return None
        arguments[f"s{source}"] = value
    return arguments
