"""What is kept of runs, told of them, and run from the page."""

from __future__ import annotations

import asyncio
import gc
import weakref
from types import SimpleNamespace

import pytest
from aiohttp import web
from aiohttp_steps import Input, StepError, exclusive, hookimpl, step
from aiohttp_steps_inspector import Inspector
from aiohttp_steps_inspector.history import History
from aiohttp_steps_inspector.tally import MOST_DURATIONS, MOST_PLANS, MOST_UNREAD, Tally

parallel = step(concurrency="parallel", views=["v"])


class Secret:
    """A value that tests whether anything holds on to it."""

    def __repr__(self):
        return "the secret"


@parallel
async def good():
    return "good"


@parallel
async def bad():
    raise ValueError("<b>broken</b>")


@parallel
async def after_bad(*, bad):
    return bad


@step(concurrency="parallel", views=["v"], timeout=1e-6)
async def slow():
    await asyncio.Event().wait()


def steps_of(run):
    return {entry["name"]: entry for entry in run["steps"]}


async def test_run_is_told_with_outcome_error_and_explanation(serve, plug, registry, get_json):
    """All that a developer would look up in a log."""
    plug("p", good, bad, after_bad, slow)
    client = await serve()
    await registry.run("v")
    run = await get_json(client, "runs/1")
    assert (run["view"], run["state"], run["sequential"], run["inputs"]) == ("v", "incomplete", False, None)
    steps = steps_of(run)
    assert {name: entry["status"] for name, entry in steps.items()} == {
        "good": "succeeded",
        "bad": "failed",
        "after_bad": "skipped",
        "slow": "timed_out",
    }
    assert steps["bad"]["error"] == {"type": "error", "kind": "ValueError", "message": "<b>broken</b>"}
    assert steps["slow"]["error"]["type"] == "timeout"
    assert steps["after_bad"]["explanation"][-1] == "takes the result of bad"
    assert steps["after_bad"]["run_ms"] is None
    assert steps["good"]["location"].endswith(f":{good.__code__.co_firstlineno}")
    assert all(entry["value"] is None for entry in steps.values())


async def test_waits_are_told_apart(serve, plug, registry, get_json):
    """Idle at a barrier, in a queue, at a lock: three remedies."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    @step(concurrency=exclusive("k"), views=["v"])
    async def locked():
        begun.set()
        await go_on.wait()

    @parallel
    async def behind():
        return 1

    plug("p", locked, behind)
    client = await serve()
    first = asyncio.create_task(registry.run("v"))
    await begun.wait()
    second = asyncio.create_task(registry.run("v"))
    await asyncio.sleep(0.002)
    go_on.set()
    await asyncio.gather(first, second)
    steps = steps_of(await get_json(client, "runs/2"))
    assert steps["locked"]["lock_ms"] > 1
    assert steps["locked"]["queue_ms"] < 1
    assert steps["behind"]["idle_ms"] >= steps["locked"]["lock_ms"]
    assert steps["behind"]["at_ms"] == 0


async def test_shared_and_cancelled_runs_are_told(serve, plug, registry, get_json):
    """A waiter did not cost what it took; and a client that left is no failure."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    @step(concurrency="parallel", views=["v"], share=True)
    async def once():
        begun.set()
        await go_on.wait()

    plug("p", once)
    client = await serve()
    runs = [asyncio.create_task(registry.run("v")) for _ in range(3)]
    await begun.wait()
    runs[2].cancel()
    await asyncio.wait([runs[2]])
    go_on.set()
    await asyncio.gather(*runs[:2])
    told = [await get_json(client, f"runs/{number}") for number in (1, 2, 3)]
    assert told[0]["state"] == "cancelled"
    assert steps_of(told[0])["once"]["status"] == "cancelled"
    assert sorted(steps_of(run)["once"]["shared"] for run in told[1:]) == [False, True]


@pytest.mark.parametrize("keep", [False, True], ids=["not", "asked"])
async def test_nothing_of_inputs_and_results_is_kept_unless_asked(serve, plug, registry, get_json, keep):
    """Neither as objects, which would fill the memory, nor as text, which may be secret."""

    @parallel
    async def hand_out(*, given):
        return Secret()

    @parallel
    async def fail(*, given):
        raise StepError("no")

    plug("p", hand_out, fail, inputs=[Input("given", object)])
    client = await serve({"keep_values": keep})
    given = Secret()
    gone = weakref.ref(given)
    report = await registry.run("v", inputs={"given": given})
    result = weakref.ref(report["hand_out"])
    error = weakref.ref(report.errors["fail"])
    del report, given
    gc.collect()
    assert (gone(), result(), error()) == (None, None, None)
    run = await get_json(client, "runs/1")
    expected = ("the secret", {"given": "the secret"}) if keep else (None, None)
    assert (steps_of(run)["hand_out"]["value"], run["inputs"]) == expected


