"""What is counted, and what each is held against: the same by hand, with the same libraries."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp_steps.engine import encode_report
from aiohttp_steps.plan import compile_plan
from aiohttp_steps.types import Dependency, Location, Step, StepOptions

from benchmarks.peers import graph, hand
from benchmarks.peers.ours import Ours
from benchmarks.web.asker import open_asker
from benchmarks.web.contenders import CONTENDERS, DOCUMENT, HAND, INJECT, VIEW

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from benchmarks.peers.graph import Body, Graph

    Call = Callable[[], Awaitable[object]]
    Opener = Callable[[int], AbstractAsyncContextManager[Call]]
    """Takes how often the call will be made."""

ENGINE = ("msgspec", "pluggy")
WEB = (*ENGINE, "aiohttp", "aiosignal", "frozenlist", "multidict", "propcache", "yarl")


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing that must not become dearer unnoticed.

    Attributes:
        name: in tables and in the kept figures.
        ours: opens what is counted.
        by: name of the reference.
        by_hand: opens the reference.
        packages: distributions whose versions the count depends on, besides the interpreter.
        calls: how many are counted; each is to be the same, so dear ones need few.
    """

    name: str
    ours: Opener
    by: str
    by_hand: Opener
    packages: tuple[str, ...] = ENGINE
    calls: int = 200


@contextlib.asynccontextmanager
async def open_run(_calls: int, graph: Graph, body: Body = "async") -> AsyncIterator[Call]:
    """Run a view of the engine's."""
    ours = Ours(graph, body=body)
    yield ours.run
    await ours.close()


@contextlib.asynccontextmanager
async def open_by_hand(
    _calls: int, graph_: Graph, write: Callable[..., Call], body: Body = "async"
) -> AsyncIterator[Call]:
    """Run the same steps by hand."""
    yield write(graph_, graph.write_functions(graph_, body=body))


@contextlib.asynccontextmanager
async def open_encoding(calls: int, graph: Graph) -> AsyncIterator[Call]:
    """Write reports as JSON, each for the first time: times are worked out once for a report."""
    ours = Ours(graph)
    reports = [await ours.run() for _ in range(calls)]

    async def encode() -> object:
        return encode_report(reports.pop())

    yield encode
    await ours.close()


@contextlib.asynccontextmanager
async def open_document(_calls: int, graph: Graph) -> AsyncIterator[Call]:
    """Write a document of the same form, out of values and times that are there."""
    ends = [(name, number, 0.25 * number, 0.25 * number + 0.125) for number, name in enumerate(graph.names)]

    async def encode() -> object:
        data, sum_s, last, last_at, last_s = {}, 0.0, "", 0.0, 0.0
        for name, value, started_at, ended_at in ends:
            data[name] = value
            sum_s += ended_at - started_at
            if ended_at > last_at:
                last, last_at, last_s = name, ended_at, ended_at - started_at
        timing = {
            "wall_ms": round(last_at * 1000, 3),
            "sum_ms": round(sum_s * 1000, 3),
            "critical_path_ms": round(last_s * 1000, 3),
            "critical_path": [last],
        }
        document = {"view": "work", "completed": True, "data": data, "errors": {}, "timing": timing}
        return msgspec.json.encode(document)

    yield encode


@contextlib.asynccontextmanager
async def open_compilation(_calls: int, graph: Graph) -> AsyncIterator[Call]:
    """Compile a plan."""
    steps = make_steps(graph)

    async def compile_() -> object:
        return compile_plan(steps, view="work")

    yield compile_


@contextlib.asynccontextmanager
async def open_sorting(_calls: int, graph: Graph) -> AsyncIterator[Call]:
    """Find an order of the same steps by a plain loop: Kahn's algorithm over names."""
    steps = make_steps(graph)

    async def sort() -> object:
        return sort_steps(steps)

    yield sort


def sort_steps(steps: list[Step]) -> list[str]:
    """Return names so that each stands behind those that it takes."""
    missing = {step.name: len(step.dependencies) for step in steps}
    takers: dict[str, list[str]] = {step.name: [] for step in steps}
    for step in steps:
        for dependency in step.dependencies:
            takers[dependency.name].append(step.name)
    ready = [name for name, count in missing.items() if not count]
    for name in ready:
        for taker in takers[name]:
            missing[taker] -= 1
            if not missing[taker]:
                ready.append(taker)
    return ready


def make_steps(graph: Graph) -> list[Step]:
    """Make the steps of a graph as a registry would."""
    return [
        Step(
            name=name,
            plugin="work",
            function=_do_nothing,
            options=StepOptions(concurrency="parallel", views=("work",)),
            runner="loop",
            dependencies=tuple(Dependency(f"s{taken}", required=True) for taken in graph.takes[number]),
            takes_request=False,
            location=Location(__file__, number),
        )
        for number, name in enumerate(graph.names)
    ]


async def _do_nothing() -> None:
    """Do nothing."""


@contextlib.asynccontextmanager
async def open_request(_calls: int, contender: str, work: str) -> AsyncIterator[Call]:
    """Send a request to an application, without sockets."""
    async with open_asker(CONTENDERS[contender], work) as asker:
        yield asker.ask


def _make_run(name: str, graph: Graph, by: str, write: Callable[..., Any], body: Body = "async") -> Scenario:
    return Scenario(
        name,
        partial(open_run, graph=graph, body=body),
        by,
        partial(open_by_hand, graph_=graph, write=write, body=body),
    )


def _make_request(name: str, contender: str, by: str, work: str) -> Scenario:
    return Scenario(
        name,
        partial(open_request, contender=contender, work=work),
        by,
        partial(open_request, contender=by, work=work),
        WEB,
    )


_TEN, _HUNDRED = graph.make_flat(10), graph.make_layered(100)

SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        _make_run("run, 1 step", graph.make_flat(1), "gather", hand.gather),
        _make_run("run, 3 flat", graph.make_flat(3), "gather", hand.gather),
        _make_run("run, 10 flat", _TEN, "gather", hand.gather),
        _make_run("run, chain of 10", graph.make_chain(10), "plain awaits", hand.await_each),
        _make_run("run, 10 inline", _TEN, "plain calls", hand.call_each, "inline"),
        Scenario(
            "report of 10 to JSON",
            partial(open_encoding, graph=_TEN),
            "dict to JSON",
            partial(open_document, graph=_TEN),
        ),
        Scenario(
            "compile, 100 layered",
            partial(open_compilation, graph=_HUNDRED),
            "topological loop",
            partial(open_sorting, graph=_HUNDRED),
            calls=20,
        ),
        _make_request("request, inject 3", INJECT, HAND, "three"),
        _make_request("request, inject 10", INJECT, HAND, "ten"),
        _make_request("request, view 3", VIEW, DOCUMENT, "three"),
        _make_request("request, view 10", VIEW, DOCUMENT, "ten"),
    )
}
