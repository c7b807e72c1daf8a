"""`run_steps`: what the authors of plugins test their steps with."""

from __future__ import annotations

import threading

import pytest
from aiohttp.test_utils import make_mocked_request
from aiohttp_steps import step
from aiohttp_steps.errors import CycleError, DefinitionError, DuplicateNameError, PlanError, StepSkippedError
from aiohttp_steps.testing import run_steps


@step(concurrency="parallel")
async def branch(*, folder):
    return f"main of {folder}"


@step(concurrency="parallel")
def summary(*, branch, note="none"):
    return f"{branch}, {note}"


async def test_a_step_is_run_with_what_it_takes_given_by_hand():
    """Its dependency need not be installed, nor faked."""
    report = await run_steps(summary, inputs={"branch": "dev", "note": "late"})
    assert report[summary] == report["summary"] == "dev, late"


async def test_steps_that_take_each_other_are_run_together():
    """A whole plugin can be tested as it would run."""
    report = await run_steps(summary, branch, inputs={"folder": "here"})
    assert list(report) == ["branch", "summary"]
    assert report[summary] == "main of here, none"
    assert report.completed


async def test_inputs_are_taken_as_they_are():
    """Nothing is converted: a test gives the very object that it looks at afterwards."""
    seen = []

    @step
    async def looks(*, folder):
        seen.append(folder)

    folder = object()
    await run_steps(looks, inputs={"folder": folder})
    assert seen == [folder]


async def test_a_failure_is_in_the_report():
    """A test asserts on it as on a value."""

    @step
    async def fails():
        raise ValueError("no")

    report = await run_steps(fails)
    assert not report.completed
    with pytest.raises(ValueError, match="no"):
        report[fails]
    with pytest.raises(ValueError, match="no"):
        report.raise_for_failure()


async def test_an_optional_step_stays_optional():
    """What it is asked for by name here does not make it required: its failure is tested as it is lived."""

    @step(concurrency="parallel")
    async def fails():
        raise ValueError("no")

    @step(concurrency="parallel")
    async def depends(*, fails): ...

    report = await run_steps(fails, depends)
    with pytest.raises(StepSkippedError, match="'fails' gave no value"):
        report[depends]


async def test_a_step_that_takes_the_request_gets_the_one_that_is_given():
    """The maker of requests that aiohttp ships is enough."""

    @step(concurrency="gate")
    async def user(request):
        return request.headers["X-User"]

    request = make_mocked_request("GET", "/", headers={"X-User": "ann"})
    assert (await run_steps(user, request=request))[user] == "ann"
    with pytest.raises(PlanError, match="takes the request, but there is none"):
        await run_steps(user)


async def test_steps_can_be_run_one_after_another():
    """The same report, whatever overlaps."""
    running = []

    def make(name):
        def overlaps():
            running.append(name)
            try:
                return len(running)
            finally:
                running.remove(name)

        overlaps.__name__ = name
        return step(concurrency="parallel")(overlaps)

    report = await run_steps(make("a"), make("b"), sequential=True)
    assert [report["a"], report["b"]] == [1, 1]
    assert [tier.kind for tier in report.plan.tiers] == ["parallel", "parallel"]


async def test_order_is_that_of_the_arguments():
    """Sequential steps run as they are written down in the test."""
    done = []

    def make(name):
        async def notes():
            done.append(name)

        notes.__name__ = name
        return step(notes)

    await run_steps(make("z"), make("a"), make("m"))
    assert done == ["z", "a", "m"]


async def test_methods_of_an_object_are_steps_too():
    """A plugin that is an object is tested with the object."""

    class Shop:
        def __init__(self, name) -> None:
            self.name = name

        @step(concurrency="parallel", name="title")
        async def _title(self):
            return self.name

    report = await run_steps(Shop("corner")._title)
    assert report["title"] == "corner"


async def test_no_thread_is_left():
    """A test suite of thousands must not gather threads."""

    @step
    def in_thread():
        return threading.current_thread()

    thread = (await run_steps(in_thread))[in_thread]
    assert thread is not threading.main_thread()
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("functions", "error", "message"),
    [
        pytest.param([step(lambda *a: 0)], DefinitionError, "takes '\\*a'", id="wrong as written"),
        pytest.param([branch], PlanError, "takes 'folder', which no step and no input", id="no input"),
        pytest.param(
            [branch, step(name="branch")(lambda: 0)],
            DuplicateNameError,
            "a step of this name too",
            id="same name",
        ),
    ],
)
async def test_what_is_wrong_is_refused_as_in_an_application(functions, error, message):
    """A test is the cheapest place to hear of it."""
    with pytest.raises(error, match=message):
        await run_steps(*functions)


async def test_a_cycle_is_refused_with_its_path():
    """As in an application."""

    @step
    async def hen(*, egg): ...

    @step
    async def egg(*, hen): ...

    with pytest.raises(CycleError) as caught:
        await run_steps(hen, egg)
    assert caught.value.path == ("hen", "egg", "hen")


async def test_a_function_that_is_no_step_is_refused_by_name():
    """A forgotten decorator is the first mistake that everybody makes."""

    async def plain():
        return 1

    with pytest.raises(PlanError, match="'plain'"):
        await run_steps(plain)
