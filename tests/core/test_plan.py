"""From steps to tiers, by hand: each test is one sentence of the laws 3 to 7."""

from __future__ import annotations

import pytest
from aiohttp_steps import Input, exclusive, hookimpl, step
from aiohttp_steps.plan import compile_plan, find_ambiguities
from aiohttp_steps.plan.graph import Graph
from aiohttp_steps.types import Dependency

parallel = step(concurrency="parallel", views=["v"])
sequential = step(views=["v"])
gate = step(concurrency="gate", views=["v"])


def test_independent_parallel_steps_share_one_tier(add, registry, shape):
    """This is what the whole framework is for: the request costs the longest step, not the sum."""

    @parallel
    def b(): ...

    @parallel
    def a(): ...

    add(a, b)
    assert shape(registry.plan("v")) == [("parallel", ["b", "a"])]


def test_a_chain_of_parallel_steps_stays_in_one_tier(add, registry, shape):
    """A dependency is no barrier for those who have nothing to do with it."""

    @parallel
    def last(*, middle): ...

    @parallel
    def free(): ...

    @parallel
    def middle(*, first): ...

    @parallel
    def first(): ...

    add(last, free, middle, first)
    assert shape(registry.plan("v")) == [("parallel", ["free", "first", "middle", "last"])]


def test_a_gate_comes_first_and_its_parallel_dependency_before_it(add, registry, shape):
    """What a gate needs may run before it; everything else has to wait until the gate is open."""

    @sequential
    def write(): ...

    @parallel
    def read(): ...

    @parallel
    def token(): ...

    @gate
    def user(*, token): ...

    add(write, read, token, user)
    assert shape(registry.plan("v")) == [
        ("parallel", ["token"]),
        ("gate", ["user"]),
        ("sequential", ["write"]),
        ("parallel", ["read"]),
    ]


def test_several_gates_run_one_by_one_in_registration_order(add, registry, shape):
    """Two gates at once could tell an attacker which of them said no, by time."""

    @gate
    def second(*, first): ...

    @gate
    def alone(): ...

    @gate
    def first(): ...

    add(second, alone, first)
    assert shape(registry.plan("v")) == [("gate", ["alone"]), ("gate", ["first"]), ("gate", ["second"])]


def test_a_sequential_step_that_a_gate_needs_goes_before_the_gate(add, registry, shape):
    """A gate's dependencies keep their own class, wherever they stand in the source."""

    @sequential
    def early(): ...

    @sequential
    def session(): ...

    @gate
    def user(*, session): ...

    add(early, session, user)
    assert shape(registry.plan("v")) == [
        ("sequential", ["session"]),
        ("gate", ["user"]),
        ("sequential", ["early"]),
    ]


def test_a_parallel_step_runs_early_only_for_a_sequential_one_that_needs_it(add, registry, shape):
    """Law 5: a read that no write needs sees the writes; a read that a write needs cannot."""

    @parallel
    def needed(): ...

    @parallel
    def also_needed(*, needed): ...

    @parallel
    def free(): ...

    @sequential
    def write(*, also_needed): ...

    @sequential
    def next_write(): ...

    add(needed, also_needed, free, write, next_write)
    assert shape(registry.plan("v")) == [
        ("parallel", ["needed", "also_needed"]),
        ("sequential", ["write"]),
        ("sequential", ["next_write"]),
        ("parallel", ["free"]),
    ]


def test_a_later_sequential_step_does_not_pull_reads_before_an_earlier_one(add, registry, shape):
    """A read goes as late as it may: it sees all writes but the one that needs it."""

    @sequential
    def write(): ...

    @parallel
    def read(): ...

    @sequential
    def write_again(*, read): ...

    add(write, read, write_again)
    assert shape(registry.plan("v")) == [
        ("sequential", ["write"]),
        ("parallel", ["read"]),
        ("sequential", ["write_again"]),
    ]


def test_exclusive_steps_stand_in_sequential_tiers(add, registry, shape):
    """An exclusive step is a sequential one with a lock besides."""

    @step(concurrency=exclusive("key"), views=["v"])
    def commit(): ...

    @parallel
    def log(): ...

    add(log, commit)
    assert shape(registry.plan("v")) == [("sequential", ["commit"]), ("parallel", ["log"])]


