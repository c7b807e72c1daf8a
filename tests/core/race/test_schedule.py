"""Schedules: every order that is drawn or made is one in which the steps could run."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from types import SimpleNamespace

from aiohttp_steps import StepRegistry, step
from aiohttp_steps.race.schedule import (
    find_ancestors,
    find_rivals,
    gather,
    make_overlap,
    make_schedule,
    shuffle,
)
from aiohttp_steps.race.search import exchange
from hypothesis import given, settings
from hypothesis import strategies as st

many = settings(max_examples=50, deadline=None)


def is_possible(plan, order):
    before = find_ancestors(plan)
    tiers = [plan.nodes[plan.index[name]].tier for name in order]
    done = set()
    for name in order:
        if not before[name] <= done:
            return False
        done.add(name)
    return tiers == sorted(tiers) and len(done) == len(plan.nodes)


def draw(data, size=8):
    """Return a plan of parallel steps, of which each may take earlier ones."""
    functions = {}
    for number in range(data.draw(st.integers(2, size))):
        sources = data.draw(st.sets(st.integers(0, number - 1), max_size=2)) if number else ()
        parameters = ", ".join(f"s{source}" for source in sorted(sources))
        namespace = {}
        exec(f"async def s{number}({'*, ' if parameters else ''}{parameters}): pass", namespace)
        functions[f"s{number}"] = step(concurrency="parallel", views=["v"])(namespace[f"s{number}"])
    registry = StepRegistry()
    registry.register(SimpleNamespace(**functions), "p")
    return registry.plan("v")


@many
@given(data=st.data(), seed=st.integers(0, 1000))
def test_drawn_orders_are_possible(data, seed):
    """A step that was to start before what it takes would never start."""
    plan = draw(data)
    assert is_possible(plan, shuffle(plan, Random(seed)))


@many
@given(data=st.data(), seed=st.integers(0, 1000))
def test_rivals_can_be_brought_together(data, seed):
    """Side by side and still in a possible order, so that nothing else has changed."""
    plan = draw(data)
    order = shuffle(plan, Random(seed))
    for pair in find_rivals(plan):
        gathered = gather(plan, order, pair)
        assert is_possible(plan, gathered)
        assert abs(gathered.index(pair[0]) - gathered.index(pair[1])) == 1


@many
@given(data=st.data(), seed=st.integers(0, 1000))
def test_groups_can_be_brought_together(data, seed):
    """The order stays possible even where members wait for one another."""
    plan = draw(data)
    order = shuffle(plan, Random(seed))
    group = data.draw(st.lists(st.sampled_from(order), min_size=2, unique=True))
    assert is_possible(plan, gather(plan, order, group))


@many
@given(data=st.data(), seed=st.integers(0, 1000))
def test_the_way_from_one_order_to_another_is_possible(data, seed):
    """Each exchange of neighbours is tried for real."""
    plan = draw(data)
    start, end = (shuffle(plan, Random(seed + number)) for number in range(2))
    orders = exchange(start, end)
    assert (orders[0], orders[-1]) == (start, end)
    for order in orders:
        assert is_possible(plan, order)
    for one, other in pairwise(orders):
        assert sum(a != b for a, b in zip(one, other, strict=True)) == 2


@given(data=st.data(), seed=st.integers(0, 1000))
def test_schedules_follow_from_their_seed(data, seed):
    """Nothing else goes in: no clock, no hash of this process."""
    plan = draw(data)
    order = [step.name for step in plan.steps]
    assert make_schedule(plan, seed) == make_schedule(plan, seed)
    assert make_overlap(order, order[:2], seed, 0).seed == str(seed)
    assert len({make_overlap(order, order[:2], seed, attempt).seed for attempt in range(4)}) == 4
