"""Circuit breakers as a plugin: steps marked with `circuit_breaker` get one."""

from aiohttp_steps_breaker.breakers import Breaker, CircuitBreakers, CircuitOpenError, circuit_breaker
from aiohttp_steps_breaker.plugin import step_middleware

__all__ = ["Breaker", "CircuitBreakers", "CircuitOpenError", "circuit_breaker", "step_middleware"]