def test_after_and_before_order_sequential_steps(add, registry):
    """Authors who do not exchange values still have an order to declare."""

    @step(views=["v"], after=["c"])
    def a(): ...

    @sequential
    def b(): ...

    @step(views=["v"], before=["b"])
    def c(): ...

    add(a, b, c)
    assert [s.name for s in registry.plan("v").steps] == ["c", "a", "b"]


def test_after_orders_parallel_steps_within_their_tier(add, registry, shape):
    """Inside a tier `after` is an edge like any other, not a reason for another tier."""

    @step(concurrency="parallel", views=["v"], after=["b"])
    def a(): ...

    @parallel
    def b(): ...

    add(a, b)
    plan = registry.plan("v")
    assert shape(plan) == [("parallel", ["b", "a"])]
    assert [(edge.source, edge.kind) for edge in plan.nodes[1].edges] == [(0, "after")]
    assert plan.nodes[0].successors == (1,)
    assert plan.nodes[1].waits_for == 1


@pytest.mark.parametrize("word", ["after", "before"])
def test_a_whole_plugin_can_be_named(add, registry, word):
    """The author of an audit step cannot list the steps of a plugin that grows."""

    @step(views=["v"], **{word: ["plugin:writes"]})
    def audit(): ...

    @sequential
    def one(): ...

    @sequential
    def two(): ...

    add(audit, plugin="audits") if word == "after" else None
    add(one, two, plugin="writes")
    add(audit, plugin="audits") if word == "before" else None

    order = ["one", "two", "audit"] if word == "after" else ["audit", "one", "two"]
    assert [s.name for s in registry.plan("v").steps] == order


def test_a_step_after_its_own_plugin_waits_for_its_siblings_only(add, registry):
    """`after=["plugin:p"]` in plugin p says "last of us", not "after myself"."""

    @step(views=["v"], after=["plugin:p"])
    def last(): ...

    @sequential
    def other(): ...

    add(last, other)
    assert [s.name for s in registry.plan("v").steps] == ["other", "last"]


@pytest.mark.parametrize("absent", ["nobody", "plugin:nobody", "elsewhere"])
@pytest.mark.parametrize("word", ["after", "before"])
def test_an_order_against_what_is_not_there_is_satisfied(add, registry, word, absent):
    """A plugin must not break because one that it gets along with is not installed, or not in this view."""

    @step(views=["v"], **{word: [absent]})
    def lonely(): ...

    @step(views=["w"])
    def elsewhere(): ...

    add(lonely, elsewhere)
    assert [s.name for s in registry.plan("v").steps] == ["lonely"]


def test_tryfirst_and_trylast_move_sequential_steps(add, registry):
    """A plugin can go first or last without naming anyone: pluggy's words keep their meaning."""

    @hookimpl(trylast=True)
    @sequential
    def last(): ...

    @sequential
    def middle(): ...

    @hookimpl(tryfirst=True)
    @sequential
    def first(): ...

    add(last, plugin="one")
    add(middle, first, plugin="two")
    assert [s.name for s in registry.plan("v").steps] == ["first", "middle", "last"]


def test_data_wins_over_tryfirst(add, registry):
    """An order that data demands is not a matter of taste."""

    @sequential
    def source(): ...

    @hookimpl(tryfirst=True)
    @sequential
    def eager(*, source): ...

    add(source, eager)
    assert [s.name for s in registry.plan("v").steps] == ["source", "eager"]


def test_a_view_takes_in_what_its_steps_take(add, registry, shape):
    """A step without views runs where it is needed, and nowhere else."""

    @step(concurrency="parallel")
    def helper(): ...

    @step(concurrency="parallel")
    def unused(): ...

    @parallel
    def shown(*, helper): ...

    add(helper, unused, shown)
    plan = registry.plan("v")
    assert shape(plan) == [("parallel", ["helper", "shown"])]
    assert [node.shown for node in plan.nodes] == [False, True]


