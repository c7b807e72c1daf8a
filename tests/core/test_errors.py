"""The error tree: one class per thing that a caller handles differently."""

from __future__ import annotations

import inspect

import aiohttp_steps
import pytest
from aiohttp_steps import engine, errors, types
from aiohttp_steps.errors import (
    CycleError,
    DefinitionError,
    DuplicateNameError,
    InputError,
    PlanError,
    StepError,
    StepSkippedError,
    StepTimeoutError,
    UnknownNameError,
    quote_all,
)


def all_errors():
    return [
        value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, Exception)
    ]


def test_the_tree_at_the_head_of_the_module_is_complete():
    """The drawing is what people read: it has to be true."""
    drawing = errors.__doc__.split("```")[1]
    drawn = [line.lstrip("│├└─ ").split()[0] for line in drawing.strip().splitlines()]
    assert drawn == [error.__name__ for error in all_errors()]
    assert all(issubclass(error, errors.StepsError) for error in all_errors())
    assert all(error.__name__.endswith("Error") for error in all_errors())


@pytest.mark.parametrize(
    ("child", "parent"),
    [
        (CycleError, PlanError),
        (UnknownNameError, PlanError),
        (DuplicateNameError, PlanError),
        (StepTimeoutError, StepError),
        (StepSkippedError, StepError),
    ],
    ids=lambda error: error.__name__,
)
def test_special_errors_are_caught_as_their_kind(child, parent):
    """Who only wants to know that there is no plan need not list the reasons."""
    assert issubclass(child, parent)


def test_a_step_timeout_is_no_timeout_error():
    """Otherwise aiohttp answers 504 for a part of a page."""
    assert not issubclass(StepTimeoutError, TimeoutError)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        pytest.param({}, "is wrong", id="nothing"),
        pytest.param({"location": "a.py:1"}, "a.py:1: is wrong", id="location_only"),
        pytest.param({"plugin": "p"}, "plugin 'p': is wrong", id="plugin"),
        pytest.param(
            {"plugin": "p", "step": "s", "location": "a.py:1"},
            "plugin 'p', step 's' (a.py:1): is wrong",
            id="all",
        ),
    ],
)
def test_messages_begin_with_what_is_known_of_the_place(where, message):
    """Name first, fault second: lists of messages can be scanned."""
    error = DefinitionError("is wrong", **where)
    assert str(error) == message
    assert (error.plugin, error.step, error.location) == (
        where.get("plugin"),
        where.get("step"),
        where.get("location"),
    )


def test_plan_errors_name_the_view():
    """One step may be right in one view and wrong in another."""
    error = PlanError("is wrong", plugin="p", step="s", location="a.py:1", view="v")
    assert str(error) == "plugin 'p', step 's', view 'v' (a.py:1): is wrong"
    assert error.view == "v"


def test_facts_are_attributes():
    """Programs must not parse messages."""
    assert InputError("x", input="number", expected="int").expected == "int"
    assert (StepTimeoutError(2.0, waiting=True).limit_s, StepTimeoutError(2.0, waiting=True).waiting) == (
        2.0,
        True,
    )
    assert StepSkippedError("a").because_of == "a"
    assert (StepError.type, StepError.status) == ("error", 500)
    assert (StepTimeoutError.type, StepTimeoutError.status) == ("timeout", 504)
    assert StepSkippedError.type == "skipped"
    assert (CycleError("x").path, UnknownNameError("x").nearest, DuplicateNameError("x").plugins) == (
        (),
        None,
        (),
    )


def test_names_are_listed_for_messages():
    """An empty list must not leave a hole in the sentence."""
    assert quote_all(["a", "b"]) == "'a', 'b'"
    assert quote_all([]) == "none"


@pytest.mark.parametrize("module", [aiohttp_steps, engine, types], ids=lambda module: module.__name__)
def test_exports_are_sorted_and_there(module):
    """`__all__` is the public surface: nothing hidden, nothing missing, easy to scan."""
    assert sorted(module.__all__, key=by_kind) == list(module.__all__)
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        assert hasattr(module, name)
    public = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not inspect.ismodule(value) and name != "annotations"
    }
    assert public == set(module.__all__)


def by_kind(name):
    """Sort as ruff does: constants, classes, functions."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)
