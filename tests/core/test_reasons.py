"""`explain_node`: a step's place in words that are true of the plan."""

from __future__ import annotations

import types

import pytest
from aiohttp_steps import StepRegistry, exclusive, step
from aiohttp_steps.plan import explain_node


def explain(*functions, sequential=False, second=()):
    """Return the reasons for each step of a view that all functions join, by name."""
    registry = StepRegistry()
    for name, members in (("one", functions), ("two", second)):
        registry.register(types.SimpleNamespace(**{f"s{at}": f for at, f in enumerate(members)}), name)
    plan = registry.plan("v", sequential=sequential)
    return {node.step.name: explain_node(plan, node) for node in plan.nodes}


def make(name, takes="", **options):
    """Make a step of the view."""
    namespace = {}
    exec(f"async def {name}({takes and '*, ' + takes}): ...", namespace)
    return step(views=["v"], **options)(namespace[name])


def parallel(name, takes="", **options):
    return make(name, takes, concurrency="parallel", **options)


def gate(name, takes="", **options):
    return make(name, takes, concurrency="gate", **options)


def test_a_parallel_step_that_nobody_waits_for_starts_when_it_can():
    """The best place there is."""
    assert explain(parallel("a")) == {"a": ["parallel: starts as soon as what it takes is there"]}


def test_a_gate_stops_everything_else():
    """The reason for a page that waits for its login."""
    assert explain(gate("a"))["a"] == [
        "gate: nothing starts but what it waits for itself, until it has succeeded"
    ]


def test_a_parallel_step_that_a_gate_takes_goes_ahead_of_it():
    """Law 3's exception."""
    reasons = explain(parallel("session"), gate("user", "session"), parallel("other"))
    assert reasons["session"] == ["parallel, ahead of the gate user, which waits for it"]
    assert reasons["user"][1:] == ["takes the result of session"]
    assert reasons["other"] == ["parallel: starts as soon as what it takes is there"]


@pytest.mark.parametrize("between", [False, True], ids=["by itself", "through another"])
def test_a_sequential_step_that_a_gate_takes_goes_ahead_of_it(between):
    """Nobody would look for a write before the login; this says why it is there."""
    chain = (parallel("read", "write"), gate("user", "read")) if between else (gate("user", "write"),)
    reasons = explain(make("write"), *chain)
    assert reasons["write"] == [
        "sequential, ahead of the gate user, which waits for it; overlaps no other step"
    ]


def test_a_parallel_step_that_a_sequential_one_takes_goes_ahead_of_it():
    """It cannot see what the request writes; its author should know."""
    reasons = explain(parallel("read"), make("write", "read"))
    assert reasons["read"] == ["parallel, ahead of write, which waits for it"]


def test_a_parallel_step_behind_the_last_sequential_one_sees_its_writes():
    """Law 5."""
    reasons = explain(parallel("read"), make("first"), make("last"))
    assert reasons["read"] == [
        "parallel, behind last, the last sequential step, to see what the request wrote"
    ]


@pytest.mark.parametrize(
    ("concurrency", "word"),
    [("sequential", "sequential"), (exclusive("key"), "exclusive")],
    ids=["sequential", "exclusive"],
)
def test_a_sequential_step_overlaps_no_other(concurrency, word):
    """With its own word for it."""
    assert explain(make("a", concurrency=concurrency))["a"] == [f"{word}: overlaps no other step"]


def test_what_a_step_waits_for_is_listed_with_who_said_so():
    """Each edge has an owner, who can be asked."""
    reasons = explain(
        make("a", before=["d"]),
        make("b"),
        make("c"),
        make("d", "b", after=["c"]),
    )
    assert reasons["d"] == [
        "sequential: overlaps no other step",
        "a says that it is before it",
        "takes the result of b",
        "says that it is after c",
    ]


def test_an_order_that_only_the_source_decides_is_told():
    """Whoever moves the function moves the step."""
    assert explain(make("a"), make("b"))["b"] == [
        "sequential: overlaps no other step; comes after a by the order in the source alone"
    ]


def test_an_order_that_only_registration_decides_is_told():
    """This is what `check` calls ambiguous."""
    assert explain(make("a"), second=[make("b")])["b"] == [
        "sequential: overlaps no other step; comes after a by the order of registration alone"
    ]


@pytest.mark.parametrize(
    "between",
    [
        pytest.param([make("c", "a")], id="a parallel one"),
        pytest.param([parallel("x", "a"), parallel("y", "a"), parallel("c", "x, y")], id="a diamond"),
    ],
)
def test_an_order_that_follows_from_others_is_not_called_chance(between):
    """If a is before c and c before b, nobody needs to say that a is before b."""
    reasons = explain(make("a"), *between, make("b", "c"))
    assert "alone" not in reasons["b"][0]


def test_an_order_that_a_gate_between_them_decides_is_not_called_chance():
    """Whatever the order in the source, what a gate needs comes first."""
    reasons = explain(make("late"), make("early"), gate("user", "early"))
    assert list(reasons) == ["early", "user", "late"]
    assert reasons["late"] == ["sequential: overlaps no other step"]


def test_a_parallel_step_in_a_sequential_plan_says_that_it_is_alone():
    """The flag is on, and that is the reason, not the step."""
    reasons = explain(parallel("a"), parallel("b", "a"), sequential=True)
    assert reasons["b"] == [
        "parallel, but alone: this plan runs one step after another",
        "takes the result of a",
    ]
