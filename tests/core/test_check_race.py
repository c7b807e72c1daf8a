"""`check_race`, as a function and as pytest's fixture: what authors of steps prove their claims with."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from textwrap import dedent

import pytest
from aiohttp_steps import step
from aiohttp_steps.testing import check_race as check_race_function


@step(concurrency="parallel")
async def left(*, box):
    seen = box["n"]
    await asyncio.sleep(0)
    box["n"] = seen + 1


@step(concurrency="parallel")
async def right(*, box):
    seen = box["n"]
    await asyncio.sleep(0)
    box["n"] = seen + 1


@step(concurrency="parallel")
async def calm(*, box):
    return sorted(box)


def fresh():
    return {"box": {"n": 0}}


async def test_functions_are_checked_as_they_stand(check_race):
    """No registry, no view, no installed plugin."""
    report = await check_race([left, calm], inputs=fresh)
    assert report.agrees
    assert report.view is None
    with pytest.raises(AssertionError, match="the steps: left and right disagree"):
        await check_race([left, calm, right], inputs=fresh)


async def test_a_view_of_a_registry_is_checked(check_race, registry, make_plugin):
    """As it is installed, with all that has joined it."""
    both = [step(concurrency="parallel", views=["v"])(function) for function in (calm, left)]
    registry.register(make_plugin("p", *both))
    assert (await check_race(registry, "v", inputs=fresh)).view == "v"


async def test_the_failure_says_all_that_is_known():
    """Pair, both results, and how to see it again: a failure in CI is all that its reader has."""
    with pytest.raises(AssertionError) as caught:
        await check_race_function([left, right], inputs=fresh)
    assert str(caught.value).splitlines() == [
        "the steps: left and right disagree (seed 0)",
        "  one at a time they give the same; when they overlap, they do not",
        "  step left: None, in both",
        "  step right: None, in both",
        "  input box",
        "    one after another: {'n': 2}",
        "    together: {'n': 1}",
        "  show it again: pytest --race-seed 0, or seed=0",
    ]


async def test_steps_that_are_not_deterministic_fail(check_race):
    """Nothing can be said of them, which must not look like success."""
    numbers = iter(range(100))

    @step(concurrency="parallel")
    async def counts():
        return next(numbers)

    with pytest.raises(AssertionError, match="is not deterministic"):
        await check_race([counts, calm], inputs=fresh)
    assert (await check_race([counts, calm], inputs=fresh, ignore=["counts"])).agrees


@pytest.fixture
def session(tmp_path):
    """Return what runs pytest on a test file in a process of its own."""
    (tmp_path / "test_it.py").write_text(
        dedent(
            """
            import asyncio, sys
            from pathlib import Path

            IS_CHEAP = "aiohttp_steps" not in sys.modules

            def test_cheap():
                assert IS_CHEAP

            def test_seeds(check_race):
                from aiohttp_steps import step

                @step(concurrency="parallel")
                async def one(): return 1

                @step(concurrency="parallel")
                async def two(): return 2

                report = asyncio.run(check_race([one, two], trials=3))
                Path("seeds").write_text(str(report.seeds))
            """
        )
    )

    def run(*options):
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV_"))
        }
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", *options],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return (tmp_path / "seeds").read_text()

    return run


@pytest.mark.parametrize(
    ("options", "seeds"),
    [
        pytest.param([], "(0, 1, 2)", id="as the test says"),
        pytest.param(["--race-trials", "5"], "(0, 1, 2, 3, 4)", id="more trials"),
        pytest.param(["--race-seed", "7"], "(7,)", id="one seed"),
    ],
)
def test_the_fixture_is_there_when_the_package_is_installed(session, options, seeds):
    """By its entry point; it costs a session nothing, and the command line has the last word on seeds."""
    assert session(*options) == seeds
