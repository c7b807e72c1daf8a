"""`share`: requests under way wait for one run; on a virtual clock."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from weakref import WeakKeyDictionary

import pytest
from aiohttp import web
from aiohttp_steps import hookimpl, step, time_left
from aiohttp_steps.errors import DefinitionError, StepError, StepTimeoutError
from aiohttp_steps.types import Status

pytestmark = pytest.mark.looptime


@pytest.fixture
def share(add):
    """Return a function that registers one shared step, and counts its runs."""
    runs = []

    def register(body, **options):
        async def shared(*, key):
            runs.append(key)
            return await body(key)

        add(step(**{"concurrency": "parallel", "views": ["v"], "share": True, **options})(shared))
        return runs

    return register


async def wait_a_second(key):
    await asyncio.sleep(1)
    return key


async def test_requests_under_way_share_one_run_by_their_arguments(registry, share):
    """Six requests for two repositories cost two runs."""
    runs = share(wait_a_second)
    reports = await asyncio.gather(*[registry.run("v", inputs={"key": at % 2}) for at in range(6)])
    assert [report["shared"] for report in reports] == [0, 1] * 3
    assert sorted(runs) == [0, 1]
    joined = [report.outcome("shared").shared for report in reports]
    assert joined == [False, False, True, True, True, True]


async def test_plugins_learn_which_call_another_one_joined(registry, share):
    """A trace links those who waited to the one in whose context the body ran."""
    calls = []

    @hookimpl
    def step_middleware(step):
        def wrap(call_next):
            async def note(call):
                value = await call_next(call)
                calls.append(call)
                return value

            return note

        return wrap

    registry.register(SimpleNamespace(step_middleware=step_middleware), "notes")
    share(wait_a_second)
    await asyncio.gather(*[registry.run("v", inputs={"key": 1}) for _ in range(3)])
    first, *others = sorted(calls, key=lambda call: call.shared)
    assert first.joined is None
    assert [call.joined for call in others] == [first, first]
    assert WeakKeyDictionary({first: "a note"})[others[0].joined] == "a note"


async def test_nothing_is_kept_when_the_run_has_ended(registry, share):
    """Sharing is no cache: who comes after the end gets a run of his own."""
    runs = share(wait_a_second)
    await registry.run("v", inputs={"key": 1})
    await registry.run("v", inputs={"key": 1})
    assert runs == [1, 1]


async def test_waiter_that_leaves_does_not_disturb_the_others(registry, share):
    """Not even the one that came first: the run belongs to the registry."""
    runs = share(wait_a_second)
    waiting = [asyncio.create_task(registry.run("v", inputs={"key": 1})) for _ in range(3)]
    await asyncio.sleep(0.5)
    waiting[0].cancel()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(done[0], asyncio.CancelledError)
    assert [report["shared"] for report in done[1:]] == [1, 1]
    assert runs == [1]


async def test_last_waiter_that_leaves_cancels_the_run(registry, share, others):
    """Work that nobody waits for is not done, and nothing of it is left when the last one is gone."""
    ended = []

    async def body(key):
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.1)
            ended.append(key)

    share(body)
    waiting = [asyncio.create_task(registry.run("v", inputs={"key": 1})) for _ in range(2)]
    await asyncio.sleep(0.5)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    assert ended == [1]
    assert not others()


async def test_who_comes_after_the_last_one_left_gets_a_new_run(registry, share):
    """A run that is being cancelled must not be joined."""
    release = asyncio.Event()

    async def body(key):
        if key == 1 and not release.is_set():
            try:
                await asyncio.Event().wait()
            finally:
                release.set()
                await asyncio.sleep(1)
        return "new"

    share(body)
    first = asyncio.create_task(registry.run("v", inputs={"key": 1}))
    await asyncio.sleep(0.5)
    first.cancel()
    await asyncio.sleep(0.1)
    assert (await registry.run("v", inputs={"key": 1}))["shared"] == "new"
    await asyncio.wait([first])


async def test_time_limits_are_each_waiters_own(registry, share):
    """The second joins late: its second of timeout begins then, and the run goes on without the first."""
    share(lambda key: asyncio.sleep(1.5, key), timeout=1)
    first = asyncio.create_task(registry.run("v", inputs={"key": 1}))
    await asyncio.sleep(0.9)
    second = await registry.run("v", inputs={"key": 1})
    assert (await first).outcome("shared").status is Status.TIMED_OUT
    assert second["shared"] == 1


async def test_shared_run_knows_no_deadline_of_a_single_waiter(registry, share):
    """`time_left` of the first waiter says nothing of what the others have."""

    async def body(_key):
        return time_left()

    share(body, timeout=5)
    assert (await registry.run("v", inputs={"key": 1}))["shared"] is None


async def test_error_reaches_each_waiter_as_an_instance_of_its_own(registry, share):
    """Tracebacks and notes of one request must not grow those of another."""

    class OddError(Exception):
        def __init__(self, code, *, detail):
            super().__init__(code)
            self.detail = detail

    async def body(key):
        await asyncio.sleep(1)
        raise OddError(key, detail="kept")

    share(body)
    reports = await asyncio.gather(*[registry.run("v", inputs={"key": 1}) for _ in range(3)])
    errors = [report.errors["shared"] for report in reports]
    assert len({id(error) for error in errors}) == 3
    assert [(type(error), error.args, error.detail) for error in errors] == [(OddError, (1,), "kept")] * 3


@pytest.mark.parametrize(
    ("error", "facts"),
    [
        pytest.param(FileNotFoundError(2, "gone", "here"), ("filename", "errno"), id="file name"),
        pytest.param(UnicodeDecodeError("utf-8", b"a", 0, 1, "odd"), ("start", "object"), id="unicode"),
        pytest.param(SystemExit(4), ("code",), id="exit code"),
        pytest.param(ImportError("gone", name="it"), ("name",), id="import"),
        pytest.param(ExceptionGroup("two", [KeyError(1), OSError()]), ("exceptions",), id="group"),
        pytest.param(
            web.HTTPNotFound(text="no", headers={"X": "1"}), ("status", "text", "headers"), id="http"
        ),
    ],
)
async def test_each_instance_of_an_error_says_all_that_the_first_says(registry, share, error, facts):
    """Python keeps some facts of its own errors outside of what their instances show."""

    async def body(key):
        await asyncio.sleep(1)
        raise error

    share(body)
    reports = await asyncio.gather(*[registry.run("v", inputs={"key": 1}) for _ in range(2)])
    errors = [report.errors["shared"] for report in reports]
    assert sum(each is error for each in errors) == 1
    for each in errors:
        assert type(each) is type(error)
        assert str(each) == str(error)
        assert [getattr(each, fact) for fact in facts] == [getattr(error, fact) for fact in facts]


@pytest.mark.looptime(False)
async def test_thread_that_outlives_all_waiters_limits_holds_up_none(registry, add, wait_until):
    """A body that cannot be stopped is left behind as without sharing, and counted."""
    release = threading.Event()

    @step(concurrency="parallel", views=["v"], share=True, timeout=0.05)
    def stuck():
        release.wait(10)

    add(stuck)
    reports = await asyncio.gather(*[registry.run("v") for _ in range(2)])
    assert all(isinstance(report.errors["stuck"], StepTimeoutError) for report in reports)
    assert registry.left_behind() == ("stuck",)
    release.set()
    await wait_until(lambda: not registry.left_behind())


async def test_arguments_that_are_no_key_fail_the_step_with_the_remedy(registry, share):
    """A list has no hash; guessing equality could hand one user's data to another."""
    share(wait_a_second)
    report = await registry.run("v", inputs={"key": [1]})
    assert isinstance(report.errors["shared"], StepError)
    assert "give share a function" in str(report.errors["shared"])


