"""All contenders of benchmark `peers` do the same work: what differs is then the price."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rich", reason="the benchmarks print their tables with rich, of the extra `cli`")

from benchmarks.peers import compare, faults, lineup, matrix
from benchmarks.peers.contender import Contender
from benchmarks.peers.graph import LEAST_SIZES, SHAPES

ROOT = Path(__file__).resolve().parents[2]
GRAPHS = [SHAPES[shape](size) for shape in SHAPES for size in (1, 3, 10, 30) if size >= LEAST_SIZES[shape]]
FAULTS = [cell for place in faults.FAULTS.values() for cell in place]


def name(graph):
    return f"{graph.size}-{graph.shape}"


def load(peer):
    """Return what sets the peer up; the README's test command does not install peers."""
    try:
        return peer.load()
    except ImportError as error:
        pytest.skip(f"{peer.distribution}: {error}: pip install -r benchmarks/requirements.txt")


@pytest.mark.parametrize("shape", ["flat", "chain"])
@pytest.mark.parametrize("peer", lineup.PEERS, ids=lambda peer: peer.module)
async def test_peer_gives_what_ours_gives(peer, shape):
    """A peer that does less work is no peer; `build_contenders` compares, and is what the benchmark runs."""
    build = load(peer)
    for size in (1, 3, 10):
        contenders = await compare.build_contenders(SHAPES[shape](size), {peer: build})
        assert (peer.name in contenders) is peer.can(shape)
        assert {lineup.OURS, lineup.GATHER, lineup.GROUP} < contenders.keys()


@pytest.mark.parametrize("peer", lineup.PEERS, ids=lambda peer: peer.module)
async def test_peer_can_be_run_again_and_at_once(peer):
    """A result that is kept from one run to the next would be a cache, and no work."""
    graph = SHAPES["flat"](3)
    contender = await load(peer)(graph)
    results = [await contender.run(), *await asyncio.gather(contender.run(), contender.run())]
    assert [contender.read(result) for result in results] == [graph.values] * 3


async def test_contender_that_does_other_work_is_refused():
    """Its time would stand in the table as if it meant something."""

    async def build(_graph):
        async def run():
            return {"s0": 0, "s1": 0, "s2": 2}

        return Contender(run, dict)

    other = lineup.Peer("other", "other", "other")
    with pytest.raises(compare.DifferentResultError, match=r"other, 3 steps, flat: gave \{'s0': 0, 's1': 0"):
        await compare.build_contenders(SHAPES["flat"](3), {other: build})


@pytest.mark.parametrize("graph", GRAPHS, ids=name)
async def test_ways_by_hand_give_what_ours_gives(graph):
    """`make_async` compares each of them; a graph that one of them gets wrong raises."""
    contenders = await matrix.make_async(graph)
    assert {lineup.OURS, lineup.PLAIN, lineup.GATHER, lineup.GROUP, lineup.LEVELS} < contenders.keys()


@pytest.mark.parametrize(("body", "fault"), FAULTS, ids=[f"{body}-{fault}" for body, fault in FAULTS])
@pytest.mark.parametrize("graph", GRAPHS, ids=name)
async def test_faults_end_the_same_by_hand_as_in_ours(graph, body, fault):
    """Whoever lets a failure end everything does less, and would look fast."""
    async with faults.Rivals(graph, body, fault) as contenders:
        assert contenders.keys() == {lineup.OURS, faults.BY_HAND}
    endings = graph.endings(fault)
    assert (fault in endings.values()) is (fault != "none")


def test_layered_steps_take_two_of_the_layer_before():
    """The shape is what the page says it is."""
    graph = SHAPES["layered"](9)
    assert graph.takes == ((), (), (), (0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3))
    assert graph.ends == ["s6", "s7", "s8"]
    assert graph.levels == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


def test_peer_that_is_not_there_is_left_out_with_the_reason(monkeypatch):
    """A table that silently has fewer rows looks as if there were no others."""
    absent = lineup.Peer("Absent", "absent", "no-such-distribution")
    monkeypatch.setattr(lineup, "PEERS", (absent,))
    monkeypatch.setattr(compare, "PEERS", (absent,))
    found, missing = lineup.load_installed()
    assert (found, missing) == ({}, {absent: "not installed"})
    flat, chain = asyncio.run(compare.compare_peers(found, missing, quick=True))
    for table in (flat, chain):
        assert "Left out: Absent: not installed." in table.compares
        assert "Absent" not in [row[0] for row in table.rows]


def test_shape_that_a_peer_cannot_express_is_a_dash_with_a_reason():
    """An empty cell is a statement about the peer, and has to say which."""
    found, missing = lineup.load_installed()
    flat, chain = asyncio.run(compare.compare_peers(found, missing, quick=True))
    (row,) = [row for row in chain.rows if row[0] == "pluggy and gather"]
    assert set(row[2:]) == {None}
    assert "-: pluggy and gather" in chain.compares
    assert None not in next(row for row in flat.rows if row[0] == "pluggy and gather")


SETS_UP_ALL = """
import asyncio, logging, threading
from benchmarks.peers.graph import make_flat
from benchmarks.peers.lineup import load_installed
for build in load_installed()[0].values():
    asyncio.run(build(make_flat(1)))
print(logging.getLogger().handlers, logging.getLogger().level, threading.active_count())
"""


def test_setting_up_peers_leaves_the_process_as_it_was():
    """A peer that sets up the root logger, or starts a thread, makes all others slower."""
    process = subprocess.run(
        [sys.executable, "-c", SETS_UP_ALL], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (process.stdout, process.returncode) == ("[] 30 1\n", 0), process.stderr
