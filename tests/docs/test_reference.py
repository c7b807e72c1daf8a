"""The reference names everything that there is, so that nothing is left out in silence."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import aiohttp_steps
import pytest
import typer.main
from aiohttp_steps import errors, hookspecs, testing, types
from aiohttp_steps.cli.commands import app

DOCS = Path(__file__).parents[2] / "docs"

OWN = {"Ledger", "NEVER", "OPTIONS_ATTRIBUTE", "TierKind"}
"""Types that only the framework itself has a use for."""


def read(page):
    return (DOCS / page).read_text()


def is_rendered(text, name):
    return re.search(rf"^::: {re.escape(name)}$", text, re.MULTILINE) is not None


@pytest.mark.parametrize("name", aiohttp_steps.__all__)
def test_every_export_is_in_the_reference(name):
    """What is exported is promised; a promise is written down."""
    # A module of the same name hides the function `setup` from the tool that reads the source.
    path = "aiohttp_steps.web.setup.setup" if name == "setup" else f"aiohttp_steps.{name}"

    assert is_rendered(read("reference/api.md"), path)


@pytest.mark.parametrize("name", sorted(set(types.__all__) - OWN - {"Input"}))
def test_every_type_is_in_the_reference(name):
    """Plugins are handed these, and annotate with them."""
    assert is_rendered(read("reference/types.md"), f"aiohttp_steps.types.{name}")


@pytest.mark.parametrize(
    ("page", "module"),
    [
        ("reference/hooks.md", hookspecs),
        ("reference/errors.md", errors),
        ("reference/testing.md", testing),
    ],
    ids=["hooks", "errors", "testing"],
)
def test_whole_modules_are_in_the_reference(page, module):
    """A new hook or error is documented by being there."""
    assert is_rendered(read(page), module.__name__)


@pytest.mark.parametrize("plugin", ["git", "chat"])
def test_every_export_of_a_plugin_is_in_its_page(plugin):
    """Plugins are documented beside the framework that they show."""
    module = importlib.import_module(f"aiohttp_steps_{plugin}")
    text = read(f"plugins/{plugin}.md")
    whole = {name for name in re.findall(r"^::: (\S+)$", text, re.MULTILINE) if name in sys.modules}

    for name in set(module.__all__) - {"step_inputs"}:
        is_shown = is_rendered(text, f"{module.__name__}.{name}")
        assert is_shown or getattr(module, name).__module__ in whole, name


def test_every_command_and_option_is_in_the_reference():
    """Somebody who reads the page instead of `--help` misses nothing."""
    text = read("reference/command-line.md")
    sections = dict(re.findall(r"^## (\w+)$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    commands = typer.main.get_command(app).commands

    assert sorted(sections) == sorted(commands)
    for name, command in commands.items():
        for parameter in command.params:
            for option in parameter.opts:
                if option.startswith("-") and option != "--help":
                    assert option in sections[name] + text.partition("\n## ")[0], f"{name} {option}"


def test_every_option_in_the_reference_is_there():
    """An option that has gone, or never came, is not promised."""
    text = read("reference/command-line.md")
    known = {
        option
        for command in typer.main.get_command(app).commands.values()
        for parameter in command.params
        for option in parameter.opts
    }

    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) <= known | {"--help"}
