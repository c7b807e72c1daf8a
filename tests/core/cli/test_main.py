"""The command as a whole: how it is started, what it looks like, and where its output goes."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp_steps.cli import main

STEPS = """
    from aiohttp_steps import step

    @step(concurrency="parallel", views=["home"])
    async def a_step_whose_name_is_so_long_that_it_does_not_fit_beside_anything_else_in_80_columns():
        return 1

    @step(concurrency="parallel", views=["home"])
    async def b(*, a_step_whose_name_is_so_long_that_it_does_not_fit_beside_anything_else_in_80_columns):
        return 2

    @step(views=["other"])
    async def c(): pass
"""

COMMANDS = [
    pytest.param(["plugins"], id="plugins"),
    pytest.param(["plugins", "--json"], id="plugins as JSON"),
    pytest.param(["check"], id="check"),
    pytest.param(["check", "--json"], id="check as JSON"),
    pytest.param(["explain", "home"], id="explain"),
    pytest.param(["explain", "home", "--analyze"], id="explain with times"),
    pytest.param(["explain", "home", "--format", "json"], id="explain as JSON"),
    pytest.param(["explain", "home", "--format", "mermaid"], id="explain as a flowchart"),
    pytest.param(["run", "home"], id="run"),
]


def test_without_arguments_the_commands_are_shown(command):
    """Whoever types the bare name wants to know what there is."""
    ended = command()
    assert ended.code == 2
    for name in ("serve", "run", "explain", "race", "plugins", "check"):
        assert f" {name} " in ended.out + ended.err


@pytest.mark.parametrize("name", ["serve", "run", "explain", "race", "plugins", "check"])
def test_each_command_has_help(command, name):
    """And no option is without an explanation that a user could read."""
    ended = command(name, "--help")
    assert ended.code == 0
    assert f"aiohttp-steps {name}" in ended.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["sreve"], "No such command 'sreve'", id="unknown command"),
        pytest.param(["run"], "Missing argument", id="no view"),
        pytest.param(["run", "home", "--fast"], "No such option: --fast", id="unknown option"),
        pytest.param(["serve", "--port", "99999"], "Invalid value for '--port'", id="no such port"),
        pytest.param(
            ["serve", "--shutdown-timeout", "-1"],
            "Invalid value for '--shutdown-timeout'",
            id="time below zero",
        ),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_says_what_is_wrong(command, arguments, message):
    """2 is the exit code that shells and CI know for it."""
    ended = command(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.shown


def test_the_package_can_be_run_as_a_module(process):
    """`python -m aiohttp_steps` works where scripts are not on the path."""
    assert process("check").out == "checked 0 plugins, 0 steps, 0 views: 0 errors, 0 warnings\n"


def test_the_installed_script_is_the_same_command(shelf, python):
    """The name that the documentation uses is there after `pip install`."""
    script = Path(sys.executable).with_name("aiohttp-steps")
    ended = subprocess.run(
        [script, "check", "--json"], capture_output=True, env=python["env"], timeout=60, check=True
    )
    assert json.loads(ended.stdout) == {"findings": []}


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_a_missing_extra_is_named_with_the_command_that_installs_it(python, missing):
    """`pip install aiohttp-steps` alone brings the script, but not what it needs."""
    code = f"import sys; sys.modules[{missing!r}] = None; from aiohttp_steps.cli import main; main()"
    ended = subprocess.run(
        [*python["args"], "-c", code],
        capture_output=True,
        text=True,
        env=python["env"],
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr == (
        f"aiohttp-steps: the command line needs {missing!r}, which is not installed; "
        "run: pip install 'aiohttp-steps[cli]'\n"
    )


def test_the_extra_is_only_blamed_for_what_it_holds(monkeypatch):
    """A broken installation must not be told to install what is there."""
    monkeypatch.setitem(sys.modules, "aiohttp_steps.cli.commands", None)
    with pytest.raises(ModuleNotFoundError, match=r"aiohttp_steps\.cli\.commands"):
        main()
    monkeypatch.setitem(sys.modules, "typer", None)
    monkeypatch.delitem(sys.modules, "aiohttp_steps.cli.commands")
    with pytest.raises(SystemExit, match="needs 'typer', which is not installed"):
        main()


@pytest.mark.parametrize("arguments", COMMANDS)
def test_output_that_is_no_terminal_has_no_colours_and_whole_lines(command, shelf, arguments):
    """It goes into files, CI logs and `grep`."""
    shelf.add("long", STEPS)
    ended = command(*arguments)
    assert (ended.code, ended.err) == (0, "")
    assert "\x1b" not in ended.out
    assert "…" not in ended.out
    if "check" not in arguments:
        name = "a_step_whose_name_is_so_long_that_it_does_not_fit_beside_anything_else_in_80_columns"
        assert name in ended.out
    if arguments == ["plugins"]:
        (line,) = [line for line in ended.out.splitlines() if "── b " in line]
        assert f"parallel · loop · in home · takes {name} · " in line
        assert line.endswith("made_long.py:8")


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["plugins"], id="tree"),
        pytest.param(["run", "home"], id="JSON"),
        pytest.param(["--help"], id="help"),
    ],
)
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_a_reader_that_has_seen_enough_is_no_error_to_talk_about(
    process, python, shelf, arguments, unbuffered
):
    """`aiohttp-steps plugins | head` must not end in a traceback, be it found out now or at the exit."""
    shelf.add("long", STEPS)
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = process(*arguments, stdout=writing, env={**python["env"], "PYTHONUNBUFFERED": unbuffered})
    finally:
        os.close(writing)
    assert (ended.code, ended.err) == (1, "")


@pytest.mark.parametrize("columns", [60, 110])
def test_a_terminal_gets_colours_within_its_width(python, shelf, columns):
    """Times are never cut; where it is narrow, names give way."""
    shelf.add("long", STEPS)
    main_end, their_end = pty.openpty()
    environment = {**python["env"], "TERM": "xterm-256color", "COLUMNS": str(columns)}
    with subprocess.Popen(
        [*python["args"], "-m", "aiohttp_steps", "explain", "home", "--analyze"],
        stdout=their_end,
        stderr=their_end,
        env=environment,
    ) as started:
        os.close(their_end)
        written = b""
        try:
            while more := os.read(main_end, 65536):
                written += more
        except OSError:  # Linux says so when the last writer has gone
            pass
        finally:
            os.close(main_end)
        assert started.wait(60) == 0
    shown = written.decode()
    assert "\x1b[1;32m1 parallel\x1b[0m" in shown
    plain = re.sub(r"\x1b\[[\d;]*m", "", shown).splitlines()
    assert "…" not in shown
    at = next(number for number, line in enumerate(plain) if line.startswith("step "))
    assert re.match(r"step +status +queue +run ms .*timeline *$", plain[at])
    table = plain[at : next(number for number, line in enumerate(plain) if line.startswith("wall "))]
    assert max(map(len, table)) <= columns
