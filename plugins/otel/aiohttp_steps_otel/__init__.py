"""OpenTelemetry as a plugin: a span for each run and each step."""

from aiohttp_steps_otel.carrier import activate, pack_context
from aiohttp_steps_otel.plugin import step_middleware, steps_run_finished, steps_run_started
from aiohttp_steps_otel.tracing import Tracing

__all__ = [
    "Tracing",
    "activate",
    "pack_context",
    "step_middleware",
    "steps_run_finished",
    "steps_run_started",
]
