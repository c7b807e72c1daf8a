"""Who goes first among those that wait for a slot or a thread, by what earlier runs took."""

from __future__ import annotations

import asyncio
import threading
import types

import pytest
from aiohttp_steps import Limits, hookimpl, step
from aiohttp_steps.runners.thread import ThreadRunner
from aiohttp_steps.types import Call

parallel = step(concurrency="parallel", views=["v"])

ONE = Limits(runners={"loop": 1})
TWO = Limits(runners={"loop": 2})


def make(name, takes=(), *, seconds=1.0, began=None, **options):
    """Make a step that waits, and notes its beginning; `began` is a list of names."""
    parameters = "".join(f", {other}" for other in takes)
    source = f"async def {name}({'*' if takes else ''}{parameters}): await work()"

    async def work():
        if began is not None:
            began.append(name)
        await asyncio.sleep(seconds)

    namespace = {"work": work}
    exec(source, namespace)  # parameters have to have the names of steps
    return step(concurrency="parallel", views=["v"], **options)(namespace[name])


@pytest.fixture
def began():
    """Return the list of names of bodies in the order in which they began."""
    return []


@pytest.fixture
def forked(began):
    """Return two steps without followers, written first, and a chain of three written last."""
    return [
        make("brief", seconds=1, began=began),
        make("longer", seconds=2, began=began),
        make("head", seconds=1, began=began),
        make("middle", ["head"], seconds=1, began=began),
        make("tail", ["middle"], seconds=1, began=began),
    ]


async def run_thrice(registry):
    """Run a view three times at once; each run begins a moment after the one before."""
    runs = []
    for number in range(3):
        runs.append(asyncio.create_task(registry.run("v", inputs={"number": number})))
        await asyncio.sleep(0.01)
    return await asyncio.gather(*runs)


@pytest.mark.looptime
async def test_the_longest_remaining_path_goes_first_once_it_is_known(
    open_registry, make_plugin, began, forked
):
    """The second run makes the best of two slots: what takes longest to its end begins at once."""
    registry = open_registry(limits=TWO)
    registry.register(make_plugin("p", *forked))
    first = await registry.run("v")
    began.clear()
    second = await registry.run("v")
    assert began[:3] == ["head", "longer", "middle"]
    assert (first.timing.wall_s, second.timing.wall_s) == (4, 3)


@pytest.mark.looptime
async def test_arrival_is_the_order_of_those_who_ask_for_it(open_registry, make_plugin, began, forked):
    """First come, first served: each run begins its steps as the first one did, and nothing is learned."""
    registry = open_registry(limits=Limits(runners={"loop": 2}, order="arrival"))
    registry.register(make_plugin("p", *forked))
    reports = [await registry.run("v") for _ in range(3)]
    assert began == ["brief", "longer", "head", "middle", "tail"] * 3
    assert [report.timing.wall_s for report in reports] == [4] * 3
    assert registry.times_s == {}


@pytest.mark.looptime
async def test_what_comes_next_in_a_run_gets_the_slot_before_what_waits(
    open_registry, make_plugin, began, forked
):
    """The next step of a chain asks for a slot just after the one before has given its own back."""
    registry = open_registry(limits=ONE)
    registry.register(make_plugin("p", *forked))
    await registry.run("v")
    began.clear()
    report = await registry.run("v")
    # The path of `longer` is as long as the rest of the chain behind `head`: then what waits goes first.
    assert began == ["head", "longer", "middle", "brief", "tail"]
    assert report.timing.wall_s == 6


@pytest.mark.looptime
async def test_a_chain_that_outweighs_all_others_is_not_interrupted(open_registry, make_plugin, began):
    """One slot, and a chain of which each rest is longer than anything that waits."""
    registry = open_registry(limits=ONE)
    chain = [
        make("head", seconds=1, began=began),
        make("middle", ["head"], seconds=1, began=began),
        make("tail", ["middle"], seconds=5, began=began),
    ]
    registry.register(make_plugin("p", make("a", began=began), make("b", began=began), *chain))
    await registry.run("v")
    began.clear()
    await registry.run("v")
    assert began == ["head", "middle", "tail", "a", "b"]


