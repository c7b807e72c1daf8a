"""Races of every kind are found, with the right pair and a seed that shows them again."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from contextvars import ContextVar

import pytest
from aiohttp_steps import step
from aiohttp_steps.race import find_races

user: ContextVar[str] = ContextVar("user", default="nobody")
other: ContextVar[int] = ContextVar("other", default=0)


def find(report, kind, name):
    return next(d for d in report.disagreement.differences if (d.kind, d.name) == (kind, name))


def make_counters(parallel, waits):
    """Make two steps that read, wait and write what both share."""

    def make(name, waits):
        async def count(*, box):
            await waits[0]()
            seen = box["n"]
            await waits[1]()
            box["n"] = seen + 1

        count.__name__ = name
        return parallel(count)

    return make("left", waits[0]), make("right", waits[1])


async def turn():
    await asyncio.sleep(0)


def pause(seconds):
    return lambda: asyncio.sleep(seconds)


@pytest.mark.parametrize(
    "waits",
    [
        pytest.param([(turn, turn), (turn, turn)], id="in step"),
        pytest.param([(turn, turn), (pause(0.01), turn)], id="far apart in time"),
    ],
)
async def test_a_lost_update_across_an_await_is_found(check, innocents, parallel, waits):
    """The classic: both read 0, both write 1. Left alone, the second kind shows on a bad day only."""
    report = await check(*innocents, *make_counters(parallel, waits))
    found = report.disagreement
    assert (report.agrees, found.steps, found.cause) == (False, ("left", "right"), "overlap")
    box = find(report, "input", "box")
    assert (box.expected, box.found) == ("{'n': 2}", "{'n': 1}")


@pytest.mark.parametrize(
    "waits",
    [
        pytest.param([(turn, turn), (turn, turn)], id="in step"),
        pytest.param([(turn, turn), (pause(0.01), turn)], id="far apart in time"),
    ],
)
async def test_the_seed_shows_it_again(check, registry, innocents, parallel, waits):
    """A race that cannot be seen twice cannot be mended: the same seed has to give the same pair."""
    first = await check(*innocents, *make_counters(parallel, waits))
    again = await find_races(registry, "v", inputs=lambda: {"box": {"n": 0}}, seed=first.disagreement.seed)
    assert again.disagreement == first.disagreement
    assert again.seeds == (first.disagreement.seed,)


async def test_async_steps_run_the_same_way_for_the_same_seed(registry, add, parallel):
    """Everything drawn follows from the seed: the traces of two checks are equal, turn by turn."""
    traces = []

    def make(name):
        async def notes(*, trace):
            for number in range(4):
                trace.append((name, number))
                await asyncio.sleep(0)

        notes.__name__ = name
        return parallel(notes)

    def fresh():
        traces.append([])
        return {"trace": traces[-1]}

    add(*map(make, "abcde"))
    await find_races(registry, "v", inputs=fresh, trials=12, ignore=["trace"])
    first, traces = traces, []
    await find_races(registry, "v", inputs=fresh, trials=12, ignore=["trace"])
    assert first == traces
    assert len({tuple(trace) for trace in traces}) >= 8  # and of different seeds they are not


async def test_two_steps_that_clash_in_one_order_only_are_found(check, innocents, parallel):
    """Which one comes first is nobody's decision: without `after` either may."""

    @parallel
    async def writes(*, box):
        box["n"] = 1

    @parallel
    async def reads(*, box):
        return box["n"]

    report = await check(*innocents, writes, reads)
    found = report.disagreement
    assert (found.steps, found.cause) == (("writes", "reads"), "order")
    assert found.gave == {"writes": ("None", "None"), "reads": ("1", "0")}


@pytest.mark.parametrize("seed", range(1, 30))
async def test_order_is_found_whatever_kind_of_trial_shows_it(check, innocents, parallel, seed):
    """Those that overlap show it as well; the pair and the reason stay the same."""

    @parallel
    async def writes(*, box):
        box["n"] = 1

    @parallel
    async def waits():
        await asyncio.sleep(0)

    @parallel
    async def reads(*, box):
        return box["n"]

    @parallel
    async def later():
        await asyncio.sleep(0)

    report = await check(*innocents, writes, waits, reads, later, seed=seed)
    if report.disagreement is not None:
        assert (report.disagreement.steps, report.disagreement.cause) == (("writes", "reads"), "order")


