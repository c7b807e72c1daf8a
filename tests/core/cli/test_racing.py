"""`race`: what is found, how it is told, and what is refused."""

from __future__ import annotations

import json

import pytest

SHOP = """
    import asyncio
    from pathlib import Path
    from aiohttp_steps import Input, hookimpl, step

    box = {}

    @hookimpl
    def step_inputs():
        return [Input("count", int, source="query"), Input("folder", Path, default=Path("data"))]

    @step(concurrency="parallel", views=["shop"])
    async def left():
        box["n"] = 0
        seen = box["n"]
        await asyncio.sleep(0)
        box["n"] = seen + 1
        return box["n"]

    @step(concurrency="parallel", views=["shop"])
    async def right():
        box["n"] = 10
        await asyncio.sleep(0)
        return box["n"]

    @step(concurrency="parallel", views=["shop", "calm"])
    async def calm():
        print("calm")
        return 1

    @step(concurrency="parallel", views=["calm"])
    async def calm_too(): return 2

    @step(views=["order"])
    async def order(): box["ordered"] = True

    @step(concurrency="parallel", views=["count"])
    async def counted(*, count): return count

    @step(concurrency="parallel", views=["files"])
    def writes(*, folder): (folder / "file").write_text("new")

    @step(concurrency="parallel", views=["files"])
    async def other(): return 1
"""


@pytest.fixture(autouse=True)
def shop(shelf):
    shelf.add("shop", SHOP)


def test_a_race_is_told_with_pair_seed_and_both_results(command):
    """What is needed to mend it, on one screen."""
    ended = command("race", "shop")
    assert ended.code == 1
    lines = ended.out.splitlines()
    assert lines[0].startswith("view 'shop': left and right disagree (seed ")
    assert "    one after another: 10" in lines
    assert lines[-1].startswith("  show it again: --seed ")


def test_the_seed_that_is_told_shows_it_again(command):
    """The last line of the output is the next command."""
    first = command("race", "shop")
    again = command("race", "shop", *first.out.splitlines()[-1].split()[-2:])
    assert (again.code, again.out) == (1, first.out)


def test_a_view_without_races_is_told_to_be_one(command):
    """Exit code 0, for CI; what steps print is not mixed in."""
    ended = command("race", "calm", "--trials", "7")
    assert (ended.code, ended.out) == (
        0,
        "view 'calm': no race found in 7 trials; 1 pair of steps may overlap\n",
    )
    assert set(ended.err.splitlines()) == {"calm"}


def test_json_says_the_same_for_programs(command):
    """For a record of what was found when."""
    document = json.loads(command("race", "shop", "--json").out)
    assert (document["view"], document["agrees"]) == ("shop", False)
    assert document["disagreement"]["steps"] == ["left", "right"]
    assert document["disagreement"]["cause"] in ("order", "overlap")
    document = json.loads(command("race", "calm", "--json", "--seed", "3").out)
    assert (document["agrees"], document["disagreement"], document["seeds"]) == (True, None, [3])


def test_what_is_ignored_is_not_compared(command):
    """A timestamp is no race."""
    ended = command("race", "shop", "--ignore", "left", "--ignore", "right")
    assert ended.code == 0
    assert "  not compared: left, right" in ended.out


def test_steps_that_may_write_are_refused(command):
    """They would write for each of fifty trials."""
    ended = command("race", "order")
    assert ended.code == 1
    assert "may write, and each trial runs it for real; add --allow-writes" in ended.err
    assert command("race", "order", "--allow-writes").code == 0


def test_a_missing_input_is_named_with_its_option(command):
    """As for `run`."""
    ended = command("race", "count")
    assert ended.code == 1
    assert "add --input count=VALUE" in ended.err
    assert command("race", "count", "--input", "count=3").code == 0


def test_files_are_put_back_only_if_that_is_asked_for(command, shelf, tmp_path):
    """Somebody's work may be in there."""
    folder = tmp_path / "here" / "data"
    folder.mkdir()
    (folder / "file").write_text("old")
    ended = command("race", "files", "--files", folder)
    assert ended.code == 1
    assert "--restore" in ended.err
    assert (folder / "file").read_text() == "new"

    (folder / "file").write_text("old")
    assert command("race", "files", "--files", folder, "--restore").code == 0
    assert (folder / "file").read_text() == "old"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        pytest.param(["shop", "--trials", "0"], "greater than or equal to 1", id="no trials"),
        pytest.param(["shop", "--seed", "-1"], "greater than or equal to 0", id="no seed"),
    ],
)
def test_wrong_options_are_usage_errors(command, args, message):
    """Exit code 2, as for all commands."""
    ended = command("race", *args)
    assert ended.code == 2
    assert message in ended.shown


def test_an_unknown_view_is_told_with_its_neighbour(command):
    """As for `run`."""
    ended = command("race", "shp")
    assert ended.code == 1
    assert "did you mean 'shop'?" in ended.err


def test_progress_is_shown_on_terminals_alone(command, monkeypatch):
    """Who waits wants to know for how long; a log of CI does not."""
    assert "trial" not in command("race", "calm").err
    monkeypatch.setenv("FORCE_COLOR", "1")
    shown = command("race", "calm", "--trials", "2")
    assert "first runs" in shown.err
    assert "first runs" not in shown.out
