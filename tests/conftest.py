"""What all tests share."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import settings

# A busy machine is no failure of a property; pytest's own limit of time stays.
settings.register_profile("busy", deadline=None)
settings.load_profile("busy")


@pytest.fixture(scope="session", autouse=True)
def current_loop():
    """Give the main thread a loop that is closed in the end.

    pytest-asyncio 1.5 makes one that nobody closes, where there is none (pytest-asyncio#724), and looptime
    asks for one before each test.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.close()