async def test_kept_text_is_cut(serve, plug, registry, get_json):
    """Bounded memory, whatever steps return."""

    @parallel
    async def much():
        return "x" * 10_000

    @parallel
    async def odd():
        return type("Odd", (), {"__repr__": lambda self: 1 / 0})()

    plug("p", much, odd)
    client = await serve({"keep_values": True})
    await registry.run("v")
    steps = steps_of(await get_json(client, "runs/1"))
    assert len(steps["much"]["value"]) < 2_100
    assert steps["much"]["value"].endswith("more characters")
    assert "cannot be shown: ZeroDivisionError" in steps["odd"]["value"]


async def test_only_the_last_runs_are_kept(serve, plug, registry):
    """The first of them cannot be opened any more, and the answer says why."""
    plug("p", good)
    client = await serve({"runs": 3})
    for _ in range(5):
        await registry.run("v")
    statuses = {}
    for number in ("0", "1", "2", "3", "5", "6", "x", "9" * 30, "²"):
        async with client.get(f"/_steps/api/runs/{number}") as response:
            statuses[number] = response.status
    assert [number for number, status in statuses.items() if status == 200] == ["3", "5"]
    assert set(statuses.values()) == {200, 404}


def test_history_gives_what_is_new_and_no_more():
    """A page that comes back is told what it missed, as far as that is kept."""
    history = History(3)
    for _ in range(5):
        history.add(SimpleNamespace(), 0.0)
    assert [record.number for record in history.since(0, 10)] == [3, 4, 5]
    assert [record.number for record in history.since(4, 10)] == [5]
    assert [record.number for record in history.since(0, 2)] == [4, 5]
    assert history.since(5, 10) == history.since(9, 10) == []
    assert len(history) == 3


async def test_steps_are_counted_also_those_that_never_ran(plug, registry, serve, get_json):
    """Counts are of all runs, not of those that are kept."""
    plug("p", good, bad, after_bad, slow)
    inspector = Inspector(runs=1)
    await serve(inspector)
    for _ in range(4):
        await registry.run("v")
    counts = inspector.tally.count()
    assert [counts[name] for name in ("good", "bad", "after_bad", "slow")] == [4, 4, 0, 4]
    errors = inspector.tally.errors
    assert [errors[name] for name in ("good", "bad", "after_bad", "slow")] == [0, 4, 0, 4]


async def test_percentiles_are_those_of_the_last_durations(plug, registry):
    """Laid out by hand: 1 to 100 ms."""

    class Inspecting:
        def __init__(self):
            self.tally = Tally()

        @hookimpl
        def steps_run_finished(self, report):
            self.tally.add(report.without_values())

    plug("p", good)
    plugin = Inspecting()
    registry.register(plugin)
    await registry.run("v")
    await plugin.tally.settle()
    alone = plugin.tally.percentiles("good")
    assert alone.p50 == alone.p99
    durations = plugin.tally._durations["good"]
    durations.clear()
    durations.extend(number / 1000 for number in range(101))
    spread = plugin.tally.percentiles("good")
    assert (spread.p50, spread.p95, spread.p99) == pytest.approx((0.050, 0.095, 0.099))
    assert plugin.tally.percentiles("never") is None