def test_an_optional_parameter_brings_in_its_step(add, registry):
    """A default says what to do without the step, not that it is unwelcome."""

    @step(concurrency="parallel")
    def helper(): ...

    @parallel
    def shown(*, helper=None, missing=None): ...

    add(helper, shown)
    plan = registry.plan("v")
    assert [s.name for s in plan.steps] == ["helper", "shown"]
    assert [b.parameter for b in plan.nodes[1].bindings] == ["helper"]


def test_wanted_steps_are_required_and_shown(add, registry):
    """A handler's parameter without a default makes that step required for the route."""

    @step(concurrency="parallel")
    def needed(): ...

    @step(concurrency="parallel")
    def welcome(): ...

    add(needed, welcome)
    wanted = [Dependency("needed", required=True), Dependency("welcome", required=False)]
    plan = registry.plan(wanted=wanted)
    assert [(n.step.name, n.required, n.shown) for n in plan.nodes] == [
        ("needed", True, True),
        ("welcome", False, True),
    ]


def test_a_plan_without_view_holds_only_what_is_wanted(add, registry):
    """A handler that takes one value pays for one."""

    @parallel
    def a(): ...

    @parallel
    def b(*, a): ...

    @parallel
    def c(): ...

    add(a, b, c)
    assert [s.name for s in registry.plan(wanted=["b"]).steps] == ["a", "b"]


def test_inputs_are_listed_in_order_of_first_use(add, registry):
    """The server tells clients what a view takes; the first required use makes the input required."""

    @parallel
    def a(*, depth=1, project): ...

    @parallel
    def b(*, project, depth): ...

    add(a, b)
    plan = registry.plan("v", inputs=["project", "depth", "unused"])
    assert [(n.name, n.required, n.taken_by) for n in plan.inputs] == [
        ("depth", True, "b"),
        ("project", True, "a"),
    ]


def test_an_input_can_be_wanted_by_the_handler(registry, make_plugin):
    """A handler may take inputs beside steps, and the plan has to know of them."""
    plugin = make_plugin("p")
    plugin.step_inputs = hookimpl(specname="step_inputs")(lambda: [Input("number", int)])
    registry.register(plugin)

    plan = registry.plan(wanted=["number"])

    assert [(n.name, n.required, n.taken_by) for n in plan.inputs] == [("number", True, "the handler")]
    assert plan.nodes == ()


def test_the_sequential_flag_gives_each_step_a_tier_in_the_same_order(add, registry, shape):
    """The one flag to go back with: same steps, same order, no overlap."""

    @parallel
    def b(*, a): ...

    @parallel
    def a(): ...

    @sequential
    def write(): ...

    add(b, a, write)
    together, alone = registry.plan("v"), registry.plan("v", sequential=True)
    assert shape(alone) == [("sequential", ["write"]), ("parallel", ["a"]), ("parallel", ["b"])]
    assert [s.name for s in alone.steps] == [s.name for s in together.steps]
    assert (together.sequential, alone.sequential) == (False, True)


def test_a_registry_can_be_sequential_as_a_whole(open_registry, make_plugin, shape):
    """Switching an app back must not mean touching each of its routes."""

    @parallel
    def a(): ...

    @parallel
    def b(): ...

    registry = open_registry(sequential=True)
    registry.register(make_plugin("p", a, b))
    assert shape(registry.plan("v")) == [("parallel", ["a"]), ("parallel", ["b"])]
    assert shape(registry.plan("v", sequential=False)) == [("parallel", ["a", "b"])]


def test_plans_are_compiled_once_until_a_plugin_changes(add, registry):
    """Compiling for each request would cost more than most steps."""

    @parallel
    def a(): ...

    @parallel
    def b(): ...

    add(a)
    first = registry.plan("v")
    assert registry.plan("v") is first
    assert registry.plan("v", inputs=["x"]) is not first

    added = add(b, plugin="q")
    second = registry.plan("v")
    assert [s.name for s in second.steps] == ["a", "b"]
    assert [s.name for s in first.steps] == ["a"]

    registry.unregister(added)
    assert [s.name for s in registry.plan("v").steps] == ["a"]
    assert registry.plan("v") is not first


