"""The hook implementation behind the entry point: breakers for marked steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp_steps import hookimpl

from aiohttp_steps_breaker.breakers import CircuitBreakers

if TYPE_CHECKING:
    from aiohttp_steps.types import Step, StepMiddleware

_BREAKERS = CircuitBreakers()


@hookimpl
def step_middleware(step: Step) -> StepMiddleware | None:
    """Wrap the steps that are marked with `circuit_breaker`."""
    return _BREAKERS.step_middleware(step)