async def test_memory_of_counts_is_bounded(plug, registry):
    """However many runs, plans and durations there are."""
    plug("p", good)
    tally = Tally()
    report = (await registry.run("v")).without_values()
    for _ in range(MOST_UNREAD + 10):
        tally.add(report)
    assert len(tally._unread) == MOST_UNREAD
    for _ in range(MOST_DURATIONS // MOST_UNREAD + 1):
        await tally.settle()
        for _ in range(MOST_UNREAD):
            tally.add(report)
    await tally.settle()
    assert len(tally._durations["good"]) == MOST_DURATIONS
    before = tally.count()["good"]
    for number in range(MOST_PLANS + 5):
        other = (await registry.run("v", inputs={f"extra_{number}": 1})).without_values()
        tally.add(other)
    assert len(tally._runs) <= MOST_PLANS
    assert tally.count()["good"] == before + MOST_PLANS + 5


async def test_page_under_load_is_told_of_a_sample(plug, registry):
    """The last runs stand for all: a page costs no more, however many there are."""
    plug("p", good)
    tally = Tally()
    report = (await registry.run("v")).without_values()
    for _ in range(50):
        tally.add(report)
    await tally.settle(20)
    assert len(tally._durations["good"]) == 20
    assert tally.count()["good"] == 50
    assert not tally._unread


async def test_reading_ends_while_runs_go_on(plug, registry):
    """Under load there is always one more: a page must be told all the same."""
    plug("p", good)
    tally = Tally()
    report = (await registry.run("v")).without_values()
    tally.add(report)
    settling = asyncio.create_task(tally.settle())
    turns = 0
    while not settling.done():
        tally.add(report)
        await asyncio.sleep(0)
        turns += 1
        assert turns < 100


async def test_loop_stalls_are_counted_per_step(plug, registry, serve):
    """From whatever plugin watches the loop; that of no step is told as well."""
    plug("p", good, bad)
    inspector = Inspector()
    await serve(inspector)
    for lasted_s, how, steps in (
        (0.04, "gil", ("good",)),
        (0.02, "blocked", ("good", "bad")),
        (1.0, "blocked", ()),
    ):
        inspector.step_stalled(SimpleNamespace(lasted_s=lasted_s, how=how, steps=steps, where="git.py:12"))
    stalls = inspector.tally.stalls
    assert (stalls["good"].count, stalls["good"].worst_s, stalls["good"].gil) == (2, 0.04, 1)
    assert (stalls["bad"].count, stalls["bad"].gil, stalls["bad"].where) == (1, 0, "git.py:12")
    assert inspector.tally.unnamed_stalls == 1


async def test_state_tells_views_plugins_and_load_errors(serve, plug, registry, get_json, monkeypatch):
    """With versions, and the traceback of what could not be loaded."""
    plug("p", good, after_bad, bad)
    plug("broken", step(concurrency="parallel", views=["w"])(_needs_nobody))
    point = SimpleNamespace(
        name="gone", value="no_such_package", load=lambda: __import__("no_such_package"), dist=None
    )
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [point])
    registry.load_entry_points()
    client = await serve()
    state = await get_json(client, "state")
    views = {view["name"]: view for view in state["views"]}
    assert (
        views["v"]["tiers"] == [{"kind": "parallel", "steps": ["good", "after_bad", "bad"]}]
        or views["v"]["tiers"]
    )
    assert views["v"]["edges"] == [{"from": "bad", "to": "after_bad", "kind": "data"}]
    assert "nobody" in views["w"]["fault"]
    assert [failure["error"]["kind"] for failure in state["failures"]] == ["ModuleNotFoundError"]
    assert "Traceback" in state["failures"][0]["traceback"]
    core = next(plugin for plugin in state["plugins"] if plugin["name"] == "builtin_runners")
    assert core["distribution"] == "aiohttp-steps"
    assert core["version"]


async def _needs_nobody(*, nobody):
    return nobody


@pytest.mark.parametrize("sequential", [False, True], ids=["parallel", "sequential"])
async def test_view_is_run_from_the_page_with_its_inputs(serve, plug, order, get_json, sequential):
    """Values are in the answer alone: the run that is kept has none."""

    @parallel
    async def double(*, number, folder):
        return {"twice": number * 2, "folder": folder}

    plug("p", double, inputs=[Input("number", int, source="query"), Input("folder", str)])
    client = await serve(inputs={"folder": lambda request: f"of {request.path}"})
    status, run = await order(client, "v", inputs={"number": "21"}, sequential=sequential)
    assert status == 200
    assert run["sequential"] is sequential
    value = steps_of(run)["double"]["value"]
    assert '"twice": 42' in value
    assert '"folder": "of /_steps/api/run"' in value
    assert run["inputs"] == {"number": "21", "folder": '"of /_steps/api/run"'}
    kept = await get_json(client, f"runs/{run['id']}")
    assert steps_of(kept)["double"]["value"] is None
    assert kept["inputs"] is None