async def test_threads_that_lose_an_update_are_found(check, innocents, parallel):
    """Between two lines: on a good day the GIL hides it for a million runs."""

    def make(name):
        def count(*, box):
            seen = box["n"]
            seen += 1
            box["n"] = seen

        count.__name__ = name
        return parallel(count)

    report = await check(*innocents, make("left"), make("right"))
    assert (report.disagreement.steps, report.disagreement.cause) == (("left", "right"), "overlap")


async def test_a_file_that_two_threads_write_is_found(check, innocents, parallel, tmp_path):
    """Nothing but the file knows: the steps return the same."""
    counter = tmp_path / "data" / "counter"
    counter.parent.mkdir()
    counter.write_text("0")

    def make(name):
        def count():
            counter.write_text(str(int(counter.read_text()) + 1))

        count.__name__ = name
        return parallel(count)

    report = await check(*innocents, make("left"), make("right"), files=counter.parent)
    assert report.disagreement.steps == ("left", "right")
    assert report.disagreement.seed > 0  # what threads do when they are left alone would not come again
    file = find(report, "file", "data/counter")
    assert (file.expected, file.found) == ("'2'", "'1'")
    assert counter.read_text() == "0"


async def test_a_lost_context_variable_is_found_with_who_sets_it(check, innocents, parallel):
    """Alone in its tier a step keeps what it sets; beside others it does not: the reader finds it out."""

    @parallel
    async def sets():
        user.set("ann")

    @step(concurrency="parallel", views=["v"], after=["sets"])
    async def greets():
        return f"Hello {user.get()}"

    @parallel
    async def sets_another():
        other.set(1)

    report = await check(sets_another, *innocents, sets, greets)
    found = report.disagreement
    assert (found.steps, found.cause) == (("sets", "greets"), "context")
    assert found.gave["greets"] == ("'Hello ann'", "'Hello nobody'")
    assert user.get() == "nobody"


async def test_a_context_variable_that_only_the_caller_misses_is_found(check, innocents, parallel):
    """The handler would have found it there, had the step been the only one of its tier."""

    @parallel
    def sets():
        user.set("ann")

    report = await check(*innocents, sets)
    assert (report.disagreement.steps, report.disagreement.cause) == (("sets",), "context")
    variable = find(report, "variable", "user")
    assert (variable.expected, variable.found) == ("'ann'", "is not set")


async def test_a_lost_context_variable_is_found_where_no_result_shows_it(check, innocents, parallel):
    """Whoever reads it may write the difference somewhere else."""

    @parallel
    async def sets():
        user.set("ann")

    @step(concurrency="parallel", views=["v"], after=["sets"])
    async def logs(*, box):
        box["log"] = user.get()

    report = await check(*innocents, sets, logs)
    assert (report.disagreement.steps, report.disagreement.cause) == (("sets", "logs"), "context")


async def test_a_step_that_looks_where_it_runs_is_named_alone(check, innocents, parallel):
    """No other step has a part in it."""

    @parallel
    async def looks():
        return asyncio.current_task().get_name() == "looks"

    report = await check(*innocents, looks)
    assert (report.disagreement.steps, report.disagreement.cause) == (("looks",), "context")
    assert "a copy of the context" in report.describe()


async def test_a_context_variable_that_is_reset_is_no_race(check, innocents, parallel):
    """A span or a log context that a step opens and closes is nobody else's business."""

    @parallel
    async def spans():
        token = user.set("ann")
        await asyncio.sleep(0)
        user.reset(token)

    assert (await check(*innocents, spans)).agrees


async def test_errors_that_differ_are_a_disagreement(check, innocents, parallel):
    """A step that fails only beside another is worse than one that is merely wrong."""

    @parallel
    async def opens(*, box):
        box["open"] = True
        await asyncio.sleep(0)
        box["open"] = False

    @parallel
    async def refuses(*, box):
        if box.get("open"):
            raise BlockingIOError("in use")
        return "free"

    report = await check(*innocents, opens, refuses, ignore=["box"])
    assert report.disagreement.steps == ("opens", "refuses")
    assert report.disagreement.gave["refuses"] == ("'free'", "failed (BlockingIOError: in use)")