@pytest.mark.looptime
async def test_several_steps_that_one_end_makes_ready_start_longest_first(open_registry, make_plugin, began):
    """Also on a Python whose tasks begin a turn later than they are made."""
    registry = open_registry(limits=ONE)
    fan = [make(name, ["root"], seconds=seconds, began=began) for name, seconds in [("a", 2), ("b", 3)]]
    rest = [make("root", seconds=1, began=began), make("other", seconds=2.5, began=began)]
    registry.register(make_plugin("p", *fan, *rest))
    await registry.run("v")
    began.clear()
    await registry.run("v")
    assert began == ["root", "b", "other", "a"]


@pytest.mark.looptime
async def test_the_run_that_began_first_goes_first(open_registry, make_plugin):
    """However long the paths of a later one: else it could keep an earlier one waiting for ever."""
    registry = open_registry(limits=ONE)
    began = []

    def note(name, seconds):
        async def body(*, number):
            began.append((number, name))
            await asyncio.sleep(seconds)

        body.__name__ = name
        return parallel(body)

    registry.register(make_plugin("p", note("brief", 1), note("long", 5)))
    await run_thrice(registry)
    assert [number for number, _ in began] == [0, 0, 1, 1, 2, 2]
    began.clear()
    await run_thrice(registry)
    assert began == [(number, name) for number in range(3) for name in ("long", "brief")]


@pytest.mark.looptime
async def test_no_slot_is_kept_for_a_step_that_does_not_wait_yet(open_registry, make_plugin, began):
    """A later run that waits gets the slot between two steps of a chain of an earlier one."""
    registry = open_registry(limits=ONE)
    registry.register(
        make_plugin("p", *(make(f"s{n}", [f"s{n - 1}"] if n else [], began=began) for n in range(3)))
    )
    registry.register(
        types.SimpleNamespace(one=step(concurrency="parallel", views=["w"])(_short(began))), "q"
    )
    for _ in range(2):
        began.clear()
        long = asyncio.create_task(registry.run("v"))
        await asyncio.sleep(0.5)
        await registry.run("w")
        await long
        assert began == ["s0", "one", "s1", "s2"]


def _short(began):
    async def one():
        began.append("one")
        await asyncio.sleep(1)

    return one


@pytest.mark.looptime
async def test_ties_are_decided_by_plan_order(open_registry, make_plugin, began):
    """The same times give the same order: law 10 is about reports, but a trace should not change either."""
    registry = open_registry(limits=ONE)
    registry.register(make_plugin("p", *(make(f"s{n}", began=began) for n in (3, 1, 2))))
    for _ in range(3):
        began.clear()
        await registry.run("v")
        assert began == ["s3", "s1", "s2"]


@pytest.mark.looptime
async def test_before_anything_is_known_paths_are_counted_in_steps(open_registry, make_plugin, began, forked):
    """The first run may guess as well: of those that wait, more steps to come are more to come."""
    registry = open_registry(limits=ONE)
    registry.register(make_plugin("p", *forked))
    await registry.run("v")
    assert began == ["brief", "head", "middle", "longer", "tail"]


@pytest.mark.looptime
async def test_results_stand_in_plan_order_whatever_starts_first(open_registry, make_plugin, forked):
    """Law 7: the order of starting is nobody's business but the clock's."""
    registry = open_registry(limits=TWO)
    registry.register(make_plugin("p", *forked))
    first, second = [list((await registry.run("v")).values) for _ in range(2)]
    assert first == second == ["brief", "longer", "head", "middle", "tail"]


@pytest.mark.looptime
async def test_times_are_a_mean_that_follows_what_steps_take(open_registry, make_plugin):
    """Waiting does not count; of what is new a fifth does."""
    seconds = {"a": 1.0, "b": 2.0}
    registry = open_registry(limits=ONE)

    @parallel
    async def a():
        await asyncio.sleep(seconds["a"])

    @parallel
    async def b():
        await asyncio.sleep(seconds["b"])

    registry.register(make_plugin("p", a, b))
    await registry.run("v")
    assert registry.times_s == {"a": 1, "b": 2}
    seconds["a"] = 6.0
    await registry.run("v")
    assert registry.times_s == {"a": 2, "b": 2}
    with pytest.raises(TypeError):
        registry.times_s["a"] = 3


