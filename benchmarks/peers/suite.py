"""The tables of benchmark `peers`, in the order in which they are measured."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING

from benchmarks.peers.compare import compare_peers
from benchmarks.peers.faults import measure_faults, measure_threads
from benchmarks.peers.lineup import load_installed
from benchmarks.peers.matrix import measure_async

if TYPE_CHECKING:
    from benchmarks.report import Result


def run(*, quick: bool) -> list[Result]:
    """Compare with peers, then measure how costs grow with sizes, shapes, bodies and faults."""
    return asyncio.run(_measure(quick=quick))


async def _measure(*, quick: bool) -> list[Result]:
    found, missing = load_installed()
    # The peers' modules are a hundred thousand objects. Each collection between rounds would go through them,
    # and so would those of the benchmarks that run later in this process: they stay frozen.
    gc.collect()
    gc.freeze()
    return [
        *await compare_peers(found, missing, quick=quick),
        await measure_async(quick=quick),
        *await measure_faults(quick=quick),
        await measure_threads(quick=quick),
    ]
