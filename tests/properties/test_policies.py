"""Keys, slots and shared runs under random visits, and a run that is cancelled at each of its turns."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import SimpleNamespace

import looptime
from aiohttp_steps import Limits, Retry, StepRegistry, exclusive, step
from aiohttp_steps.errors import StepShedError
from aiohttp_steps.policies import ProcessLocks
from hypothesis import given
from hypothesis import strategies as st

KEYS = "ab"
LIMIT, WAITING = 2, 3


@dataclass(frozen=True)
class Visit:
    """One request: when it comes, what it needs, for how long, how it ends. Times are virtual seconds."""

    comes_at: int
    keys: str
    lasts: int
    fails: bool
    leaves_after: int | None


visits = st.lists(
    st.builds(
        Visit,
        comes_at=st.integers(0, 6),
        keys=st.sampled_from(["a", "b", "ab", "ba"]),
        lasts=st.integers(0, 4),
        fails=st.booleans(),
        leaves_after=st.none() | st.integers(0, 6),
    ),
    max_size=10,
)


class BrokenError(Exception):
    """What a step raises that was drawn to fail."""


def play(visits, plugin, *, limits=None):
    """Let the visits come, on a virtual clock; answers their results, the registry, and what is left."""
    loop = looptime.new_event_loop()
    registry = StepRegistry(limits=limits)
    registry.locks = ProcessLocks()
    registry.register(plugin, "tested")

    async def come(at, visit):
        await asyncio.sleep(visit.comes_at)
        run = asyncio.create_task(registry.run("v", inputs={"visit": visit, "number": at}))
        if visit.leaves_after is not None:
            loop.call_later(visit.leaves_after, run.cancel)
        try:
            return await run
        except asyncio.CancelledError:
            return None

    async def main():
        reports = await asyncio.gather(*[come(at, visit) for at, visit in enumerate(visits)])
        return reports, asyncio.all_tasks() - {asyncio.current_task()}

    try:
        reports, left = loop.run_until_complete(main())
    finally:
        loop.close()
    return reports, registry, left


@given(visits)
def test_law_9(visits):
    """9. An exclusive step never runs while another run holds the same key.

    And: who came first for a key is first, whoever fails or leaves; nobody waits for ever; nothing is kept.
    """
    holders: dict[str, int] = {}
    began: list[int] = []

    async def hold(visit, number):
        for key in set(visit.keys):
            assert key not in holders
            holders[key] = number
        began.append(number)
        try:
            await asyncio.sleep(visit.lasts)
            if visit.fails:
                raise BrokenError
        finally:
            for key in set(visit.keys):
                del holders[key]

    keyed = [
        SimpleNamespace(
            drawn=visit,
            first=visit.keys[0],
            second=visit.keys[-1],
            comes_at=visit.comes_at,
            leaves_after=visit.leaves_after,
        )
        for visit in visits
    ]

    @step(concurrency=exclusive("{visit.first}", "{visit.second}"), views=["v"])
    async def write_both(*, visit, number):
        await hold(visit.drawn, number)

    reports, registry, left = play(keyed, SimpleNamespace(write_both=write_both))
    assert registry.locks.held == ()
    assert not left
    assert not holders
    for at, (visit, report) in enumerate(zip(visits, reports, strict=True)):
        if report is None:
            assert visit.leaves_after is not None
        else:
            outcome = report.outcome("write_both")
            assert at in began
            assert (type(outcome.error) is BrokenError) is visit.fails
            assert outcome.run_s == visit.lasts
    for key in KEYS:  # those that want this key alone are served as they come
        alone = [at for at in began if visits[at].keys == key]
        assert [visits[at].comes_at for at in alone] == sorted(visits[at].comes_at for at in alone)


@given(visits)
def test_limits_hold_and_everything_is_given_back(visits):
    """Never more at once than the limit, never more waiting than may, no slot lost by who leaves."""
    state = SimpleNamespace(now=0, most=0)

    @step(concurrency="parallel", views=["v"], limit=LIMIT)
    async def limited(*, visit, number):
        state.now += 1
        state.most = max(state.most, state.now)
        try:
            await asyncio.sleep(visit.lasts)
            if visit.fails:
                raise BrokenError
        finally:
            state.now -= 1

    reports, registry, left = play(visits, SimpleNamespace(limited=limited), limits=Limits(waiting=WAITING))
    slots = registry.plugin_manager.get_plugin("builtin_policies").limiter.slots
    assert [(each.taken, each.waiting) for each in slots] == [(0, 0)] * len(slots)
    assert not left
    assert state.now == 0
    assert state.most <= LIMIT
    for visit, report in zip(visits, reports, strict=True):
        if report is not None:
            error = report.outcome("limited").error
            is_shed = isinstance(error, StepShedError)
            assert is_shed or (type(error) is BrokenError) is visit.fails
    if len(visits) <= LIMIT + WAITING:
        assert not any(
            report is not None and isinstance(report.outcome("limited").error, StepShedError)
            for report in reports
        )


@given(visits)
def test_shared_runs_are_one_at_a_time_and_end_with_their_last_waiter(visits):
    """For each key at most one run is under way, each waiter gets that run's result, and none is left."""
    under_way: set[str] = set()

    @step(concurrency="parallel", views=["v"], share=lambda *, visit, number: visit.keys)
    async def shared(*, visit, number):
        assert visit.keys not in under_way
        under_way.add(visit.keys)
        try:
            await asyncio.sleep(visit.lasts)
            if visit.fails:
                raise BrokenError(visit.keys)
            return visit.keys
        finally:
            under_way.discard(visit.keys)

    reports, registry, left = play(visits, SimpleNamespace(shared=shared))
    assert registry.plugin_manager.get_plugin("builtin_policies").flights.count == 0
    assert not left
    assert not under_way
    errors = []
    for visit, report in zip(visits, reports, strict=True):
        if report is not None:
            outcome = report.outcome("shared")
            assert visit.keys == (outcome.value if outcome.error is None else outcome.error.args[0])
            errors += [outcome.error] if outcome.error else []
    assert len({id(error) for error in errors}) == len(errors)


