"""What the compiler says of random step sets: cycles, and orders that nothing declares."""

from __future__ import annotations

import graphlib
from itertools import combinations, pairwise

import pytest
from aiohttp_steps.errors import CycleError
from aiohttp_steps.plan import find_ambiguities
from hypothesis import event, given, settings
from hypothesis import strategies as st

many = settings(max_examples=50, deadline=None)


@many
@given(data=st.data())
def test_steps_that_wait_for_each_other_and_only_those_are_refused(worlds, view, data):
    """A cycle is found at start-up, and its path is one: each step on it waits for the next."""
    world = data.draw(worlds(cycles=True))
    waits_for = world.waits_for
    try:
        graphlib.TopologicalSorter(waits_for).prepare()
    except graphlib.CycleError:
        event("cycle")
        with pytest.raises(CycleError, match="waits for itself: ") as caught:
            world.registry.plan(view)
        path = caught.value.path
        assert path[0] == path[-1]
        assert len(set(path)) == len(path) - 1
        assert all(later in waits_for[earlier] for earlier, later in pairwise(path))
        assert " -> ".join(path) in str(caught.value)
    else:
        assert {step.name for step in world.registry.plan(view).steps} == world.present


@many
@given(data=st.data())
def test_ambiguous_are_sequential_steps_of_two_plugins_that_nothing_orders(worlds, view, data):
    """Law 4: "two sequential steps of different plugins whose order nothing declares are reported"."""
    world = data.draw(worlds(kinds=("sequential", "sequential", "gate")))
    closure = world.closure
    expected = {
        frozenset((one, other))
        for one, other in combinations(sorted(world.names("sequential")), 2)
        if world[one].plugin != world[other].plugin
        and one not in closure[other]
        and other not in closure[one]
    }

    found = find_ambiguities(world.registry.plan(view))

    assert {frozenset(step.name for step in pair) for pair in found} == expected
    assert len(found) == len(expected)


@many
@given(data=st.data())
def test_a_plan_is_the_same_however_often_it_is_compiled(worlds, view, data):
    """Chance in a plan would be chance in every report: sets and dicts must not decide."""
    world = data.draw(worlds(kinds=("sequential", "gate")))
    first = world.registry.plan(view)
    world.registry.refresh()
    second = world.registry.plan(view)

    assert first is not second
    assert [s.name for s in first.steps] == [s.name for s in second.steps]
    assert [[n.index for n in tier.nodes] for tier in first.tiers] == [
        [n.index for n in tier.nodes] for tier in second.tiers
    ]
