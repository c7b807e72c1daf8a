"""A step may answer the request early: by a value, or by an error that is an answer."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp_steps import step
from aiohttp_steps.types import Status


class Answer:
    """Stands for a `web.StreamResponse`."""


class RedirectError(Exception):
    """Stands for a `web.HTTPException`."""


ANSWERS = (Answer, RedirectError)

parallel = step(concurrency="parallel", views=["v"])


@pytest.fixture
def execute(registry):
    """Return a function that runs view `v` as the middleware does."""
    return lambda: registry.execute(registry.program("v"), {}, answers=ANSWERS)


@pytest.mark.looptime
async def test_a_value_that_is_an_answer_ends_the_run(add, execute, others):
    """A cached response makes the rest of the work pointless."""
    ended = []

    @parallel
    async def answers():
        await asyncio.sleep(1)
        return Answer()

    @parallel
    async def slow():
        try:
            await asyncio.sleep(100)
        finally:
            ended.append("slow")

    @parallel
    async def later(*, answers):
        ended.append("later")

    add(answers, slow, later)
    report = await execute()

    assert isinstance(report.answer, Answer)
    assert report.answer is report["answers"]
    assert report.failure is None
    assert not report.completed
    assert [o.status for o in report.outcomes] == [Status.SUCCEEDED, Status.CANCELLED, Status.NOT_STARTED]
    assert ended == ["slow"]
    assert others() == set()
    assert report.timing.wall_s == 1.0


@pytest.mark.parametrize("kind", ["gate", "sequential", "parallel"])
async def test_an_answer_of_a_single_step_ends_the_run(add, execute, kind):
    """Gates answer most of all: a redirect to the login page."""

    @step(concurrency=kind, views=["v"])
    async def answers():
        return Answer()

    @parallel
    async def later(*, answers):
        pytest.fail("ran after the answer")

    add(answers, later)
    report = await execute()
    assert isinstance(report.answer, Answer)
    assert report.outcome("later").status is Status.NOT_STARTED


@pytest.mark.parametrize(
    "options", [{}, {"default": 1}, {"required": False}], ids=["plain", "default", "optional"]
)
async def test_an_error_that_is_an_answer_ends_the_run_however_optional_the_step(add, execute, options):
    """A `raise web.HTTPFound(...)` in an optional step means what it says."""

    @step(concurrency="parallel", views=["v"], **options)
    async def redirects():
        raise RedirectError("/login")

    @parallel
    async def later(*, redirects):
        pytest.fail("ran after the answer")

    add(redirects, later)
    report = await execute()
    assert report.failure.step.name == "redirects"
    with pytest.raises(RedirectError, match="/login"):
        report.raise_for_failure()


@pytest.mark.looptime
async def test_the_first_of_two_answers_counts(add, execute):
    """Siblings that answer while they are being cancelled come too late."""

    @parallel
    async def first():
        await asyncio.sleep(1)
        return Answer()

    @parallel
    async def second():
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            return Answer()

    @parallel
    async def third():
        try:
            await asyncio.sleep(5)
        finally:
            raise RedirectError("/late")

    add(first, second, third)
    report = await execute()
    assert report.answer is report["first"]
    assert report.failure is None


async def test_nothing_is_an_answer_without_http(add, registry):
    """The command line has nobody to redirect: a response is a value, a redirect an error."""

    @parallel
    async def answers():
        return Answer()

    @parallel
    async def redirects():
        raise RedirectError("/login")

    add(answers, redirects)
    report = await registry.run("v")
    assert report.answer is None
    assert report.failure is None
    assert list(report.errors) == ["redirects"]


@pytest.mark.parametrize("has_factory", [False, True], ids=["own_tasks", "task_factory"])
@pytest.mark.parametrize("how", ["answer", "failure"])
async def test_nothing_new_starts_once_the_run_is_over(add, execute, how, has_factory):
    """A step that starts after the answer is decided costs time and may write, for nobody."""
    loop = asyncio.get_running_loop()
    if has_factory:
        loop.set_task_factory(lambda loop, work, **options: asyncio.Task(work, loop=loop, **options))

    @step(concurrency="parallel", views=["v"], required=True)
    async def decides():
        if how == "failure":
            raise LookupError("gone")
        return Answer()

    @parallel
    async def later():
        pytest.fail("started although the run was over")

    add(decides, later)
    report = await execute()
    loop.set_task_factory(None)
    assert report.outcome("later").status is Status.NOT_STARTED
