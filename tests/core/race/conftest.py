"""Steps for race checks: innocent ones, and the means to check a handful of functions."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp_steps import step
from aiohttp_steps.race import find_races

VIEW = "v"


@pytest.fixture
def parallel():
    """Return the decorator of most steps here."""
    return step(concurrency="parallel", views=[VIEW])


@pytest.fixture
def innocents(parallel):
    """Return steps that share nothing, of which some take others."""

    @parallel
    async def one():
        await asyncio.sleep(0)
        return 1

    @parallel
    async def two(*, one):
        await asyncio.sleep(0)
        return one + 1

    @parallel
    def three():
        return [3]

    @parallel
    async def four(*, one, three):
        return {"sum": one + three[0]}

    @parallel
    async def five():
        for _ in range(3):
            await asyncio.sleep(0)
        return "five"

    return [one, two, three, four, five]


@pytest.fixture
def check(registry, add):
    """Return a function that checks functions as one view, with `box` made anew for each run."""

    async def run(*functions, **options):
        add(*functions)
        return await find_races(registry, VIEW, **{"inputs": lambda: {"box": {"n": 0}}, **options})

    return run