def test_the_cache_of_plans_has_a_bound(add, registry, monkeypatch):
    """A plugin whose selection never repeats must not fill the memory."""
    monkeypatch.setattr("aiohttp_steps.engine.registry.MOST_PROGRAMS", 4)

    @parallel
    def a(): ...

    add(a)
    first = registry.plan("v")
    for number in range(6):
        registry.plan("v", inputs=[f"i{number}"])
    assert registry.plan("v") is not first


def test_gates_survive_a_selection_that_drops_them(add, registry):
    """A security step that another plugin can switch off fails open."""

    @gate
    def user(): ...

    @parallel
    def a(): ...

    add(user, a)
    plan = compile_plan(registry.steps, view="v", selected=[])
    assert [s.name for s in plan.steps] == ["user"]


def test_writes_tells_whether_get_may_run_a_plan(add, registry):
    """Only gates, parallel steps and those marked as safe to cancel may be run by a GET."""

    @step(concurrency="gate", views=["reads", "writes"])
    def user(): ...

    @step(concurrency="parallel", views=["reads", "writes"], on_disconnect="finish")
    def read(): ...

    @step(views=["reads", "writes"], on_disconnect="cancel")
    def count(): ...

    @step(views=["writes"])
    def write(): ...

    add(user, read, count, write)
    assert not registry.plan("reads").writes
    assert registry.plan("writes").writes


def test_two_sequential_steps_of_different_plugins_are_ambiguous(add, registry):
    """Which of two strangers' writes comes first must not depend on the alphabet unnoticed."""

    @sequential
    def a(): ...

    @sequential
    def same_plugin(): ...

    @sequential
    def b(): ...

    @step(views=["v"], after=["b"])
    def ordered(): ...

    add(a, same_plugin, plugin="one")
    add(b, plugin="two")
    add(ordered, plugin="three")
    pairs = find_ambiguities(registry.plan("v"))
    assert [(x.name, y.name) for x, y in pairs] == [
        ("a", "b"),
        ("same_plugin", "b"),
        ("a", "ordered"),
        ("same_plugin", "ordered"),
    ]


def test_an_order_through_a_third_step_is_no_ambiguity(add, registry):
    """Declared is declared, also at one remove."""

    @sequential
    def first(): ...

    @parallel
    def between(*, first): ...

    @sequential
    def last(*, between): ...

    add(first, between, plugin="one")
    add(last, plugin="two")
    assert find_ambiguities(registry.plan("v")) == []


@pytest.mark.parametrize("kind", ["parallel", "sequential"])
def test_the_work_of_compiling_grows_with_steps_and_edges_only(add, registry, monkeypatch, kind):
    """Thousands of steps must compile at start-up; edges are visited a fixed number of times each."""
    visits = 0

    class CountingDict(dict):
        def __iter__(self):
            nonlocal visits
            visits += len(self)
            return super().__iter__()

        def items(self):
            nonlocal visits
            visits += len(self)
            return super().items()

    original = Graph.__init__

    def init(self, steps):
        original(self, steps)
        self.waits_for = [CountingDict(sources) for sources in self.waits_for]

    monkeypatch.setattr(Graph, "__init__", init)

    def count(size):
        nonlocal visits
        visits = 0
        steps = chain(size, kind)
        compile_plan(steps, view="v")
        return visits / size

    assert count(400) <= count(100) * 1.1


def chain(size, kind):
    """Make steps that each take the one before."""
    from aiohttp_steps.registry.reading import read_step
    from aiohttp_steps.types import OPTIONS_ATTRIBUTE

    namespace = {"mark": step(concurrency=kind, views=["v"])}
    steps = []
    for number in range(size):
        parameter = f"*, s{number - 1}" if number else ""
        exec(f"@mark\ndef s{number}({parameter}): ...", namespace)
        function = namespace[f"s{number}"]
        steps.append(read_step(function, getattr(function, OPTIONS_ATTRIBUTE), plugin="p"))
    return steps
