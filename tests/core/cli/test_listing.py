"""`plugins`: what is installed, and what failed to load and why."""

from __future__ import annotations

import json
import re

from aiohttp_steps import StepRegistry, step
from aiohttp_steps.cli import listing

GOOD = """
    from aiohttp_steps import step

    @step(concurrency="parallel", views=["home", "more"])
    def first(*, second, folder=None): pass

    @step
    async def second(): pass
"""


def test_plugins_are_listed_with_versions_and_steps(command, shelf):
    """What is installed here, and from which version, is the first question of a bug report."""
    shelf.add("good", GOOD, version="2.5")
    ended = command("plugins")
    lines = [re.sub(r"[│├└─]", " ", line).strip() for line in ended.out.splitlines()]
    assert (ended.code, ended.err) == (0, "")
    assert lines[:2] == ["1 plugin", "good made-good 2.5"]
    assert lines[2].startswith("first parallel · thread · in home, more · takes second, folder · ")
    assert lines[3].startswith("second sequential · loop · in no view · ")
    assert lines[3].endswith("made_good.py:7")


def test_a_failure_is_shown_with_its_traceback(command, shelf):
    """Its author, or whoever installed it, sees the line that raised; the rest is listed all the same."""
    shelf.add("good", GOOD)
    shelf.add(
        "bad",
        """
        def connect():
            raise RuntimeError("no database [/] here")
        connect()
        """,
        version="0.3",
    )
    ended = command("plugins")
    assert (ended.code, ended.err) == (0, "")
    assert "good made-good 1.0" in ended.out
    assert "\nbad made-bad 0.3, made_bad cannot be loaded:\nTraceback (most recent call last):\n" in ended.out
    assert re.search(r'made_bad\.py", line 3, in connect\n', ended.out)
    assert ended.out.endswith("\nRuntimeError: no database [/] here\n")


def test_a_step_that_is_wrong_as_written_is_a_failure_of_its_plugin(command, shelf):
    """Nothing of it is registered, and the message says what to write instead."""
    shelf.add(
        "wrong",
        """
        from aiohttp_steps import step

        @step
        def search(text): pass
        """,
    )
    assert "only 'request' may be one; make it keyword-only" in command("plugins").out


def test_without_plugins_it_says_how_to_get_some(command):
    """The first thing that a new user sees."""
    ended = command("plugins")
    assert ended.code == 0
    assert ended.out == ("0 plugins\nStep plugins are installed with pip: pip install aiohttp-steps-git\n")


def test_json_holds_plugins_and_failures(command, shelf):
    """For an inventory of servers."""
    shelf.add("good", GOOD)
    shelf.add("gone", target="made_gone:thing")
    ended = command("plugins", "--json")
    document = json.loads(ended.out)
    assert (ended.code, ended.err) == (0, "")
    (good,) = document["plugins"]
    assert (good["name"], good["distribution"], good["version"]) == ("good", "made-good", "1.0")
    assert good["steps"][0].pop("location").endswith("made_good.py:4")
    assert good["steps"][0] == {
        "name": "first",
        "concurrency": "parallel",
        "runner": "thread",
        "views": ["home", "more"],
        "takes": ["second", "folder"],
    }
    (gone,) = document["failures"]
    assert gone.pop("traceback").startswith("Traceback (most recent call last):\n")
    assert gone == {
        "name": "gone",
        "target": "made_gone:thing",
        "distribution": "made-gone",
        "version": "1.0",
        "error": "ModuleNotFoundError: No module named 'made_gone'",
    }


def test_a_plugin_that_exits_while_it_is_imported_does_not_end_the_command(command, shelf):
    """A stray `sys.exit` in a script that somebody made a plugin of."""
    shelf.add("quits", "raise SystemExit('bye')")
    ended = command("plugins")
    assert ended.code == 0
    assert ended.out.endswith("\nSystemExit: bye\n")


def test_a_plugin_of_no_distribution_is_listed_as_such(capsys):
    """An app's own command may list a registry with plugins of its own."""

    class Own:
        @step
        async def mine(self): ...

    registry = StepRegistry()
    registry.register(Own(), "own")
    listing.print_tree(registry)
    assert "└── own registered by hand\n" in capsys.readouterr().out
