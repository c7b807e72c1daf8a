"""What a run leaves: values by name and by function, errors, and times."""

from __future__ import annotations

import asyncio
import gc
import re
import subprocess
import sys
import textwrap
from dataclasses import replace

import pytest
from aiohttp_steps import step
from aiohttp_steps.types import MISSING, Outcome, Status

parallel = step(concurrency="parallel", views=["v"])


async def test_values_are_found_by_name_and_by_function(add, registry):
    """The function as key is what type checkers understand, and what a rename cannot break."""

    @parallel
    async def branch():
        return "main"

    @step(concurrency="parallel", views=["v"], name="renamed")
    async def original():
        return 2

    add(branch, original)
    report = await registry.run("v")
    assert (report["branch"], report[branch]) == ("main", "main")
    assert (report["renamed"], report[original]) == (2, 2)
    assert branch in report
    assert "renamed" in report
    assert "original" not in report
    assert object() not in report
    assert list(report) == ["branch", "renamed"]
    assert len(report) == 2


@pytest.mark.looptime
async def test_times_of_steps_can_be_set_beside_other_times_of_the_loop(add, registry):
    """What a plugin has noticed in the loop meanwhile is laid beside the steps that ran just then."""

    @parallel
    async def late():
        await asyncio.sleep(2)

    add(late)
    loop = asyncio.get_running_loop()
    await asyncio.sleep(5)
    began_at = loop.time()
    report = await registry.run("v")
    outcome = report.outcome("late")
    assert report.began_at == pytest.approx(began_at)
    assert report.began_at + outcome.ended_s == pytest.approx(loop.time())
    assert report.without_values().began_at == report.began_at


async def test_methods_are_keys_too(registry):
    """Plugins that are instances have methods for steps."""

    class Plugin:
        @parallel
        async def branch(self):
            return "main"

    plugin = Plugin()
    registry.register(plugin)
    assert (await registry.run("v"))[plugin.branch] == "main"


@pytest.mark.parametrize("key", ["branhc", len], ids=["name", "function"])
async def test_a_key_that_was_not_part_of_the_run_says_what_was(add, registry, key):
    """A `KeyError: 'x'` leaves one to guess."""

    @parallel
    async def branch(): ...

    add(branch)
    report = await registry.run("v")
    name = key if isinstance(key, str) else "len"
    message = f"step '{name}' was not part of this run of view 'v'; its steps: branch"
    with pytest.raises(KeyError, match=re.escape(message)):
        report[key]
    with pytest.raises(KeyError, match=re.escape(message)):
        report.outcome(key)


async def test_get_gives_what_there_is(add, registry):
    """For code that can do without: no error, whatever became of the step."""

    @step(concurrency="parallel", views=["v"])
    async def gives():
        return 1

    @step(concurrency="parallel", views=["v"])
    async def fails():
        raise LookupError

    @step(concurrency="parallel", views=["v"], default=2)
    async def falls_back():
        raise LookupError

    add(gives, fails, falls_back)
    report = await registry.run("v")
    assert [report.get(key) for key in ("gives", gives, "fails", "falls_back", "unknown")] == [
        1,
        1,
        None,
        2,
        None,
    ]
    assert report.get("fails", "else") == "else"
    assert not report.completed


async def test_an_empty_run_is_complete(add, registry):
    """A handler that only takes inputs has a report as well."""
    report = await registry.run(wanted=[])
    assert (list(report), report.completed, report.view) == ([], True, None)
    assert report.timing.critical_path == ()
    with pytest.raises(KeyError, match="its steps: none"):
        report["x"]


async def test_a_report_says_what_it_is(add, registry):
    """In a debugger and in a log."""

    @parallel
    async def branch(): ...

    add(branch)
    report = await registry.run("v")
    assert repr(report) == "<Report of view 'v': 1 steps, completed=True>"
    assert (report.view, report.plan, report.run.plan) == ("v", registry.plan("v"), registry.plan("v"))


@pytest.mark.looptime
async def test_errors_stand_in_plan_order(add, registry):
    """The last to fail may be the first in the plan."""

    @parallel
    async def first():
        await asyncio.sleep(2)
        raise LookupError("first")

    @parallel
    async def second():
        await asyncio.sleep(1)
        raise LookupError("second")

    add(first, second)
    report = await registry.run("v")
    assert list(report.errors) == ["first", "second"]
    assert [o.error for o in report.outcomes] == list(report.errors.values())


@pytest.mark.looptime
async def test_times_of_a_run(add, registry):
    """The seed's example: what the request costs, what the steps cost, and which of them decides."""

    @step(concurrency="gate", views=["v"])
    async def user():
        await asyncio.sleep(1)

    @parallel
    async def slow():
        await asyncio.sleep(10)

    @parallel
    async def quick():
        await asyncio.sleep(2)

    @parallel
    async def after(*, quick):
        await asyncio.sleep(3)

    add(user, slow, quick, after)
    report = await registry.run("v")
    timing = report.timing
    assert (timing.wall_s, timing.sum_s, timing.critical_path_s) == (11.0, 16.0, 11.0)
    assert timing.critical_path == ("user", "slow")
    assert report.outcome(after) == Outcome(
        step=registry.plan("v").steps[3],
        status=Status.SUCCEEDED,
        value=None,
        error=None,
        barrier_s=0.0,
        queue_s=0.0,
        run_s=3.0,
        started_s=3.0,
        ended_s=6.0,
        attempts=1,
    )


