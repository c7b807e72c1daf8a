"""What steps and runs take of memory: the bytes of Python objects, as `tracemalloc` counts them."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
import types
from typing import TYPE_CHECKING, Any, Self

from aiohttp_steps import StepRegistry, step

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    Function = Callable[..., Coroutine[Any, Any, Any]]

VIEW = "scale"
SIZE = 10
"""Steps of a run."""

RUNS: dict[str, dict[str, Any]] = {
    "parallel": {},
    "parallel, timeout=": {"timeout": 60.0},
    "parallel, limit=": {"limit": 1_000_000},
    "parallel, share=": {"share": True},
    "chained": {},
}
"""Options of the steps of the runs that are weighed."""


class Memory:
    """Counts by how many bytes Python's memory grows inside.

    Attributes:
        grown: that number, once it has been left.
    """

    grown = 0

    def __enter__(self) -> Self:
        gc.collect()
        tracemalloc.start()
        return self

    def __exit__(self, *_: object) -> None:
        gc.collect()
        self.grown, _peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()


def weigh_steps(count: int) -> tuple[float, float]:
    """Return the bytes of a registered step without its function, and of its place in plan and program."""
    functions = write_functions(count, "...", takes="given")
    with Memory() as registered:
        registry = register(functions, {})
        steps = registry.steps
    with Memory() as compiled:
        program = registry.program(VIEW, inputs=["given"])
    assert len(program.bodies) == len(steps) == count
    return registered.grown / count, compiled.grown / count


def weigh_runs(name: str, runs: int) -> tuple[float, float]:
    """Return the bytes of a run of which all steps that may have begun wait, and of these alone."""
    is_chained = name == "chained"
    awaited: list[asyncio.Future[None]] = []

    async def wait() -> None:
        awaited.append(asyncio.get_running_loop().create_future())
        await awaited[-1]

    functions = write_functions(SIZE, "await wait()", takes="s" if is_chained else "", wait=wait)
    registry = register(functions, RUNS.get(name, {}))
    program = registry.program(VIEW)

    async def gather() -> None:
        await asyncio.gather(*[function() for function in functions])

    async def weigh() -> tuple[float, float]:
        by = gather if name == GATHER else lambda: registry.execute(program, {})
        begun = functions[:1] if is_chained else functions
        weights = await _weigh_tasks(by, runs), await _weigh_alone(begun, wait, runs)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        return weights

    return asyncio.run(weigh())


GATHER = "gather by hand"


async def _weigh_tasks(by: Callable[[], Coroutine[Any, Any, Any]], runs: int) -> float:
    """Start what a request's task would do, once to warm up and then for each run."""
    tasks = [asyncio.create_task(by())]
    await _settle()
    with Memory() as memory:
        tasks += [asyncio.create_task(by()) for _ in range(runs)]
        await _settle()
    return memory.grown / runs


async def _weigh_alone(functions: list[Function], wait: Function, runs: int) -> float:
    """Suspend the steps' own coroutines without anybody who runs them, beside a request's task that waits."""
    with Memory() as memory:
        tasks = [asyncio.create_task(wait()) for _ in range(runs)]
        await _settle()
        suspended = [function() for _ in range(runs) for function in functions]
        for coroutine in suspended:
            coroutine.send(None)
    for coroutine in suspended:
        coroutine.close()
    assert len(tasks) == runs
    return memory.grown / runs


async def _settle() -> None:
    """Let everything run until it waits; a policy with a task of its own takes some turns."""
    for _ in range(8):
        await asyncio.sleep(0)


def write_functions(count: int, body: str, *, takes: str = "", **names: Any) -> list[Function]:
    """Write step functions `s0`, `s1`, ...

    Args:
        takes: the one keyword-only parameter of each; `"s"`: the step before it; none if empty.
        names: what the body uses.
    """
    lines = []
    for number in range(count):
        taken = (f"s{number - 1}" if number else "") if takes == "s" else takes
        lines.append(f"async def s{number}({f'*, {taken}' if taken else ''}): {body}")
    exec(compile("\n".join(lines), __file__, "exec"), names)  # the source is ours
    return [names[f"s{number}"] for number in range(count)]


def register(functions: list[Function], options: dict[str, Any]) -> StepRegistry:
    """Make steps of functions, in a registry of their own."""
    mark = step(concurrency="parallel", views=[VIEW], **options)
    registry = StepRegistry()
    registry.register(types.SimpleNamespace(**{each.__name__: mark(each) for each in functions}), "scale")
    return registry