async def test_key_function_decides_what_is_the_same(registry, share):
    """Also for arguments that have no hash."""
    runs = share(wait_a_second, share=lambda *, key: len(key))
    reports = await asyncio.gather(*[registry.run("v", inputs={"key": key}) for key in ([1], [2], [1, 2])])
    assert len(runs) == 2
    assert reports[0]["shared"] == reports[1]["shared"]


async def test_key_function_of_a_step_that_takes_the_request_gets_it(registry, add):
    """The author says which part of the request counts."""

    @step(concurrency="parallel", views=["v"], share=lambda request: request["user"])
    async def who(request):
        await asyncio.sleep(1)
        return request["user"]

    add(who)
    reports = await asyncio.gather(*[registry.run("v", request={"user": user}) for user in "aab"])
    assert [report["who"] for report in reports] == ["a", "a", "b"]


def test_step_that_takes_the_request_is_not_shared_without_a_key(add):
    """A key without the user leaks data (trap 18)."""

    @step(concurrency="parallel", share=True)
    async def who(request): ...

    with pytest.raises(DefinitionError, match=r"'who'.*takes the request"):
        add(who)


@pytest.mark.parametrize(
    ("options", "match"),
    [({"concurrency": "gate", "share": True}, "never shared"), ({"share": 3}, "key function")],
    ids=["gate", "number"],
)
def test_sharing_that_makes_no_sense_is_refused(options, match):
    """At the decorator, where the author sees it."""

    async def shared(): ...

    with pytest.raises(DefinitionError, match=match):
        step(**options)(shared)
