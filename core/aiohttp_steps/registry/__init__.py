"""Collects plugins: what they are, where they came from, and the steps, inputs and hooks they bring.

Knows nothing of plans and runs; `aiohttp_steps.engine.StepRegistry` adds those.
"""

from aiohttp_steps.registry.plugins import PluginFailure, PluginInfo, PluginRegistry
from aiohttp_steps.registry.reading import read_dependencies

__all__ = ["PluginFailure", "PluginInfo", "PluginRegistry", "read_dependencies"]