@pytest.mark.looptime
async def test_only_times_of_success_are_learned(open_registry, make_plugin):
    """What fails at once is not short; it counts like the others of its plan."""
    registry = open_registry(limits=ONE)
    began = []

    @parallel
    async def broken():
        began.append("broken")
        raise OSError

    registry.register(
        make_plugin("p", make("a", seconds=1, began=began), broken, make("b", seconds=3, began=began))
    )
    await registry.run("v")
    assert registry.times_s == {"a": 1, "b": 3}
    began.clear()
    await registry.run("v")
    assert began == ["b", "broken", "a"]


@pytest.mark.looptime
async def test_nothing_is_learned_where_nobody_waits(open_registry, make_plugin):
    """Enough slots: the order makes no difference, and so costs nothing."""
    registry = open_registry(limits=Limits(runners={"loop": 9}))
    registry.register(make_plugin("p", make("a"), make("b")))
    await registry.run("v")
    assert registry.times_s == {}


@pytest.mark.looptime
async def test_a_plan_without_limits_has_nobody_who_is_told_of_its_runs(open_registry, make_plugin):
    """Not even one look at each run: the hot path has to stay as short as it was."""
    registry = open_registry()
    registry.register(make_plugin("p", make("a", limit=1), make("b", limit=1), step(views=["v"])(_short([]))))
    program = registry.program("v")
    assert program.is_unattended
    assert program.paths is None
    # Steps that wait for a limit of their own never wait for one another.
    reports = await asyncio.gather(registry.run("v"), registry.run("v"))
    assert reports[1].outcome("a").queue_s == 1
    assert registry.times_s == {}


def test_nobody_waits_for_the_end_of_runs_in_threads_but_to_learn(open_registry, make_plugin):
    """Two plain functions may wait for one thread; that alone must not bring all that a listener costs."""
    registry = open_registry()
    plain = [step(concurrency="parallel", views=["v"])(each) for each in (_plain_a, _plain_b)]
    registry.register(make_plugin("p", *plain))
    program = registry.program("v")
    assert program.paths is not None
    assert program.is_unattended
    assert not program.is_observed


def _plain_a(): ...


def _plain_b(): ...


@pytest.mark.looptime
@pytest.mark.parametrize("is_observed", [False, True], ids=["unattended", "observed"])
async def test_an_interrupted_run_is_learned_from(open_registry, make_plugin, is_observed):
    """What ended before the client left took the time it took, whether or not a plugin listens."""
    registry = open_registry(limits=ONE)
    told = []

    @hookimpl
    def steps_run_finished(report):
        told.append(report.cancelled)

    listening = [steps_run_finished] if is_observed else []
    registry.register(make_plugin("p", make("a"), make("b", seconds=9), *listening))
    run = asyncio.create_task(registry.run("v"))
    await asyncio.sleep(5)
    run.cancel()
    await asyncio.wait([run])
    assert told == [True] * is_observed
    assert registry.times_s == {"a": 1}


@pytest.mark.looptime
@pytest.mark.parametrize(
    "limits",
    [Limits(steps=1), Limits(runners={"loop": 1}), Limits(steps=1, runners={"loop": 1})],
    ids=["all steps", "runner", "both"],
)
async def test_each_limit_of_a_registry_orders(open_registry, make_plugin, began, limits):
    """And one behind the other as well."""
    registry = open_registry(limits=limits)
    registry.register(make_plugin("p", make("a", began=began), make("b", began=began, seconds=2)))
    await registry.run("v")
    began.clear()
    await registry.run("v")
    assert began == ["b", "a"]


