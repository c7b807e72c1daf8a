"""The pytest plugin of aiohttp-steps: the fixture `check_race`, and its options.

Imports nothing of `aiohttp_steps` before a test asks for the fixture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp_steps.race import RaceReport


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what all race checks of a session follow."""
    group = parser.getgroup("aiohttp-steps")
    group.addoption(
        "--race-trials", type=int, metavar="N", help="check_race: try this many seeds, whatever the test says"
    )
    group.addoption(
        "--race-seed", type=int, metavar="N", help="check_race: try this seed alone, to see a race again"
    )


@pytest.fixture
def check_race(request: pytest.FixtureRequest) -> Callable[..., Awaitable[RaceReport]]:
    """Return `aiohttp_steps.testing.check_race`: fails if parallel steps do not agree."""
    from aiohttp_steps import testing  # noqa: PLC0415 - see the head of this package

    options = {"trials": request.config.option.race_trials, "seed": request.config.option.race_seed}
    chosen = {name: value for name, value in options.items() if value is not None}

    async def check(*arguments: Any, **given: Any) -> RaceReport:
        __tracebackhide__ = True
        return await testing.check_race(*arguments, **{**given, **chosen})

    return check