@pytest.mark.parametrize(
    ("sent", "status", "fault"),
    [
        ({"view": "w"}, 404, "w"),
        ({"view": "v"}, 400, "number"),
        ({"view": "v", "inputs": {"number": "many"}}, 400, "number"),
        ({"view": "v", "inputs": {"number": "1", "folder": "/etc"}}, 400, "cannot be set from this page"),
        ({"view": "v", "inputs": {"number": "1", "other": "1"}}, 400, "other"),
        ({"view": "write"}, 409, "may write"),
        ({"view": "lost"}, 404, "nobody"),
        ({"view": 3}, 400, "no order"),
        ({"view": "v", "sudo": True}, 400, "sudo"),
    ],
    ids=["view", "missing", "type", "pinned", "unknown", "write", "plan", "order", "field"],
)
async def test_what_cannot_be_run_is_told(serve, plug, order, sent, status, fault):
    """In words that the page shows as they are."""

    @parallel
    async def double(*, number, folder):
        return number * 2

    @step(views=["write"])
    async def write():
        raise AssertionError

    plug("p", double, write, inputs=[Input("number", int, source="query"), Input("folder", str, default="x")])
    plug("lost", step(concurrency="parallel", views=["lost"])(_needs_nobody))
    client = await serve()
    got, answer = await order(client, **sent)
    assert got == status
    assert fault in answer["detail"]


async def test_view_that_writes_is_run_when_that_is_confirmed(serve, plug, order):
    """A click too many must not deploy."""

    @step(views=["write"])
    async def write():
        return "written"

    plug("p", write)
    client = await serve()
    status, run = await order(client, "write", confirmed=True)
    assert status == 200
    assert steps_of(run)["write"]["value"] == '"written"'


async def test_app_may_name_inputs_that_the_page_sets_besides(serve, plug, order):
    """An input of no request's is the app's to give, unless its author says otherwise."""

    @parallel
    async def show(*, folder):
        return folder

    plug("p", show, inputs=[Input("folder", str)])
    client = await serve({"may_set": ["folder"]})
    status, run = await order(client, "v", inputs={"folder": "mine"})
    assert status == 200
    assert steps_of(run)["show"]["value"] == '"mine"'


async def test_input_that_the_app_cannot_give_here_is_told(serve, plug, order, caplog):
    """It may come from the path of the app's own routes, which this page does not have."""

    @parallel
    async def show(*, folder):
        return folder

    plug("p", show, inputs=[Input("folder", str)])
    client = await serve(inputs={"folder": lambda request: request.match_info["name"]})
    status, answer = await order(client, "v")
    assert status == 500
    assert "KeyError" in answer["detail"]
    assert "could not run view 'v'" in caplog.text


async def test_answer_of_a_gate_is_a_run_like_others(serve, plug, order):
    """The page shows that it was refused; it is not itself refused."""

    @step(concurrency="gate", views=["v"])
    async def user():
        raise web.HTTPUnauthorized

    plug("p", user, good)
    client = await serve()
    status, run = await order(client, "v")
    assert status == 200
    assert run["state"] == "failed"
    assert steps_of(run)["user"]["error"]["kind"] == "HTTPUnauthorized"
    assert steps_of(run)["good"]["status"] == "not_started"


async def test_trace_has_all_runs_on_one_clock(serve, plug, registry, get_json):
    """Each a process of its own, as Perfetto shows them; the times count from the first."""

    @parallel
    async def after_good(*, good):
        return good

    plug("p", good, bad, after_good)
    client = await serve()
    await registry.run("v")
    await registry.run("v")
    async with client.get("/_steps/api/trace") as response:
        assert response.headers["Content-Disposition"] == 'attachment; filename="steps-trace.json"'
        document = await response.json()
    events = document["traceEvents"]
    assert {event["pid"] for event in events} == {1, 2}
    names = [event["args"]["name"] for event in events if event["name"] == "process_name"]
    assert names == ["run 1: aiohttp-steps view v", "run 2: aiohttp-steps view v"]
    runs = [event for event in events if event.get("cat") == "run"]
    assert runs[0]["ts"] == 0
    assert runs[1]["ts"] >= runs[0]["dur"] * 0.9
    flows = [event["id"] for event in events if event["ph"] == "s"]
    assert len(flows) == len(set(flows)) == 2
    one = await get_json(client, "trace?run=2")
    assert {event["pid"] for event in one["traceEvents"]} == {2}
    async with client.get("/_steps/api/trace?run=9") as response:
        assert response.status == 404