@pytest.mark.looptime
async def test_a_shared_run_counts_as_the_request_that_began_it(open_registry, make_plugin):
    """It has a task and a call of its own, but it came when that request came."""
    registry = open_registry(limits=ONE)
    began = []

    @step(concurrency="parallel", views=["v"], share=True)
    async def shared(*, number):
        began.append((number, "shared"))
        await asyncio.sleep(1)

    @parallel
    async def plain(*, number):
        began.append((number, "plain"))
        await asyncio.sleep(1)

    registry.register(make_plugin("p", shared, plain))
    await run_thrice(registry)
    assert [number for number, _ in began] == [0, 0, 1, 1, 2, 2]


def test_slots_outlive_an_event_loop_that_ends_while_one_is_handed_over(open_registry, make_plugin):
    """A registry may see several loops in turn; none may take a slot with it."""
    registry = open_registry(limits=ONE)
    registry.register(
        make_plugin("p", make("a", seconds=0), make("b", ["a"], seconds=0), make("c", seconds=0))
    )

    async def cancel_after(turns):
        run = asyncio.create_task(registry.run("v"))
        for _ in range(turns):
            await asyncio.sleep(0)
        run.cancel()

    async def run():
        return await registry.run("v")

    for turns in range(20):
        asyncio.run(cancel_after(turns))
        assert asyncio.run(run()).completed
    slots = registry.plugin_manager.get_plugin("builtin_policies").limiter.slots
    assert [(each.taken, each.waiting) for each in slots] == [(0, 0)]


@pytest.fixture
def thread_order(add, registry):
    """Return a function that lets bodies come while the one thread is busy, and gives their order."""

    async def run(rank):
        began = []
        held = threading.Event()

        def note(name):
            def body():
                held.wait(5)
                began.append(name)

            body.__name__ = name
            return parallel(body)

        names = ["first", "a", "b", "c", "d"]
        add(*map(note, names))
        runner = ThreadRunner(1, rank)
        calls = {each.name: Call(each, None, {}) for each in registry.steps}
        bound = {each.name: runner.bind(each) for each in registry.steps}
        tasks = {name: asyncio.create_task(bound[name](calls[name])) for name in names}
        await asyncio.sleep(0)
        tasks["c"].cancel()
        await asyncio.wait([tasks["c"]])
        held.set()
        await asyncio.wait(tasks.values())
        await runner.close()
        return began

    return run


async def test_a_thread_takes_what_ranks_lowest_of_what_waits(thread_order):
    """Which of equal ones comes first is decided by their coming; what was cancelled never begins."""
    ranks = {"a": 2.0, "b": 1.0, "c": 0.0, "d": 1.0}
    assert await thread_order(lambda call: (0.0, ranks[call.step.name], 0)) == ["first", "b", "d", "a"]


async def test_a_thread_without_ranks_takes_what_came_first(thread_order):
    """A runner by itself knows nothing of paths."""
    assert await thread_order(None) == ["first", "a", "b", "d"]


@pytest.mark.parametrize("order", ["path", "arrival"])
async def test_threads_of_a_registry_learn_and_start_the_longest_path_first(
    open_registry, make_plugin, order
):
    """Steps that are plain functions wait for a thread, without any limit that somebody set."""
    registry = open_registry(threads=1, limits=Limits(order=order))
    began = []
    held, never = threading.Event(), threading.Event()

    @parallel
    def first():
        held.wait(5)

    @parallel
    def brief():
        began.append("brief")
        never.wait(0.001)

    @parallel
    def long():
        began.append("long")
        never.wait(0.05)

    registry.register(make_plugin("p", first, brief, long))
    run = asyncio.create_task(registry.run("v"))
    for _ in range(10):  # until the others wait for the thread
        await asyncio.sleep(0)
    held.set()
    await run
    assert began == ["brief", "long"]
    await registry.run("v")
    assert began[2:] == (["long", "brief"] if order == "path" else ["brief", "long"])
    assert list(registry.times_s) == (["first", "brief", "long"] if order == "path" else [])


def test_unknown_order_is_refused():
    """Where it is written, with what there is."""
    with pytest.raises(ValueError, match=r"there is no order='best'; the orders are: 'path', 'arrival'"):
        Limits(order="best")