@pytest.mark.looptime
async def test_two_locks_taken_in_opposite_order_are_found(check, parallel):
    """A deadlock is a race too; it is ended when a run takes far longer than one after another."""

    def make(name, first, second):
        async def locks(*, box):
            async with box[first]:
                await asyncio.sleep(0)
                async with box[second]:
                    return name

        locks.__name__ = name
        return parallel(locks)

    @parallel
    async def other():
        return await asyncio.sleep(0.1)

    began = asyncio.get_running_loop().time()
    report = await check(
        make("left", "a", "b"),
        other,
        make("right", "b", "a"),
        inputs=lambda: {"box": {"a": asyncio.Lock(), "b": asyncio.Lock()}},
    )
    assert report.disagreement.steps == ("left", "right")
    assert report.disagreement.gave["left"][1].startswith("timed_out")
    assert asyncio.get_running_loop().time() - began < 60  # that is how long one run may take, at most


@pytest.mark.parametrize("seed", range(1, 40, 3))
async def test_an_order_of_three_is_brought_down_to_two_neighbours(check, parallel, seed):
    """It takes three to show it, but there is an order in which the exchange of two is enough."""

    def make(name, needs):
        async def notes(*, box):
            box["n"] = needs + 1 if box["n"] == needs else box["n"]

        notes.__name__ = name
        return parallel(notes)

    report = await check(make("c", 2), make("b", 1), make("a", 0), seed=seed)
    if report.disagreement is not None:
        assert report.disagreement.cause == "order"
        assert report.disagreement.steps in (("c", "b"), ("b", "a"))


async def test_three_steps_that_only_disagree_together_are_reported_as_three(check, innocents, parallel):
    """No pair shows it, so no pair is blamed."""

    def make(name):
        async def meets(*, box):
            box["n"] += 1
            for _ in range(3):
                await asyncio.sleep(0)
                box["most"] = max(box.get("most", 0), box["n"])
            box["n"] -= 1
            return box["most"] >= 3

        meets.__name__ = name
        return parallel(meets)

    report = await check(*innocents, *map(make, "abc"), ignore=["box"])
    assert report.disagreement.steps == ("a", "b", "c")
    assert report.disagreement.cause == "overlap"


async def test_independent_steps_raise_no_alarm(check, innocents):
    """A check that cries wolf is switched off."""
    report = await check(*innocents)
    assert report.agrees
    assert report.disagreement is None
    assert (report.seeds, report.pairs) == (tuple(range(50)), 7)


async def test_steps_that_lock_raise_no_alarm(check, innocents, parallel):
    """The cure has to be seen as one; also where a step is held while it holds the lock."""

    def make(name):
        async def count(*, box):
            async with box["lock"]:
                seen = box["n"]
                await asyncio.sleep(0)
                box["n"] = seen + 1

        count.__name__ = name
        return parallel(count)

    report = await check(
        *innocents,
        make("left"),
        make("right"),
        inputs=lambda: {"box": {"n": 0, "lock": asyncio.Lock()}},
    )
    assert report.agrees


async def test_threads_that_lock_raise_no_alarm(check, innocents, parallel):
    """A thread that waits for a lock cannot hand the baton on; the others take it."""

    def make(name):
        def count(*, box):
            with box["lock"]:
                seen = box["n"]
                seen += 1
                box["n"] = seen

        count.__name__ = name
        return parallel(count)

    lock = threading.Lock()
    report = await check(
        *innocents,
        make("left"),
        make("right"),
        inputs=lambda: {"box": {"n": 0, "lock": lock}},
        trials=12,
    )
    assert report.agrees


async def test_sequential_steps_and_gates_raise_no_alarm(check, parallel):
    """They overlap nothing by law, so they may share what they like."""

    @step(concurrency="gate", views=["v"])
    async def gate(*, box):
        box["n"] = 5

    @step(views=["v"])
    async def counts(*, box):
        seen = box["n"]
        await asyncio.sleep(0)
        box["n"] = seen + 1

    @step(views=["v"])
    async def doubles(*, box):
        box["n"] *= 2

    @parallel
    async def reads(*, box):
        return box["n"]

    @parallel
    async def reads_too(*, box):
        await asyncio.sleep(0)
        return box["n"]

    assert (await check(gate, counts, doubles, reads, reads_too)).agrees


