"""The laws of a plan, each held against random steps on a virtual clock."""

from __future__ import annotations

import json

from aiohttp_steps.engine import encode_report
from aiohttp_steps.types import MISSING, Status
from hypothesis import event, given, settings
from hypothesis import strategies as st

FAILING = ("error", "exit")
ANSWERING = (*FAILING, "answer", "answer error")
SERIAL = ("gate", "sequential")

# No deadline: other processes share the machine, and the times that count here are virtual.
many = settings(max_examples=50, deadline=None)


@many
@given(data=st.data())
def test_law_1_a_step_runs_at_most_once_per_run(worlds, data):
    """Law: "A step runs at most once per run". Its dependents share the result."""
    trial = data.draw(worlds(endings=ANSWERING)).run(answers=True)

    begun = [event.name for event in trial.events if event.what == "began"]
    assert len(begun) == len(set(begun))
    assert set(begun) == {o.step.name for o in trial.report.outcomes if o.started_s is not None}


@many
@given(data=st.data(), sequential=st.booleans())
def test_law_2_a_step_starts_after_all_that_it_waits_for(worlds, data, sequential):
    """Law: "It starts only after every step whose result it takes, and that it is `after`, has ended"."""
    world = data.draw(worlds(endings=FAILING))
    trial = world.run(sequential=sequential)

    for name, sources in world.waits_for.items():
        for source in sources & trial.began.keys():
            if name in trial.began:
                assert trial.ended[source] < trial.began[name]


@many
@given(data=st.data())
def test_law_2_the_results_taken_are_those_of_the_steps_named(worlds, data):
    """A step that starts late enough but gets another step's value would be no better off."""
    world = data.draw(worlds(endings=FAILING))
    report = world.run().report

    values = {o.step.name: o.value for o in report.outcomes if o.value is not MISSING}
    for outcome in report.outcomes:
        if outcome.status is Status.SUCCEEDED:
            drawn = world[outcome.step.name]
            taken = {name: values[name] for name, _ in drawn.takes if name in values}
            assert outcome.value == drawn.value_for(taken)
            assert {name for name, needed in drawn.takes if needed} <= taken.keys()


@many
@given(data=st.data())
def test_law_3_nothing_starts_before_the_gates_but_what_they_need(worlds, data):
    """Law: "Gates come first and run one by one".

    "Until all gates have succeeded nothing starts but what a gate itself depends on; if one fails the
    request ends with its error."
    """
    world = data.draw(worlds(endings=FAILING, kinds=("gate", "gate", "sequential")))
    trial = world.run()
    gates = world.names("gate")
    needed = gates.union(*(world.closure[gate] for gate in gates))

    outcomes = {gate: trial.report.outcome(gate) for gate in gates}
    passed = [trial.ended[gate] for gate in gates if outcomes[gate].status is Status.SUCCEEDED]
    for name in trial.began.keys() - needed:
        assert len(passed) == len(gates)
        assert all(at < trial.began[name] for at in passed)
    assert not trial.overlaps(gates, gates)
    failed = [gate for gate in gates if outcomes[gate].error is not None]
    if failed:
        event("a gate failed")
        assert failed == [trial.report.failure.step.name]


@many
@given(data=st.data())
def test_law_4_a_sequential_step_overlaps_no_other(worlds, data):
    """Law: "A sequential (or exclusive) step overlaps no other step of its request"."""
    world = data.draw(worlds(endings=FAILING))
    trial = world.run()

    assert not trial.overlaps(world.names("sequential"), world.present)


@many
@given(data=st.data())
def test_law_4_sequential_steps_stand_in_the_declared_order(worlds, data):
    """Law: "Their order: data, `after` and `before`; then registration order of plugins".

    "... with pluggy's `tryfirst`/`trylast`; within a plugin the order in the source."
    """
    world = data.draw(worlds(kinds=SERIAL))
    trial = world.run()

    begun = [event.name for event in trial.events if event.what == "began"]
    assert [step.name for step in trial.report.plan.steps if step.kind in SERIAL] == world.serial_order
    assert [name for name in begun if world[name].kind in SERIAL] == world.serial_order


