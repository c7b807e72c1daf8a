"""Answer one aiohttp request from many small steps, run in parallel and sequential tiers."""

from aiohttp_steps.engine import StepRegistry
from aiohttp_steps.errors import StepError
from aiohttp_steps.marker import collect_errors, concurrency, exclusive, hookimpl, step
from aiohttp_steps.policies import Limits, time_left
from aiohttp_steps.runners import check_cancelled
from aiohttp_steps.types import Input, Retry
from aiohttp_steps.web import REPORT, add_views, inject, json_response, setup, view

__all__ = [
    "REPORT",
    "Input",
    "Limits",
    "Retry",
    "StepError",
    "StepRegistry",
    "add_views",
    "check_cancelled",
    "collect_errors",
    "concurrency",
    "exclusive",
    "hookimpl",
    "inject",
    "json_response",
    "setup",
    "step",
    "time_left",
    "view",
]