def make_everything(events):
    """Make a plugin that has each kind of step and policy; all of its waits are single turns of the loop."""

    async def turn(name):
        events.append(f"+{name}")
        try:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        finally:
            events.append(f"-{name}")

    @step(concurrency="gate", views=["v"])
    async def user():
        await turn("user")

    @step(views=["v"])
    async def database():
        await turn("database opens")
        events.append("+database")
        try:
            yield
        finally:
            try:
                await asyncio.sleep(0)  # a tear-down may be cancelled too; it has been begun all the same
            finally:
                events.append("-database")

    @step(concurrency=exclusive("k"), views=["v"])
    async def write(*, database):
        await turn("write")

    @step(concurrency="parallel", views=["v"])
    async def session(*, write):
        events.append("+session")
        try:
            yield
        finally:
            try:
                await asyncio.sleep(0)  # a tear-down may be cancelled too; it has been begun all the same
            finally:
                events.append("-session")

    @step(concurrency="parallel", views=["v"], share=True, limit=1, timeout=60)
    async def shared():
        await turn("shared")

    @step(concurrency="parallel", views=["v"], retry=Retry(attempts=3, wait_s=0))
    async def flaky(*, session):
        await turn("flaky")
        if events.count("+flaky") < 3:
            raise OSError

    @step(concurrency="parallel", views=["v"])
    async def last(*, flaky, shared):
        await turn("last")

    steps = (user, database, write, session, shared, flaky, last)
    return SimpleNamespace(**{function.__name__: function for function in steps})


def test_run_that_is_cancelled_at_any_of_its_turns_leaves_nothing():
    """Each turn once, not a sample: whatever has begun has ended, and all keys, slots and tasks are back."""

    async def cancel_after(turns):
        events: list[str] = []
        async with StepRegistry() as registry:
            registry.locks = ProcessLocks()
            registry.register(make_everything(events), "tested")
            run = asyncio.create_task(registry.run("v"))
            for _ in range(turns):
                await asyncio.sleep(0)
            was_done = run.done()
            run.cancel()
            done, _ = await asyncio.wait([run])
            assert done
            assert was_done or run.cancelled()
            policies = registry.plugin_manager.get_plugin("builtin_policies")
            assert registry.locks.held == ()
            assert policies.flights.count == 0
            assert all((each.taken, each.waiting) == (0, 0) for each in policies.limiter.slots)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        begun = sorted(event[1:] for event in events if event[0] == "+")
        assert begun == sorted(event[1:] for event in events if event[0] == "-")
        return was_done

    turns = 0
    while not asyncio.run(cancel_after(turns)):
        turns += 1
    assert turns > 20
