"""Benchmark `http`: requests a second, latency and processor time, by hand, by us and by others."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.measure import divide, summarize
from benchmarks.report import Goal, Result
from benchmarks.web.answers import compare, fetch
from benchmarks.web.contenders import (
    AWAITS,
    BARE,
    CONTENDERS,
    DOCUMENT,
    FAST_LOOP,
    FASTAPI,
    HAND,
    INJECT,
    LITESTAR,
    UNMARKED,
    VIEW,
    VIEWS,
)
from benchmarks.web.load import MISSING, has_wrk, put_load
from benchmarks.web.servers import open_servers
from benchmarks.web.work import WAIT_S, WORKS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.web.load import Load
    from benchmarks.web.servers import Server
    from benchmarks.web.work import Work

NAME = "http"
LEAST_INJECT, LEAST_VIEW, LEAST_FASTAPI, MOST_P99 = 1.00, 0.95, 2.7, 1.1
ROUNDS = 3
SLICE_SECONDS = 1
BUDGET_S = 190.0
"""No further round of a cell starts after this; the first always does."""

COLUMNS = (
    "server",
    "requests/s",
    "/ base",
    "p50 ms",
    "p99 ms",
    "/ base",
    "cpu us/request",
    "/ base",
    "errors",
)
Row = tuple[str | int | float | None, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """What is asked of whom in one table.

    Attributes:
        work: name of the work.
        connections: how many connections ask.
        names: of the contenders.
    """

    work: str
    connections: int
    names: tuple[str, ...]


_NEAREST = (HAND, INJECT, DOCUMENT, VIEW, FASTAPI)
_ALL = (HAND, BARE, AWAITS, INJECT, DOCUMENT, VIEW, VIEWS, FASTAPI, LITESTAR)
_FAST = tuple(name + FAST_LOOP for name in (HAND, INJECT, DOCUMENT, VIEW, FASTAPI, LITESTAR))

CELLS = (
    Cell("none", 64, (HAND, BARE, INJECT, UNMARKED, FASTAPI, LITESTAR)),
    Cell("three", 64, _ALL),
    Cell("ten", 64, (*_ALL, *_FAST)),
    Cell("three", 1, _NEAREST),
    Cell("three", 512, _NEAREST),
    Cell("ten_waiting", 64, (*_NEAREST, LITESTAR)),
)
QUICK_CELLS = (Cell("three", 64, _NEAREST),)


@dataclass(slots=True)
class Samples:
    """What stretches of load on one contender have found, one after another.

    Attributes:
        loads: what the client saw.
        costs: processor seconds of the server per request.
    """

    loads: list[Load] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)

    @property
    def rates(self) -> list[float]:
        """Requests a second."""
        return [load.rate for load in self.loads]

    @property
    def p99s(self) -> list[float]:
        """Times, in milliseconds, that 1 in 100 requests exceeded."""
        return [load.p99_ms for load in self.loads]


def run(*, quick: bool) -> list[Result]:
    """Ask all servers in turn, in short rounds that each start with another one."""
    if not has_wrk():
        return [Result(NAME, "not run", MISSING)]
    cells = QUICK_CELLS if quick else CELLS
    wanted = dict.fromkeys(name for cell in cells for name in cell.names)
    missing = {name: CONTENDERS[name].missing for name in wanted if CONTENDERS[name].missing}
    with open_servers(CONTENDERS[name] for name in wanted if name not in missing) as servers:
        for cell in cells:
            check_answers(cell, servers)
        if not quick:
            for server in servers.values():  # the interpreter specialises what it runs often
                put_load(server.url("three"), connections=64, seconds=SLICE_SECONDS)
        ends_at = time.perf_counter() + BUDGET_S
        results = []
        for cell in cells:
            present = [name for name in cell.names if name in servers]
            samples = _measure(cell, [servers[name] for name in present], 1 if quick else ROUNDS, ends_at)
            results.append(_describe(cell, samples, servers, missing, quick=quick))
        return results


def check_answers(cell: Cell, servers: dict[str, Server]) -> None:
    """Refuse to compare contenders that do not answer alike.

    Raises:
        ValueError: two answers differ that must not.
    """
    answers = {name: fetch(servers[name], cell.work) for name in cell.names if name in servers}
    for name, answer in answers.items():
        one = CONTENDERS[name]
        compare(
            name,
            answer,
            answers[one.base],
            headers=not one.is_asgi and name != BARE,
            document=one.is_document,
        )


def _measure(cell: Cell, servers: list[Server], rounds: int, ends_at: float) -> dict[str, Samples]:
    """Put load on servers in turn, each round starting with another one."""
    samples = {server.contender.name: Samples() for server in servers}
    order = list(servers)
    for number in range(rounds):
        if number and time.perf_counter() > ends_at:
            break
        for server in order:
            before_s = server.read_processor_s()
            load = put_load(server.url(cell.work), connections=cell.connections, seconds=SLICE_SECONDS)
            into = samples[server.contender.name]
            into.costs.append((server.read_processor_s() - before_s) / load.requests)
            into.loads.append(load)
        order.append(order.pop(0))
    return samples


def _describe(
    cell: Cell,
    samples: dict[str, Samples],
    servers: dict[str, Server],
    missing: dict[str, list[str]],
    *,
    quick: bool,
) -> Result:
    (work,) = (work for work in WORKS if work.name == cell.work)
    left_out = [f"{name} ({', '.join(missing[name])})" for name in cell.names if name in missing]
    loops = {servers[name].loop for name in samples if not name.endswith(FAST_LOOP)}
    return Result(
        name=NAME,
        title=f"{_describe_work(work)}, {_count(cell.connections, 'connection')}",
        compares=(
            f"A process for each server and one for wrk, on loopback, in turn, {SLICE_SECONDS} s each, "
            f"{_count(len(samples[HAND].loads), 'round')}; medians, of ratios within a round. / base: "
            f"documents of a view by '{DOCUMENT}', the others by '{HAND}', which send the same bytes, "
            f"both of the same loop: {', '.join(sorted(loops))} where nothing else is said. "
            "cpu: of the server's process."
            + (f" Left out, as packages are not installed: {'; '.join(left_out)}." if left_out else "")
        ),
        columns=COLUMNS,
        rows=tuple(_make_row(name, samples) for name in samples),
        goals=tuple(_make_goals(cell, work, samples, quick=quick)),
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _describe_work(work: Work) -> str:
    if not work.size:
        return "no steps"
    what = f"wait {WAIT_S * 1000:g} ms" if work.waits else "do nothing"
    return f"{work.size} steps that {what}"


def _make_row(name: str, samples: dict[str, Samples]) -> Row:
    own, base = samples[name], samples[CONTENDERS[name].base]
    return (
        name,
        summarize(own.rates).median,
        divide(own.rates, base.rates).median,
        summarize([load.p50_ms for load in own.loads]).median,
        summarize(own.p99s).median,
        divide(own.p99s, base.p99s).median,
        summarize(own.costs).median * 1e6,
        divide(own.costs, base.costs).median,
        sum(load.errors for load in own.loads),
    )


def _make_goals(cell: Cell, work: Work, samples: dict[str, Samples], *, quick: bool) -> Iterable[Goal]:
    """Yield what this cell has to reach: nothing without steps, FastAPI only where nothing waits."""
    if not work.size:
        return
    rates = {
        name: divide(samples[name].rates, samples[CONTENDERS[name].base].rates).median for name in samples
    }
    p99 = max(
        divide(samples[name].p99s, samples[CONTENDERS[name].base].p99s).median for name in (INJECT, VIEW)
    )
    yield _at_least("inject: requests a second by those by hand", LEAST_INJECT, rates[INJECT], quick=quick)
    yield _at_least("view: requests a second by those by hand", LEAST_VIEW, rates[VIEW], quick=quick)
    text = f"inject and view: p99 at most {MOST_P99} of by hand"
    yield Goal(text, MOST_P99, None if quick else p99)
    if cell.connections == 64 and not work.waits:
        beside = None
        if FASTAPI in samples:
            beside = min(
                divide(samples[name].rates, samples[FASTAPI].rates).median for name in (INJECT, VIEW)
            )
        yield _at_least("inject and view: requests a second by FastAPI's", LEAST_FASTAPI, beside, quick=quick)


def _at_least(text: str, limit: float, measured: float | None, *, quick: bool) -> Goal:
    return Goal(f"{text}: at least {limit:.2f}", limit, None if quick else measured, at_least=True)
