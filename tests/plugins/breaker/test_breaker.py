"""The circuit breaker: proof that a plugin's step middleware has the powers of the framework's own."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from aiohttp_steps import StepRegistry, step
from aiohttp_steps.types import Status
from aiohttp_steps_breaker import Breaker, CircuitBreakers, CircuitOpenError, circuit_breaker

if TYPE_CHECKING:
    from collections.abc import Callable


class Upstream:
    """Something that a step calls, which can be told to fail, hang or work."""

    def __init__(self) -> None:
        self.calls = 0
        self.mode = "works"
        self.reached = asyncio.Event()

    async def call(self) -> str:
        self.calls += 1
        self.reached.set()
        if self.mode == "fails":
            message = "upstream is down"
            raise ConnectionError(message)
        if self.mode == "hangs":
            await asyncio.Event().wait()
        return "fine"


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The wall clock that purgatory reads, which no real waiting moves."""
    now = SimpleNamespace(at=1_000.0)
    monkeypatch.setattr("purgatory.domain.model.time", SimpleNamespace(time=lambda: now.at))
    return now


@pytest.fixture
def registry(upstream: Upstream, clock: SimpleNamespace) -> StepRegistry:
    @step(concurrency="parallel", views=["v"])
    async def fetch() -> str:
        return await upstream.call()

    registry = StepRegistry()
    registry.register(SimpleNamespace(fetch=fetch), "shop")
    registry.register(CircuitBreakers({"fetch": Breaker(threshold=3, ttl_s=30)}))
    return registry


async def fail(registry: StepRegistry, upstream: Upstream, times: int) -> None:
    upstream.mode = "fails"
    for _ in range(times):
        await registry.run("v")


async def test_circuit_opens_after_as_many_failures_as_it_is_told(registry, upstream) -> None:
    """Until then each failure is the step's own, and the step is called."""
    await fail(registry, upstream, 3)
    report = await registry.run("v")
    assert upstream.calls == 3
    error = report.errors["fetch"]
    assert isinstance(error, CircuitOpenError)
    assert (error.type, error.status, error.step) == ("circuit_open", 503, "fetch")


async def test_success_in_between_starts_the_count_anew(registry, upstream) -> None:
    """Three failures in a row mean a broken upstream; three in a day do not."""
    await fail(registry, upstream, 2)
    upstream.mode = "works"
    await registry.run("v")
    await fail(registry, upstream, 2)
    upstream.mode = "works"
    assert (await registry.run("v"))["fetch"] == "fine"


async def test_open_circuit_lets_one_call_through_when_its_time_is_over(registry, upstream, clock) -> None:
    """Half-open: the one who tries learns for all; the others still fail at once."""
    await fail(registry, upstream, 3)
    clock.at += 31
    upstream.mode = "hangs"
    upstream.reached.clear()
    trial = asyncio.create_task(registry.run("v"))
    await upstream.reached.wait()
    report = await registry.run("v")
    assert isinstance(report.errors["fetch"], CircuitOpenError)
    assert upstream.calls == 4
    trial.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trial


@pytest.mark.parametrize(
    ("mode", "is_open"), [("works", False), ("fails", True)], ids=["closes on success", "opens on failure"]
)
async def test_trial_decides(registry, upstream, clock, mode: str, is_open: bool) -> None:
    """The state after half-open is what the trial found."""
    await fail(registry, upstream, 3)
    clock.at += 31
    upstream.mode = mode
    await registry.run("v")
    upstream.mode = "works"
    report = await registry.run("v")
    assert isinstance(report.errors.get("fetch"), CircuitOpenError) is is_open


async def test_cancelled_trial_is_neither_failure_nor_success(registry, upstream, clock) -> None:
    """A client that leaves says nothing about the upstream: the next call tries again."""
    await fail(registry, upstream, 3)
    clock.at += 31
    upstream.mode = "hangs"
    upstream.reached.clear()
    trial = asyncio.create_task(registry.run("v"))
    await upstream.reached.wait()
    trial.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trial
    await fail(registry, upstream, 1)
    assert upstream.calls == 5
    assert isinstance((await registry.run("v")).errors["fetch"], CircuitOpenError)


async def test_cancellations_do_not_open_the_circuit(registry, upstream) -> None:
    """However many clients leave, a closed circuit stays closed."""
    upstream.mode = "hangs"
    for _ in range(5):
        upstream.reached.clear()
        run = asyncio.create_task(registry.run("v"))
        await upstream.reached.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
    upstream.mode = "works"
    assert (await registry.run("v"))["fetch"] == "fine"


async def test_timeout_counts_as_a_failure(clock) -> None:
    """A plugin's middleware stands outside of the framework's timeout, and sees what it raises."""
    calls = 0

    @step(concurrency="parallel", views=["v"], timeout=1e-6)
    @circuit_breaker(threshold=2, ttl_s=30)
    async def hang() -> None:
        nonlocal calls
        calls += 1
        await asyncio.Event().wait()

    registry = StepRegistry()
    registry.register(SimpleNamespace(hang=hang), "shop")
    registry.register(CircuitBreakers())
    statuses = [(await registry.run("v")).outcome("hang").status for _ in range(3)]
    assert statuses == [Status.TIMED_OUT, Status.TIMED_OUT, Status.FAILED]
    assert calls == 2


async def test_step_without_a_breaker_is_left_alone(clock) -> None:
    """It pays nothing: no policy stands between the engine and the function."""

    @step(concurrency="parallel", views=["v"])
    async def plain() -> int:
        return 1

    registry = StepRegistry()
    registry.register(SimpleNamespace(plain=plain), "shop")
    registry.register(CircuitBreakers())
    assert registry.program("v").bodies[0].call is None


@pytest.mark.parametrize(
    "make", [lambda: Breaker(threshold=0), lambda: Breaker(ttl_s=0)], ids=["threshold", "ttl"]
)
def test_breaker_that_makes_no_sense_is_refused(make: Callable[[], Breaker]) -> None:
    """A threshold of 0 would never let a call through."""
    with pytest.raises(ValueError, match="above 0"):
        make()
