"""`retry`: a step that failed in an expected way is tried again; on a virtual clock."""

from __future__ import annotations

import asyncio
import sys
from itertools import pairwise

import pytest
from aiohttp_steps import Retry, exclusive, step, time_left
from aiohttp_steps.errors import DefinitionError, PlanError
from aiohttp_steps.types import Status

pytestmark = pytest.mark.looptime


@pytest.fixture
def flaky(add):
    """Return a function that registers a step which fails with these errors in turn, then succeeds."""
    calls = []

    def register(*errors, **options):
        left = list(errors)

        async def fetch():
            calls.append(asyncio.get_running_loop().time())
            if left:
                raise left.pop(0)
            return "fetched"

        add(step(**{"concurrency": "parallel", "views": ["v"], "retry": 3, **options})(fetch))
        return calls

    return register


async def test_step_is_tried_again_until_it_succeeds(registry, flaky):
    """How often is visible in the outcome."""
    calls = flaky(ConnectionError(), TimeoutError())
    outcome = (await registry.run("v")).outcome("fetch")
    assert (outcome.value, outcome.attempts, len(calls)) == ("fetched", 3, 3)


async def test_last_error_is_the_steps_when_attempts_run_out(registry, flaky):
    """Itself, not wrapped."""
    errors = [ConnectionError(at) for at in range(3)]
    flaky(*errors)
    outcome = (await registry.run("v")).outcome("fetch")
    assert outcome.error is errors[2]
    assert outcome.attempts == 3


@pytest.mark.parametrize("error", [ValueError(), SystemExit(1)], ids=["ValueError", "SystemExit"])
async def test_unexpected_error_is_final(registry, flaky, error):
    """A bug does not go away by trying again."""
    calls = flaky(error)
    assert (await registry.run("v")).outcome("fetch").error is error
    assert len(calls) == 1


async def test_expected_errors_are_the_authors_choice(registry, flaky):
    """Only those that are named."""
    flaky(KeyError(), retry=Retry(attempts=2, on=(KeyError,)))
    assert (await registry.run("v"))["fetch"] == "fetched"


async def test_waits_grow_and_stay_below_the_longest(registry, flaky):
    """Doubled each time, a random part of it, so that clients do not come back in step."""
    calls = flaky(*[OSError()] * 9, retry=Retry(attempts=10, wait_s=1, max_wait_s=4))
    outcome = (await registry.run("v")).outcome("fetch")
    waits = [late - early for early, late in pairwise(calls)]
    assert all(0 <= wait <= min(4, 2**at) for at, wait in enumerate(waits))
    assert outcome.run_s == pytest.approx(sum(waits))


async def test_no_attempt_begins_past_the_deadline_of_the_step(registry, flaky, monkeypatch):
    """A wait that would end too late is not begun: the error comes at once, not a timeout later."""
    monkeypatch.setattr("random.uniform", lambda _low, high: high)
    calls = flaky(*[OSError()] * 9, retry=Retry(attempts=10, wait_s=1, max_wait_s=60), timeout=5)
    outcome = (await registry.run("v")).outcome("fetch")
    assert outcome.status is Status.FAILED
    assert calls[-1] - calls[0] == pytest.approx(3)


async def test_no_attempt_begins_past_the_deadline_of_the_view(registry, flaky, monkeypatch):
    """The deadline of the view is handed down."""
    monkeypatch.setattr("random.uniform", lambda _low, high: high)
    flaky(*[OSError()] * 9, retry=Retry(attempts=10, wait_s=1, max_wait_s=60))
    report = await registry.run("v", deadline_s=2.5)
    assert report.timing.wall_s == pytest.approx(1)


async def test_exclusive_key_is_kept_between_attempts(registry, add):
    """Else another request could come in between the halves of a write."""
    order, failed = [], set()

    @step(concurrency=exclusive("k"), views=["v"], retry=Retry(attempts=2, on=(OSError,), wait_s=1))
    async def write(*, who):
        order.append(who)
        if who not in failed:
            failed.add(who)
            raise OSError

    add(write)
    await asyncio.gather(*[registry.run("v", inputs={"who": who}) for who in "ab"])
    assert order == ["a", "a", "b", "b"]


async def test_step_can_ask_how_much_time_it_has_left(registry, add):
    """Its own timeout, or what its view has left, whichever is nearer."""

    @step(concurrency="parallel", views=["v"], timeout=5)
    async def short():
        await asyncio.sleep(1)
        return time_left()

    @step(concurrency="parallel", views=["v"])
    async def unlimited():
        return time_left()

    add(short, unlimited)
    within = await registry.run("v", deadline_s=10)
    assert within["short"] == pytest.approx(4)
    assert within["unlimited"] == pytest.approx(10)
    assert (await registry.run("v"))["unlimited"] is None
    assert time_left() is None


@pytest.mark.looptime(False)
async def test_thread_can_ask_how_much_time_it_has_left(registry, add):
    """The deadline travels in the context, which threads get a copy of."""

    @step(concurrency="parallel", views=["v"])
    def threaded():
        return time_left()

    add(threaded)
    report = await registry.run("v", deadline_s=60)
    assert 0 < report["threaded"] <= 60


def test_retry_without_tenacity_is_refused_when_the_plan_is_compiled(registry, flaky, monkeypatch):
    """With the command that installs it."""
    monkeypatch.setitem(sys.modules, "tenacity", None)
    flaky()
    with pytest.raises(PlanError, match=r"aiohttp-steps\[retry\]"):
        registry.plan("v")


@pytest.mark.parametrize("retry", [1, 0, "3", Retry(attempts=1)], ids=repr)
def test_retry_that_is_no_second_attempt_is_refused(retry):
    """At the decorator, where the author sees it."""

    async def fetch(): ...

    with pytest.raises(DefinitionError, match="second attempt"):
        step(retry=retry)(fetch)
