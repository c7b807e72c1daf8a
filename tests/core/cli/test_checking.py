"""`check`: the exit code and the output of what `tests/core/test_check.py` finds."""

from __future__ import annotations

import json

import pytest

GOOD = """
    from aiohttp_steps import step

    @step(views=["home"])
    async def first(): pass
"""

WARNED = """
    from aiohttp_steps import step

    @step(views=["home"], after=["absent"])
    async def second(): pass
"""

WRONG = """
    from aiohttp_steps import step

    @step(concurrency="parallel", views=["home"])
    async def third(*, nowhere): pass
"""


def test_nothing_wrong_is_said_in_one_line(command, shelf):
    """The line proves that there was something to check."""
    shelf.add("good", GOOD)
    ended = command("check")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "checked 1 plugin, 1 step, 1 view: 0 errors, 0 warnings\n"


@pytest.mark.parametrize(
    ("options", "code"), [pytest.param([], 0, id="plain"), pytest.param(["--strict"], 1, id="strict")]
)
def test_warnings_fail_only_if_asked(command, shelf, options, code):
    """A name that is absent may be a plugin that is optional, or a slip of the pen: the user decides."""
    shelf.add("warned", WARNED)
    ended = command("check", *options)
    assert ended.code == code
    warning, summary = ended.out.splitlines()
    assert warning.startswith("warning: step 'second' of plugin 'warned' (")
    assert warning.endswith("after='absent' names nothing that is installed")
    assert summary == "checked 1 plugin, 1 step, 1 view: 0 errors, 1 warning"


@pytest.mark.parametrize("options", [[], ["--strict"]], ids=["plain", "strict"])
def test_errors_fail_always(command, shelf, options):
    """CI stops what an application would refuse to start with."""
    shelf.add("warned", WARNED)
    shelf.add("wrong", WRONG)
    shelf.add("broken", "1 / 0")
    ended = command("check", *options)
    assert ended.code == 1
    first, second, third, summary = ended.out.splitlines()
    assert (
        first == "error: plugin 'broken' (made_broken) cannot be loaded: ZeroDivisionError: division by zero"
    )
    assert second.startswith("error: plugin 'wrong', step 'third', view 'home' (")
    assert third.startswith("warning: step 'second'")
    assert summary == "checked 2 plugins, 2 steps, 1 view: 2 errors, 1 warning"


def test_json_holds_the_findings(command, shelf):
    """For an annotation in a pull request; the exit code is the same."""
    shelf.add("warned", WARNED)
    shelf.add("wrong", WRONG)
    ended = command("check", "--json")
    findings = json.loads(ended.out)["findings"]
    assert (ended.code, ended.err) == (1, "")
    assert [finding["severity"] for finding in findings] == ["error", "warning"]
    assert "takes 'nowhere', which no step and no input provides" in findings[0]["message"]


def test_json_of_nothing_wrong_is_an_empty_list(command):
    """Programs need no special case."""
    ended = command("check", "--json")
    assert (ended.code, json.loads(ended.out)) == (0, {"findings": []})


def test_markup_in_a_message_is_left_as_it_is(command, shelf):
    """Types such as list[int] stand in brackets, which rich would take for markup."""
    shelf.add("broken", "raise TypeError('wants list[int] [/]')")
    assert "TypeError: wants list[int] [/]\n" in command("check").out