@pytest.mark.looptime
async def test_waiting_at_a_barrier_is_idle_time(add, registry):
    """What a gate or a write holds back although its inputs are there is what ordering costs."""

    @step(concurrency="gate", views=["v"])
    async def user():
        await asyncio.sleep(1)

    @step(views=["v"])
    async def write():
        await asyncio.sleep(2)

    @parallel
    async def free():
        await asyncio.sleep(1)

    @parallel
    async def taking(*, write): ...

    add(user, write, free, taking)
    report = await registry.run("v")
    assert [o.barrier_s for o in report.outcomes] == [0.0, 1.0, 3.0, 0.0]
    assert report.timing.idle_s == 4.0
    assert report.timing.critical_path == ("user", "write", "free")


@pytest.mark.looptime
async def test_the_critical_path_follows_what_let_each_step_start(add, registry):
    """Of several that a step waits for, the last one is to blame; on a tie the first in the plan."""

    @parallel
    async def a():
        await asyncio.sleep(1)

    @parallel
    async def b():
        await asyncio.sleep(3)

    @parallel
    async def c():
        await asyncio.sleep(3)

    @parallel
    async def last(*, a, b, c):
        await asyncio.sleep(1)

    add(a, b, c, last)
    timing = (await registry.run("v")).timing
    assert timing.critical_path == ("b", "last")
    assert timing.critical_path_s == 4.0


@pytest.mark.looptime
async def test_steps_that_did_not_end_have_no_end(add, registry):
    """Cancelled is not failed, and not started is neither."""

    @step(concurrency="parallel", views=["v"], required=True)
    async def broken():
        await asyncio.sleep(1)
        raise LookupError("gone")

    @parallel
    async def slow():
        await asyncio.sleep(10)

    @parallel
    async def after(*, slow): ...

    add(broken, slow, after)
    report = await registry.run("v")
    slow_one, never = report.outcome(slow), report.outcome(after)
    assert (slow_one.status, slow_one.value, slow_one.run_s) == (Status.CANCELLED, MISSING, 1.0)
    assert (never.started_s, never.ended_s, never.run_s, never.queue_s, never.barrier_s) == (
        None,
        None,
        0,
        0,
        0,
    )
    assert repr(never.value) == "MISSING"


def test_type_checkers_know_what_a_report_holds(tmp_path, pytestconfig):
    """`report[function]` has the function's return type, `async def` or not; a name has any."""
    pytest.importorskip("mypy", reason="mypy belongs to the lint tools")
    script = tmp_path / "typed.py"
    script.write_text(
        textwrap.dedent("""
        from aiohttp_steps import StepRegistry, step

        @step(concurrency="parallel", views=["v"])
        async def waits(*, path: str) -> list[int]:
            return [1]

        @step
        def plain() -> str:
            return ""

        async def use(registry: StepRegistry) -> None:
            report = await registry.run("v")
            reveal_type(report[waits])
            reveal_type(report[plain])
            reveal_type(report["waits"])
            reveal_type(waits)
            reveal_type(report.outcomes[0].run_s)

        @step(concurrency="paralel")
        def mistaken() -> None: ...
        """)
    )
    # A cache that stays: without it mypy reads the whole of aiohttp each time.
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--config-file=",
            "--cache-dir",
            pytestconfig.cache.mkdir("mypy"),
            script,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    revealed = re.findall(r'Revealed type is "(.*)"', done.stdout)
    clean = [re.sub(r"\bbuiltins\.|\bdef ", "", text).removesuffix("?") for text in revealed]
    assert clean == [
        "list[int]",
        "str",
        "Any",
        "(*, path: str) -> typing.Coroutine[Any, Any, list[int]]",
        "float",
    ]
    assert re.search(r'error: .*"paralel"', done.stdout) or "call-overload" in done.stdout


async def test_report_without_values_keeps_times_and_no_data(add, registry):
    """Who keeps reports of the last runs must not keep what was in them, nor the frames of tracebacks."""

    class Data:
        pass

    @parallel
    async def loads(*, secret):
        return Data()

    @parallel
    async def breaks(*, loads):
        raise LookupError("in words")

    @parallel
    async def skipped(*, breaks): ...

    @step(concurrency="parallel", views=["v"], timeout=5, retry=2)
    async def tried(): ...

    add(loads, breaks, skipped, tried)
    report = await registry.run("v", inputs={"secret": Data()})
    kept = report.without_values()
    assert kept.timing == report.timing
    assert kept.what_if == report.what_if
    for old, new in zip(report.outcomes, kept.outcomes, strict=True):
        assert new == replace(old, value=MISSING, error=new.error)
    assert {name: (error.kind, error.type, str(error)) for name, error in kept.errors.items()} == {
        "breaks": ("LookupError", "error", "in words"),
        "skipped": ("StepSkippedError", "skipped", "skipped, because 'breaks' gave no value"),
    }
    assert (kept.plan, kept.view, kept.completed, kept.cancelled) == (report.plan, "v", False, False)
    del report, old, new
    gc.collect()
    assert not any(isinstance(thing, Data) for thing in gc.get_objects())


async def test_error_whose_message_cannot_be_told_is_kept_all_the_same(add, registry):
    """Keeping reports must not fail because of a class somewhere in a plugin."""

    class MuteError(Exception):
        def __str__(self):
            raise RuntimeError

    @parallel
    async def breaks():
        raise MuteError

    add(breaks)
    error = (await registry.run("v")).without_values().errors["breaks"]
    assert (error.kind, str(error)) == ("MuteError", "its message cannot be told: RuntimeError")
