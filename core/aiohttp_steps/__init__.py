"""Answer one aiohttp request from many small steps, run in parallel and sequential tiers."""

from aiohttp_steps.engine import StepRegistry
from aiohttp_steps.errors import StepError
from aiohttp_steps.marker import exclusive, hookimpl, step
from aiohttp_steps.types import Input

__all__ = ["Input", "StepError", "StepRegistry", "exclusive", "hookimpl", "step"]
