"""`run`: a view once, its report as JSON on standard output, and nothing else there."""

from __future__ import annotations

import json
import re
import sys

import pytest

READS = """
    from pathlib import Path
    from aiohttp_steps import Input, hookimpl, step

    @hookimpl
    def step_inputs():
        return [
            Input("folder", Path, default=Path("."), help="Where to look."),
            Input("count", int, source="query"),
            Input("names", list[str], default=[]),
            Input("label", str, default="none"),
        ]

    @step(concurrency="parallel", views=["read"])
    async def counted(*, count): return count * 2

    @step(concurrency="parallel", views=["plain"])
    def listed(*, folder, names, label): return {"folder": str(folder), "names": names, "label": label}
"""


@pytest.fixture(autouse=True)
def reads(shelf):
    shelf.add("reads", READS)


def test_standard_output_is_the_report_and_nothing_else(command):
    """It is piped into `jq`."""
    ended = command("run", "read", "--input", "count=4")
    document = json.loads(ended.out)
    assert (ended.code, ended.err) == (0, "")
    assert (document["view"], document["completed"], document["data"]) == ("read", True, {"counted": 8})
    assert document["timing"]["critical_path"] == ["counted"]


def test_what_a_step_prints_goes_to_standard_error(command, shelf):
    """One `print` that was left in a plugin must not break the JSON of everybody."""
    shelf.add(
        "noisy",
        """
        from aiohttp_steps import step

        @step(concurrency="parallel", views=["noisy"])
        async def noisy():
            print("look at me")
            return 1
        """,
    )
    ended = command("run", "noisy")
    assert json.loads(ended.out)["data"] == {"noisy": 1}
    assert ended.err == "look at me\n"


def test_text_of_any_language_is_written_as_it_is(command, shelf):
    """People read this output too."""
    shelf.add(
        "words",
        """
        from aiohttp_steps import step

        @step(concurrency="parallel", views=["words"])
        async def words(): return "Größe → 日本"
        """,
    )
    assert '"Größe → 日本"' in command("run", "words").out


def test_a_required_step_that_fails_makes_the_exit_code_1(command, shelf):
    """Scripts see that the view did not come, and the report still says what happened."""
    shelf.add(
        "fails",
        """
        from aiohttp_steps import step

        @step(views=["fails"])
        async def broken(): raise ValueError("closing [/] bold [bold] list[int]")
        """,
    )
    ended = command("run", "fails")
    assert ended.code == 1
    assert ended.err == "error: step 'broken' failed: ValueError: closing [/] bold [bold] list[int]\n"
    assert json.loads(ended.out)["errors"]["broken"]["plugin"] == "fails"


def test_an_optional_step_that_fails_is_data(command, shelf):
    """Its author said that the view can do without; whoever runs it himself may read the message."""
    shelf.add(
        "fails",
        """
        from aiohttp_steps import step

        @step(concurrency="parallel", views=["fails"])
        async def broken(): raise ValueError("secret")
        """,
    )
    ended = command("run", "fails")
    assert ended.code == 0
    document = json.loads(ended.out)
    assert document["completed"] is False
    assert document["errors"]["broken"]["message"] == "ValueError: secret"


def test_a_required_value_that_is_no_json_is_an_error(command, shelf):
    """Half a document on standard output would be worse than none."""
    shelf.add(
        "odd",
        """
        from aiohttp_steps import step

        @step(views=["odd"])
        async def odd(): return object()
        """,
    )
    ended = command("run", "odd")
    assert (ended.code, ended.out) == (1, "")
    assert "the value of step 'odd' is no JSON" in ended.err


def test_a_step_that_takes_the_request_is_refused(command, shelf):
    """There is no request here; calling it with None would fail deep inside of it."""
    shelf.add(
        "http",
        """
        from aiohttp_steps import step

        @step(concurrency="gate", views=["mine"])
        async def user(request): return request["user"]
        """,
    )
    ended = command("run", "mine")
    assert (ended.code, ended.out) == (1, "")
    assert "plugin 'http', step 'user'" in ended.err
    assert "takes the request, but there is none" in ended.err


def test_a_missing_input_is_asked_for_as_an_option(command):
    """The remedy that HTTP has, a query, is none on the command line."""
    ended = command("run", "read")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "error: view 'read' needs the input 'count' (int); add --input count=VALUE\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(
            ["coutn=1"], "input 'coutn' is not known; did you mean 'count'?", id="unknown, with a near one"
        ),
        pytest.param(
            ["x=1"],
            "input 'x' is not known; the inputs are: folder, count, names, label",
            id="unknown, with no near one",
        ),
        pytest.param(
            ["count"], "--input 'count' has no value; write --input count=VALUE", id="without a value"
        ),
        pytest.param(
            ["count=many"], "input 'count' does not fit its type int: Expected `int`", id="of a wrong type"
        ),
        pytest.param(
            ["label=a", "label=b"], "input 'label' is given 2 times, but takes one value", id="given twice"
        ),
    ],
)
def test_a_bad_input_is_refused_with_the_remedy(command, options, message):
    """A typing mistake costs one look at the message."""
    ended = command("run", "plain", *(word for option in options for word in ("--input", option)))
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(f"error: {message}")


