"""Registries for the tests of the core, and plugins made of functions."""

from __future__ import annotations

import asyncio
import re
import threading
import types

import pytest
from aiohttp_steps import StepRegistry


@pytest.fixture
def open_registry():
    """Return a function that makes registries; their threads end with the test."""
    opened = []

    def make(**options):
        opened.append(StepRegistry(**options))
        return opened[-1]

    yield make
    loop = asyncio.new_event_loop()
    for registry in opened:
        loop.run_until_complete(registry.close())
    loop.close()


@pytest.fixture
def registry(open_registry):
    """Return a registry without plugins but its own."""
    return open_registry()


@pytest.fixture
def make_plugin():
    """Return a function that makes a module of these functions."""

    def make(name, *functions):
        module = types.ModuleType(name)
        for function in functions:
            setattr(module, function.__name__, function)
        return module

    return make


@pytest.fixture
def add(registry, make_plugin):
    """Return a function that registers functions as one plugin, called `p` if not said."""

    def register(*functions, plugin="p"):
        made = make_plugin(plugin, *functions)
        registry.register(made)
        return made

    return register


@pytest.fixture
def shape():
    """Return a function that gives the tiers of a plan as `(kind, names)`."""
    return lambda plan: [(tier.kind, [node.step.name for node in tier.nodes]) for tier in plan.tiers]


@pytest.fixture
def others():
    """Return a function that gives all tasks but the one that asks."""
    return lambda: asyncio.all_tasks() - {asyncio.current_task()}


@pytest.fixture
def wait_until():
    """Return a function that waits for what another thread brings about, at most five seconds."""

    async def wait(condition):
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 - it is a thread that does it
                await asyncio.sleep(0.001)

    return wait


@pytest.fixture
def pool_threads():
    """Return a function that gives the living threads of all our pools that this test has started."""
    before = set(threading.enumerate())
    ours = re.compile(r"aiohttp-steps-\d+")
    return lambda: [t for t in threading.enumerate() if t not in before and ours.fullmatch(t.name)]