async def test_a_view_of_which_nothing_may_overlap_is_said_to_be_one(check, parallel):
    """Fifty trials of it would prove nothing, and say that they did."""

    @parallel
    async def first():
        return 1

    @parallel
    async def second(*, first):
        return 2

    report = await check(first, second)
    assert (report.agrees, report.pairs, report.seeds) == (True, 0, ())
    assert "no two steps may overlap" in report.describe()


@pytest.mark.looptime
async def test_delays_take_no_time(check, parallel):
    """They are turns of the loop; and steps that wait for each other see it at once."""

    def make(name):
        async def waits():
            for _ in range(4):
                await asyncio.sleep(0)

        waits.__name__ = name
        return parallel(waits)

    began = asyncio.get_running_loop().time()
    assert (await check(*map(make, "abc"), trials=60)).agrees
    assert asyncio.get_running_loop().time() == began


@pytest.mark.parametrize("kind", ["async def", "def"])
async def test_limits_of_time_are_not_hit_by_delays(check, innocents, parallel, kind):
    """Delays are turns of the loop, no time; and who has a limit is never held."""

    async def limited():
        await asyncio.sleep(0)
        return 1

    def limited_too():
        return 1

    function = limited if kind == "async def" else limited_too
    report = await check(
        *innocents, step(concurrency="parallel", views=["v"], timeout=0.5, queue_timeout=0.5)(function)
    )
    assert report.agrees


@pytest.mark.looptime
async def test_a_step_that_always_times_out_agrees_with_itself(check, innocents, parallel):
    """A failure that is the same each time is no race."""

    @step(concurrency="parallel", views=["v"], timeout=0.5)
    async def hangs():
        await asyncio.sleep(60)

    innocents = [function for function in innocents if function.__name__ != "three"]
    innocents = [function for function in innocents if function.__name__ != "four"]
    assert (await check(*innocents, hangs)).agrees


async def test_how_far_others_got_when_a_required_step_fails_is_not_compared(check, innocents):
    """The run ends there and then: that is documented, and no race."""

    @step(concurrency="parallel", views=["v"], required=True)
    async def fails():
        await asyncio.sleep(0)
        raise LookupError("gone")

    assert (await check(fails, *innocents)).agrees


async def test_a_step_that_cancels_its_own_task_is_a_fact_of_the_run(check, innocents, parallel):
    """It ends the run, each time in the same way; the check itself goes on."""

    @parallel
    async def gives_up():
        raise asyncio.CancelledError

    assert (await check(*innocents, gives_up)).agrees


async def test_shared_steps_are_delayed_inside_of_their_flight(check, innocents):
    """Their body runs in a task of the registry, where the delays have to follow it."""

    def make(name, share, wait_s):
        async def count(*, box):
            box = box.value
            if wait_s:
                await asyncio.sleep(wait_s)
            seen = box["n"]
            await asyncio.sleep(0)
            box["n"] = seen + 1

        count.__name__ = name
        return step(concurrency="parallel", views=["v"], share=share)(count)

    class Box:
        def __init__(self):
            self.value = {"n": 0}

    report = await check(
        *innocents,
        make("left", lambda *, box: id(box), 0),
        make("right", False, 0.01),
        inputs=lambda: {"box": Box()},
    )
    assert report.disagreement.steps == ("left", "right")


async def test_retried_steps_are_checked_attempt_by_attempt(check, innocents):
    """Each attempt is a body of its own."""
    attempts = {}

    def fresh():
        attempts.clear()
        return {"box": {"n": 0}}

    @step(concurrency="parallel", views=["v"], retry=3)
    def flaky():
        attempts["flaky"] = attempts.get("flaky", 0) + 1
        if attempts["flaky"] < 2:
            raise OSError("again")
        return attempts["flaky"]

    report = await check(*innocents, flaky, inputs=fresh, trials=6)
    assert report.agrees


