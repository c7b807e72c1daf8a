"""A page under `/_steps` that shows what runs: waterfalls, views, steps, plugins, and traces to take away."""

from aiohttp_steps_inspector.inspector import Inspector
from aiohttp_steps_inspector.plugin import steps_app_setup

__all__ = ["Inspector", "steps_app_setup"]
