"""Inputs: declared, converted to their types, and put together for one run."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp_steps import Input, hookimpl, step
from aiohttp_steps.engine import convert_input, read_input, resolve_inputs
from aiohttp_steps.errors import DefinitionError, InputError
from aiohttp_steps.types import MISSING


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Page:
    limit: int
    before: str | None = None


class Session:
    """Something that an app makes and no request can give."""


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        pytest.param(int, "5", 5, id="int"),
        pytest.param(float, "2.5", 2.5, id="float"),
        pytest.param(bool, "true", True, id="bool"),
        pytest.param(str, "5", "5", id="str"),
        pytest.param(Path, "/tmp", Path("/tmp"), id="path"),
        pytest.param(int | None, "5", 5, id="optional"),
        pytest.param(uuid.UUID, str(uuid.UUID(int=1)), uuid.UUID(int=1), id="uuid"),
        pytest.param(dt.date, "2026-01-02", dt.date(2026, 1, 2), id="date"),
        pytest.param(bytes, "aGk=", b"hi", id="bytes"),
        pytest.param(Colour, "red", Colour.RED, id="enum"),
    ],
)
def test_text_is_read_as_the_type(kind, text, value):
    """Paths, queries and command lines only know text."""
    assert convert_input(Input("x", kind), text, is_text=True) == value
    assert read_input(Input("x", kind), text) == value


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        pytest.param(int, 5, 5, id="int"),
        pytest.param(Path, "/tmp", Path("/tmp"), id="path"),
        pytest.param(Path, Path("/tmp"), Path("/tmp"), id="path_object"),
        pytest.param(Page, {"limit": 3}, Page(3), id="dataclass"),
        pytest.param(list[int], [1, 2], [1, 2], id="list"),
    ],
)
def test_values_of_the_type_are_taken(kind, given, value):
    """A body, or the app itself, gives values that have types already."""
    assert convert_input(Input("x", kind), given) == value


def test_objects_of_the_app_are_taken_as_they_are():
    """An input may be something that no text can say: a database session."""
    session = Session()
    assert convert_input(Input("session", Session), session) is session


@pytest.mark.parametrize(
    ("kind", "given", "is_text", "expected"),
    [
        pytest.param(int, "5", False, "int", id="text_is_no_number"),
        pytest.param(int, "five", True, "int", id="no_number"),
        pytest.param(Session, "x", True, "Session", id="no_object"),
        pytest.param(Path, 5, False, "Path", id="no_path"),
        pytest.param(int | None, "x", True, "int | None", id="union"),
        pytest.param(Page, {"limit": "x"}, False, "Page", id="field"),
    ],
)
def test_a_wrong_value_names_input_fault_and_type(kind, given, is_text, expected):
    """The message goes to a client, who has only these three to go by."""
    with pytest.raises(InputError, match=r"input 'x'.*(Expected|Invalid)") as caught:
        convert_input(Input("x", kind), given, is_text=is_text)
    assert (caught.value.input, caught.value.expected) == ("x", expected)
    assert expected in str(caught.value)


def test_what_people_write_may_also_be_json():
    """On a command line a dataclass can only be given as JSON."""
    assert read_input(Input("page", Page), '{"limit": 3}') == Page(3)
    assert read_input(Input("numbers", list[int]), "[1, 2]") == [1, 2]


@pytest.mark.parametrize("text", ["{", '{"limit": "x"}'], ids=["no_json", "wrong_json"])
def test_what_is_neither_text_of_the_type_nor_its_json_is_refused(text):
    """The message is about the type, not about JSON, which was only a try."""
    with pytest.raises(InputError, match=r"input 'page'.*Page"):
        read_input(Input("page", Page), text)


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        pytest.param(
            ("git-path", str), "the name 'git-path' is no identifier, so that no step can take it", id="name"
        ),
        pytest.param(("", str), "the name '' is no identifier", id="empty"),
    ],
)
def test_an_input_that_no_step_can_take_is_refused(arguments, fault):
    """Steps take inputs by parameter name."""
    with pytest.raises(DefinitionError, match=fault):
        Input(*arguments)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        pytest.param(
            {"source": "header"}, "unknown source 'header'; a request gives inputs by 'path'", id="source"
        ),
        pytest.param({"source": ["query", "cookie"]}, "unknown source 'cookie'", id="one_of_two"),
        pytest.param(
            {"default": 1, "default_factory": int}, "both a default and a default_factory", id="defaults"
        ),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(options, fault):
    """At import, in the file where it is written."""
    with pytest.raises(DefinitionError, match=f"input 'x': .*{fault}") as caught:
        Input("x", int, **options)
    assert caught.value.step == "x"


def test_a_declaration_describes_itself():
    """Messages, `GET /views` and the command line all show the same words."""
    plain = Input("x", int)
    full = Input("y", str | None, default=None, source=["query", "body"], help="A filter.")
    assert (plain.described, plain.sources, plain.has_default, plain.default) == (
        "int from the app only",
        (),
        False,
        MISSING,
    )
    assert (full.described, full.has_default, full.help) == (
        "str | None from query or body",
        True,
        "A filter.",
    )
    assert Input("z", int, source="path").sources == ("path",)
    assert Input("z", int, default_factory=int).has_default
    assert repr(plain) == "<Input 'x': int>"


@pytest.fixture
def declare(registry, make_plugin):
    """Return a function that declares inputs and adds one step that returns what it takes."""

    def register(signature, *inputs):
        namespace = {}
        exec(f"async def page(*, {signature}): return locals()", namespace)
        plugin = make_plugin("p", step(views=["v"], concurrency="parallel")(namespace["page"]))
        plugin.step_inputs = hookimpl(specname="step_inputs")(lambda: inputs)
        registry.register(plugin)

    return register


async def test_declared_inputs_are_converted_when_a_view_runs(declare, registry):
    """`registry.run` is used by scripts and tests, where a path is text as well."""
    declare("path, number", Input("path", Path), Input("number", int))
    report = await registry.run("v", inputs={"path": "/tmp", "number": 1})
    assert report["page"] == {"path": Path("/tmp"), "number": 1}
    with pytest.raises(InputError, match="input 'number'"):
        await registry.run("v", inputs={"path": "/tmp", "number": "one"})


async def test_defaults_stand_in_for_what_is_not_given(declare, registry):
    """A factory is asked for each run: two requests must not share a list."""
    made = []
    declare(
        "a, b, c=3",
        Input("a", int, default=1),
        Input("b", list[int], default_factory=lambda: made.append(1) or [len(made)]),
        Input("c", int),
    )
    first, second = [await registry.run("v") for _ in range(2)]
    assert first["page"] == {"a": 1, "b": [1], "c": 3}
    assert second["page"]["b"] == [2]
    given = await registry.run("v", inputs={"a": 5, "b": [7], "c": 9})
    assert given["page"] == {"a": 5, "b": [7], "c": 9}
    assert len(made) == 2


@pytest.mark.parametrize(
    ("source", "remedy"),
    [
        pytest.param((), "it is for the application to give: pass it in inputs=", id="app"),
        pytest.param(("query", "body"), "give it by query or body", id="request"),
    ],
)
async def test_a_missing_input_says_who_takes_it_and_how_to_give_it(declare, registry, source, remedy):
    """Nothing has run by then."""
    declare("number", Input("number", int, source=source))
    with pytest.raises(InputError) as caught:
        await registry.run("v")
    assert str(caught.value) == f"input 'number' is missing; 'page' takes it, as int; {remedy}"
    assert (caught.value.input, caught.value.expected) == ("number", "int")


def test_an_input_that_is_announced_but_not_declared_may_be_missing(add, registry):
    """Those who compile a plan with `inputs=` answer for giving them; the message knows no type."""

    @step(views=["v"], concurrency="parallel")
    async def page(*, other=1, thing): ...

    add(page)
    plan = registry.plan("v", inputs=["thing", "other"])
    assert resolve_inputs(plan, {}, {"thing": 5}) == {"thing": 5}
    with pytest.raises(InputError, match=r"input 'thing' is missing; 'page' takes it, as any type") as caught:
        resolve_inputs(plan, {}, {})
    assert caught.value.expected == "any type"


async def test_inputs_that_nobody_declared_are_taken_as_they_are(add, registry):
    """Tests run steps without declaring what they take."""

    @step(views=["v"], concurrency="parallel")
    async def page(*, thing):
        return thing

    add(page)
    thing = object()
    assert (await registry.run("v", inputs={"thing": thing}))["page"] is thing


def test_two_declarations_agree_on_type_and_sources():
    """Defaults and help may differ: these are the installer's affair."""
    one = Input("x", int, source="query", default=1)
    assert one.agrees_with(Input("x", int, source="query", help="Different."))
    assert not one.agrees_with(Input("x", str, source="query"))
    assert not one.agrees_with(Input("x", int))
