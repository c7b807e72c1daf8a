"""Calls that hold the GIL, and calls that let go of it, long enough to be told from a busy machine."""

import asyncio
import hashlib
import threading
import time
from types import SimpleNamespace

import pytest
from aiohttp_steps import StepRegistry, step
from aiohttp_steps_stalls import StallMonitor

THRESHOLD_S = 0.05
HOLD_S = 0.15
BASE = 3**20_000


@pytest.fixture(scope="session")
def exponent():
    """Return an exponent for which `BASE**exponent`, which holds the GIL to its end, takes long enough."""
    found = 1
    while True:
        began_s = time.thread_time()
        pow(BASE, found)
        if time.thread_time() - began_s >= HOLD_S:
            return found
        found *= 2


@pytest.fixture(scope="session")
def hold_gil(exponent):
    """Return a function that holds the GIL in one call, as `Repository.status()` does."""
    return lambda: pow(BASE, exponent).bit_length()


@pytest.fixture(scope="session")
def hash_without_gil():
    """Return a function that computes for longer than `hold_gil` and lets go of the GIL."""
    size = 1 << 24
    while True:
        data = bytes(size)
        began_s = time.thread_time()
        hashlib.sha256(data).digest()
        if time.thread_time() - began_s >= 2 * HOLD_S:
            return lambda: hashlib.sha256(data).digest()
        size *= 2


@pytest.fixture
async def registry():
    """Return a registry whose threads end with the test."""
    async with StepRegistry() as registry:
        yield registry


@pytest.fixture
async def monitor(registry):
    """Watch the test's loop."""
    monitor = StallMonitor(registry, threshold_s=THRESHOLD_S)
    registry.register(monitor)
    async with monitor:
        await asyncio.sleep(0)
        yield monitor


@pytest.fixture
def add(registry):
    """Return a function that registers functions as parallel steps of the view `v`, by name."""

    def register(plugin="p", /, *, view="v", timeout=None, **functions):
        mark = lambda name: step(concurrency="parallel", views=[view], name=name, timeout=timeout)
        steps = {name: mark(name)(function) for name, function in functions.items()}
        registry.register(SimpleNamespace(**steps), plugin)

    return register


@pytest.fixture
def named():
    """Return a function that gives the names of all steps that a monitor has blamed."""
    return lambda monitor: {name for stall in monitor.stalls for name in stall.steps}


@pytest.fixture
def watchers():
    """Return a function that gives the monitors' threads that this test has started."""
    before = set(threading.enumerate())
    return lambda: [
        thread
        for thread in threading.enumerate()
        if thread not in before and thread.name == "aiohttp-steps-stalls"
    ]
