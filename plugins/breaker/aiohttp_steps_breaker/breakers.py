"""`CircuitBreakers`: wraps steps in circuit breakers; purgatory counts and keeps the time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp_steps import StepError, hookimpl
from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiohttp_steps.types import Call, Step, StepCall, StepMiddleware

F = TypeVar("F", bound="Callable[..., Any]")

_ATTRIBUTE = "aiohttp_steps_breaker"


@dataclass(frozen=True, slots=True)
class Breaker:
    """When a circuit opens, and for how long.

    Attributes:
        threshold: failures in a row after which it opens.
        ttl_s: how long it stays open, in seconds, before one call is let through to try.

    Raises:
        ValueError: one of them is not above 0.
    """

    threshold: int = 5
    ttl_s: float = 30.0

    def __post_init__(self) -> None:
        if self.threshold < 1 or self.ttl_s <= 0:
            message = f"{self} never opens or never closes; give threshold= and ttl_s= above 0"
            raise ValueError(message)


class CircuitOpenError(StepError):
    """A step was not called, because it failed too often just now.

    Attributes:
        step: name of the step.
    """

    type = "circuit_open"
    status = 503

    def __init__(self, step: str) -> None:
        super().__init__(f"step {step!r} failed too often just now and is not called for a while")
        self.step = step


def circuit_breaker(*, threshold: int = 5, ttl_s: float = 30.0) -> Callable[[F], F]:
    """Mark a step: it gets a circuit breaker. Above or below `@step`; as `Breaker`."""
    breaker = Breaker(threshold, ttl_s)

    def mark(function: F) -> F:
        setattr(function, _ATTRIBUTE, breaker)
        return function

    return mark


class CircuitBreakers:
    """A plugin that gives steps circuit breakers: those that are marked, and those that it is told.

    Args:
        breakers: by name of step; they win over marks.
    """

    def __init__(self, breakers: Mapping[str, Breaker] | None = None) -> None:
        self._breakers = dict(breakers or {})
        self._factory = AsyncCircuitBreakerFactory()
        self._trying: set[str] = set()

    @hookimpl
    def step_middleware(self, step: Step) -> StepMiddleware | None:
        """Wrap the steps that have a breaker; it stands outside of timeouts, which count as failures."""
        breaker = self._breakers.get(step.name) or getattr(step.function, _ATTRIBUTE, None)
        if breaker is None:
            return None
        # Two steps of one name in different registries are different circuits.
        circuit = f"{step.plugin}:{step.name}"

        def wrap(call_next: StepCall) -> StepCall:
            async def call_through(call: Call) -> Any:
                return await self._call(call, call_next, circuit, breaker)

            return call_through

        return wrap

    async def _call(self, call: Call, call_next: StepCall, circuit: str, breaker: Breaker) -> Any:
        name = call.step.name
        guard = await self._factory.get_breaker(circuit, threshold=breaker.threshold, ttl=breaker.ttl_s)
        try:
            await guard.__aenter__()
        except OpenedState:
            raise CircuitOpenError(name) from None
        is_trial = guard.context.state == "half-opened"
        # purgatory lets everybody through to try; one is enough to learn.
        if is_trial and circuit in self._trying:
            raise CircuitOpenError(name)
        if is_trial:
            self._trying.add(circuit)
        try:
            value = await call_next(call)
        except asyncio.CancelledError:
            raise  # neither failure nor success: purgatory is not told
        except BaseException as error:
            await guard.__aexit__(type(error), error, error.__traceback__)
            raise
        else:
            await guard.__aexit__(None, None, None)
            return value
        finally:
            if is_trial:
                self._trying.discard(circuit)
