"""Runs plans: `StepRegistry` for those who have a view, inputs and a wish for a report.

Owns what happens while a request is answered: who waits, who is cancelled, what is an error and whose. Knows
nothing of HTTP but that some results and errors, whose types it is told, are answers.
"""

from aiohttp_steps.engine.check import Finding, check_registry
from aiohttp_steps.engine.execution import Execution
from aiohttp_steps.engine.inputs import convert_input, read_input, resolve_inputs
from aiohttp_steps.engine.registry import StepRegistry
from aiohttp_steps.engine.trace import build_trace
from aiohttp_steps.engine.wire import (
    StepEncodingError,
    build_document,
    describe_error,
    describe_outcome,
    describe_timing,
    encode_report,
    to_ms,
)

__all__ = [
    "Execution",
    "Finding",
    "StepEncodingError",
    "StepRegistry",
    "build_document",
    "build_trace",
    "check_registry",
    "convert_input",
    "describe_error",
    "describe_outcome",
    "describe_timing",
    "encode_report",
    "read_input",
    "resolve_inputs",
    "to_ms",
]