@many
@given(data=st.data())
def test_law_5_reads_that_no_write_needs_see_all_writes(worlds, data):
    """Law: "Parallel steps that no sequential step needs run after the last sequential step"."""
    world = data.draw(worlds(endings=FAILING))
    trial = world.run()
    serial = world.names(*SERIAL)
    needed = set().union(*(world.closure[name] for name in serial))

    for name in (world.names("parallel") - needed) & trial.began.keys():
        for write in serial & trial.began.keys():
            assert trial.ended[write] < trial.began[name]


@many
@given(data=st.data())
def test_law_6_a_parallel_step_starts_when_its_own_inputs_are_there(worlds, data):
    """Law: "Inside a parallel tier there is no barrier: a step starts when *its* inputs are there"."""
    world = data.draw(worlds(kinds=("parallel", "parallel", "sequential")))
    report = world.run().report

    opened = 0.0
    for tier in report.plan.tiers:
        for node in tier.nodes:
            sources = [report.outcome(name).ended_s for name in world.waits_for[node.step.name]]
            assert report.outcomes[node.index].started_s == max([opened, *sources])
        opened = max(report.outcomes[node.index].ended_s for node in tier.nodes)


@many
@given(data=st.data())
def test_law_7_results_errors_and_json_stand_in_plan_order(worlds, data):
    """Law: "Results, errors and JSON stand in plan order, never in finishing order"."""
    world = data.draw(worlds(endings=FAILING))
    report = world.run().report
    order = [step.name for step in report.plan.steps]
    document = json.loads(encode_report(report).body)

    assert [outcome.step.name for outcome in report.outcomes] == order
    assert list(report) == order
    assert list(report.errors) == [name for name in order if name in report.errors]
    assert list(document["data"]) == [name for name in order if world[name].joins]
    assert list(document["errors"]) == list(report.errors)


@many
@given(data=st.data())
def test_law_7_plan_order_follows_what_waits_for_what(worlds, view, data):
    """Plan order is one that the steps could have been run in: a reader goes from cause to effect."""
    world = data.draw(worlds(kinds=SERIAL))
    order = {step.name: at for at, step in enumerate(world.registry.plan(view).steps)}

    assert order.keys() == world.present
    for name, sources in world.waits_for.items():
        assert all(order[source] < order[name] for source in sources)


@many
@given(data=st.data(), answers=st.booleans(), timed=st.booleans())
def test_law_8_nothing_is_left_running_when_a_run_ends(worlds, data, answers, timed):
    """Law: "When the response is handed over, nothing of the run is left running"."""
    trial = data.draw(worlds(endings=ANSWERING, timed=timed)).run(answers=answers)

    assert trial.left == set()
    assert trial.began.keys() == trial.ended.keys()


@settings(many, max_examples=120)
@given(data=st.data(), turns=st.lists(st.integers(0, 16), min_size=1, max_size=3))
def test_law_8_nothing_is_left_running_when_a_run_is_cancelled(worlds, data, turns):
    """The same when the client leaves at any moment, and again while steps are cleaning up."""
    trial = data.draw(worlds(endings=ANSWERING, timed=True)).run(answers=True, cancel_after=turns)

    event(f"cancelled: {trial.cancelled}")
    assert trial.left == set()
    assert trial.began.keys() == trial.ended.keys()


@many
@given(data=st.data())
def test_law_10_sequential_and_parallel_give_the_same_report(worlds, data):
    """Law: "The same plan, inputs and step behaviour give the same report", in both modes.

    If a required step fails, the run ends there, and how far the others came is a matter of time: then
    both ways end with the failure of a required step.
    """
    world = data.draw(worlds(endings=FAILING, timed=True))
    parallel, sequential = world.run(), world.run(sequential=True)

    if parallel.report.failure is None:
        assert parallel.facts == sequential.facts
    else:
        event("a required step failed")
        for report in (parallel.report, sequential.report):
            assert report.plan.nodes[report.plan.index[report.failure.step.name]].required
            assert report.failure.error is not None


@many
@given(data=st.data(), sequential=st.booleans())
def test_law_10_the_same_run_again_gives_the_same_report(worlds, data, sequential):
    """A run has no chance in it: also with failures, the second report equals the first."""
    world = data.draw(worlds(endings=ANSWERING, timed=True))
    first, second = (world.run(sequential=sequential, answers=True) for _ in range(2))

    assert first.facts == second.facts
    assert first.events == second.events