async def test_a_view_that_a_step_runs_is_left_alone(check, registry, innocents, parallel):
    """It would wait for its turn, which comes when its caller has ended: never."""

    @parallel
    async def nests():
        report = await registry.run(wanted=["one", "five"])
        return report["one"], report["five"]

    assert (await check(*innocents, nests)).agrees


async def test_generator_steps_are_checked_like_others(check, innocents, parallel):
    """A resource is made, used and torn down in each run."""

    @parallel
    async def session(*, box):
        box["n"] += 1
        await asyncio.sleep(0)
        yield "session"
        box["n"] -= 1

    @parallel
    def file():
        yield "file"

    @parallel
    async def uses(*, session, file):
        return session + file

    assert (await check(*innocents, session, file, uses)).agrees


def noisy_time():
    return time.perf_counter_ns()


def make_chance():
    numbers = iter([1, 1, 1, *range(2, 1000)])
    return lambda: next(numbers)


@pytest.mark.parametrize("chance", [noisy_time, make_chance()], ids=["each time", "now and then"])
async def test_a_step_that_is_not_deterministic_is_named(check, innocents, parallel, chance):
    """It is no race, whatever the trials say; and it would hide all of them."""

    @parallel
    async def now():
        return chance()

    @parallel
    async def uses(*, now):
        return now + 1

    report = await check(*innocents, now, uses)
    assert (report.agrees, report.disagreement) == (False, None)
    assert [difference.name for difference in report.unsteady] == ["now", "uses"]
    assert "is not deterministic" in report.describe()


async def test_a_step_that_is_not_deterministic_can_be_left_out(check, innocents, parallel):
    """The rest of the view is still worth checking."""

    @parallel
    async def now():
        return time.perf_counter_ns()

    left, right = make_counters(parallel, [(turn, turn), (turn, turn)])
    report = await check(*innocents, now, left, right, ignore=["no?"])
    assert report.disagreement.steps == ("left", "right")
    assert "not compared: no?" in report.describe()


async def test_what_is_kept_from_run_to_run_is_not_deterministic(check, parallel):
    """One box for all runs is not the same start for each; the message says how to make it anew."""

    @parallel
    async def counts(*, box):
        box["n"] += 1

    report = await check(counts, inputs={"box": {"n": 0}})
    assert [(d.kind, d.name, d.expected, d.found) for d in report.unsteady] == [
        ("input", "box", "{'n': 1}", "{'n': 2}")
    ]
    assert "by a function that makes them anew" in report.describe()


def snoop(registry):
    names = [info.name for info in registry.plugins]
    return names, sys.getswitchinterval(), threading.gettrace(), gc.isenabled()


async def test_nothing_is_left_behind(check, registry, innocents, others):
    """Neither in the registry nor in the interpreter; a check is a guest."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.004)
    before = snoop(registry)
    await check(*innocents)
    names, *rest = snoop(registry)
    sys.setswitchinterval(interval)
    assert [name for name in names if name != "p"] == before[0]
    assert rest == list(before[1:])
    assert not others()


async def test_nothing_is_left_behind_by_a_check_that_fails(check, registry, innocents):
    """Nor by one that is refused or cancelled half way."""

    def inputs():
        raise RuntimeError("no inputs")

    with pytest.raises(RuntimeError, match="no inputs"):
        await check(*innocents, inputs=inputs)
    assert "race check" not in snoop(registry)[0]

    async def endless():
        await find_races(registry, "v", inputs={"box": 0}, trials=10**6)

    task = asyncio.create_task(endless())
    for _ in range(200):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "race check" not in snoop(registry)[0]


async def test_other_runs_of_the_registry_are_not_disturbed(check, registry, innocents, parallel):
    """A check of a view that is being served must not make requests wait for their turn."""
    entered, may_end = asyncio.Event(), asyncio.Event()

    @parallel
    async def slow(*, mode="checked"):
        if mode == "served":
            entered.set()
            await may_end.wait()

    checking = asyncio.create_task(check(*innocents, slow, trials=5))
    await asyncio.sleep(0)
    served = asyncio.create_task(registry.run("v", inputs={"mode": "served"}))
    await entered.wait()
    assert (await checking).agrees
    may_end.set()
    assert (await served).completed