@pytest.mark.parametrize(
    ("options", "names"),
    [
        pytest.param(["names=a"], ["a"], id="one"),
        pytest.param(["names=a", "names=b"], ["a", "b"], id="an option for each"),
        pytest.param(['names=["a", "b"]'], ["a", "b"], id="JSON"),
        pytest.param([], [], id="the default"),
    ],
)
def test_an_input_that_takes_several_values_is_given_as_in_a_query_or_as_json(command, options, names):
    """`?names=a&names=b` works over HTTP, so does its counterpart here."""
    ended = command("run", "plain", *(word for option in options for word in ("-i", option)))
    assert json.loads(ended.out)["data"]["listed"]["names"] == names


def test_a_value_may_contain_an_equals_sign(command):
    """Only the first one separates."""
    ended = command("run", "plain", "--input", "label=a=b=")
    assert json.loads(ended.out)["data"]["listed"]["label"] == "a=b="


@pytest.mark.parametrize(
    ("view", "hint"),
    [
        pytest.param("plane", "did you mean 'plain'?", id="a near one"),
        pytest.param("x", "the views are: plain, read.", id="no near one"),
    ],
)
@pytest.mark.parametrize("verb", ["run", "explain"])
def test_an_unknown_view_is_refused_with_those_there_are(command, verb, view, hint):
    """Nobody has to list the plugins to find the name."""
    ended = command(verb, view)
    assert (ended.code, ended.out) == (1, "")
    assert f"no step has joined the view {view!r}; {hint}" in ended.err


def test_steps_run_one_after_another_if_asked(command, shelf):
    """The flag to go back with gives the same values."""
    shelf.add(
        "pair",
        """
        import asyncio
        from aiohttp_steps import step

        running = []

        @step(concurrency="parallel", views=["pair"])
        async def one():
            running.append(1)
            await asyncio.sleep(0)
            return running.pop() and len(running)

        @step(concurrency="parallel", views=["pair"])
        async def other():
            running.append(1)
            await asyncio.sleep(0)
            return running.pop() and len(running)
        """,
    )
    assert json.loads(command("run", "pair").out)["data"] != {"one": 0, "other": 0}
    assert json.loads(command("run", "pair", "--sequential").out)["data"] == {"one": 0, "other": 0}


def test_a_plugin_that_fails_to_load_is_named_and_stops_nothing(command, shelf):
    """A broken plugin of somebody else is a warning; its view may not even be the one that is run."""
    shelf.add("broken", "raise KeyError('HOME [dir]')")
    ended = command("run", "plain")
    assert ended.code == 0
    assert json.loads(ended.out)["completed"]
    assert ended.err == (
        "warning: plugin 'broken' cannot be loaded: KeyError: 'HOME [dir]'; see: aiohttp-steps plugins\n"
    )


def test_json_is_coloured_for_people_only(command, monkeypatch):
    """On a terminal the same document is easier to read in colour."""
    assert "\x1b" not in command("run", "plain").out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    coloured = command("run", "plain").out
    assert "\x1b" in coloured
    assert json.loads(re.sub(r"\x1b\[[\d;]*m", "", coloured))["view"] == "plain"


def test_a_process_gives_the_same(process):
    """What the installed command does, with warnings as errors."""
    ended = process("run", "read", "-i", "count=21")
    assert (ended.code, ended.err) == (0, "")
    assert json.loads(ended.out)["data"] == {"counted": 42}


def test_trace_is_written_beside_the_report(command, tmp_path):
    """To be taken to Perfetto, or to whoever asks why it is slow."""
    file = tmp_path / "run.json"
    ended = command("run", "read", "--input", "count=7", "--trace", str(file))
    assert ended.code == 0
    assert json.loads(ended.out)["view"] == "read"
    assert f"trace of the run: {file}; open it at https://ui.perfetto.dev" in ended.err.replace("\n", " ")
    events = json.loads(file.read_text())["traceEvents"]
    assert {event["name"] for event in events if event.get("cat") == "step"} == {"counted"}


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("nowhere/run.json", "there is no folder"),
        ("", "it is a folder; name a file in it"),
    ],
    ids=["no folder", "folder"],
)
def test_trace_that_cannot_be_written_is_refused_before_anything_runs(command, tmp_path, name, fault):
    """A run that writes cannot be taken back only because a name was mistyped."""
    ended = command("run", "shop", "--trace", str(tmp_path / name))
    assert (ended.code, ended.out) == (1, "")
    assert fault in ended.err.replace("\n", " ")
