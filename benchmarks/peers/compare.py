"""Ours and asyncio by hand beside every installed peer, doing the same work."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import TYPE_CHECKING

from benchmarks.measure import divide, summarize, time_interleaved
from benchmarks.peers.graph import SHAPES
from benchmarks.peers.lineup import GATHER, OURS, PEERS, PLAIN, build_by_hand
from benchmarks.report import Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.peers.contender import Contender
    from benchmarks.peers.graph import Graph
    from benchmarks.peers.lineup import Build, Peer
    from benchmarks.report import Cell

    Times = dict[int, dict[str, list[float]]]

SIZES = {"flat": (1, 3, 10, 100), "chain": (3, 10, 100)}
BASES = {"flat": GATHER, "chain": PLAIN}
QUICK_SIZE = 10
"""The largest size of a quick run."""

TITLES = {"flat": "steps that take nothing", "chain": "steps each of which takes the one before"}
COMPARES = {
    "flat": (
        "us: processor time of one run, medians. / gather: medians of the ratios within a round. What each "
        "returns was compared with ours before it was timed. Steps only return a number. FastAPI, Litestar: "
        "from a request object to the return of the handler, without routing, response and HTTP; FastAPI "
        "takes one after another. graphql-core: the document is parsed and validated once."
    ),
    "chain": (
        "As above, by plain awaits. gather, eager tasks and groups make a task for each step, which awaits "
        "the task before. cpex: in mode `sequential`."
    ),
}


class DifferentResultError(Exception):
    """A contender gave other results than the rest: it does other work, and its time says nothing."""


async def compare_peers(
    found: Mapping[Peer, Build], missing: Mapping[Peer, str], *, quick: bool
) -> list[Result]:
    """Time ours, asyncio by hand and the peers that were found, on independent steps and on chains.

    Args:
        found: what sets up each peer.
        missing: why the others are left out.
    """
    return [await _compare_shape(shape, found, missing, quick=quick) for shape in SIZES]


async def build_contenders(graph: Graph, found: Mapping[Peer, Build]) -> dict[str, Contender]:
    """Set up a graph with ours, by hand, and with each peer that can express it; run each once.

    Raises:
        DifferentResultError: one of them gave other values.
    """
    contenders = build_by_hand(graph)
    for peer, build in found.items():
        if peer.can(graph.shape):
            contenders[peer.name] = await build(graph)
    for name, contender in contenders.items():
        values = contender.read(await contender.run())
        wanted = {end: graph.values[end] for end in graph.ends}
        if values != wanted:
            message = f"{name}, {graph.size} steps, {graph.shape}: gave {values} where ours gives {wanted}"
            raise DifferentResultError(message)
    return contenders


async def _compare_shape(
    shape: str, found: Mapping[Peer, Build], missing: Mapping[Peer, str], *, quick: bool
) -> Result:
    times: Times = {}
    for size in SIZES[shape]:
        if quick and size > QUICK_SIZE:
            continue
        contenders = await build_contenders(SHAPES[shape](size), found)
        times[size] = await time_interleaved(
            {name: contender.run for name, contender in contenders.items()},
            rounds=5 if quick else 60,
            slice_s=0.0002 if quick else 0.002,
            budget_s=0.05 if quick else 5.0,
        )
    base = BASES[shape]
    return Result(
        name="peers",
        title=f"{TITLES[shape]}, Python {platform.python_version()}",
        compares=f"{COMPARES[shape]}{_tell_what_is_left_out(shape, missing)}",
        columns=(
            "contender",
            "version",
            *[f"{size} us" for size in times],
            *[f"{size} / {base}" for size in times],
        ),
        rows=tuple(_make_rows(shape, times, missing)),
    )


def _make_rows(shape: str, times: Times, missing: Mapping[Peer, str]) -> list[tuple[Cell, ...]]:
    versions: dict[str, str | None] = {OURS: importlib.metadata.version(OURS)}
    versions |= {peer.name: peer.find_version() for peer in PEERS if peer not in missing}
    by_hand = [name for name in next(iter(times.values())) if name not in versions]
    base = BASES[shape]
    rows = []
    for name in [OURS, *by_hand, *[peer.name for peer in PEERS if peer not in missing]]:
        costs = [summarize(each[name]).median * 1e6 if name in each else None for each in times.values()]
        ratios = [divide(each[name], each[base]).median if name in each else None for each in times.values()]
        rows.append((name, versions.get(name), *costs, *ratios))
    return rows


def _tell_what_is_left_out(shape: str, missing: Mapping[Peer, str]) -> str:
    reasons: dict[str, list[str]] = {}
    for peer in PEERS:
        if peer in missing:
            reasons.setdefault(missing[peer], []).append(peer.name)
    lines = [f"\nLeft out: {', '.join(names)}: {reason}." for reason, names in reasons.items()]
    cannot: dict[str, list[str]] = {}
    for peer in PEERS:
        if peer not in missing and not peer.can(shape):
            cannot.setdefault(dict(peer.cannot)[shape], []).append(peer.name)
    lines += [f"\n-: {', '.join(names)}: {reason}." for reason, names in cannot.items()]
    return "".join(lines)
