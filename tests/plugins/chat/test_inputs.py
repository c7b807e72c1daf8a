"""What the plugin tells the framework: its entry point, its steps, its inputs."""

from __future__ import annotations

import inspect
from importlib.metadata import entry_points
from pathlib import Path

import aiohttp_steps_chat
import msgspec
import pytest
from aiohttp_steps import StepError
from aiohttp_steps_chat import chat_history, chat_sessions, errors, send_chat_message, step_inputs
from aiohttp_steps_chat.inputs import default_chat_folder


@pytest.fixture
def inputs():
    """Return the declared inputs by name."""
    return {declared.name: declared for declared in step_inputs()}


def test_entry_point_leads_to_the_steps_and_inputs():
    """Installing the distribution is all that an app does to have the steps."""
    (found,) = entry_points(group="aiohttp_steps", name="chat")

    plugin = found.load()

    assert plugin is aiohttp_steps_chat
    for name in ("chat_history", "chat_sessions", "send_chat_message", "step_inputs"):
        assert hasattr(plugin, name)


@pytest.mark.parametrize("function", [chat_history, chat_sessions, send_chat_message])
def test_every_parameter_of_a_step_is_a_declared_input(inputs, function):
    """A name that nobody provides is refused when the app starts."""
    parameters = inspect.signature(function).parameters

    assert set(parameters) <= set(inputs)
    for name, parameter in parameters.items():
        if parameter.default is not parameter.empty:
            assert parameter.default == inputs[name].default


def test_no_request_can_set_the_folder(inputs):
    """Whoever chooses the folder reads and writes any file of the server."""
    assert inputs["chat_folder"].sources == ()


def test_message_comes_from_the_body_alone(inputs):
    """A link that somebody is made to click must not send a message."""
    assert inputs["message"].sources == ("body",)
    assert not inputs["message"].has_default


@pytest.mark.parametrize(
    ("text", "fits"), [("1", True), ("1000", True), ("0", False), ("1001", False), ("x", False)]
)
def test_limit_is_checked_by_its_type(inputs, text, fits):
    """The framework answers 400 by this type, before the step runs."""
    if fits:
        assert msgspec.convert(text, inputs["limit"].type, strict=False) == int(text)
    else:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(text, inputs["limit"].type, strict=False)


def test_message_keeps_further_fields_when_converted(inputs):
    """A type that named the fields would drop the others."""
    message = {"role": "user", "content": "x", "model": "m"}

    assert msgspec.convert(message, inputs["message"].type) == message


def test_default_folder_is_the_users_own(inputs, monkeypatch, tmp_path):
    """A server that stands in a git repository must not write chats into it."""
    monkeypatch.delenv("AIOHTTP_STEPS_CHAT_FOLDER", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    folder = inputs["chat_folder"].default_factory()

    assert folder.is_relative_to(tmp_path)
    assert folder.parts[-2:] == ("aiohttp-steps", "chat")
    assert not folder.exists()


def test_environment_names_another_folder(monkeypatch, tmp_path):
    """Read at each call: a program may set it after the import."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AIOHTTP_STEPS_CHAT_FOLDER", "~/chats")

    assert default_chat_folder() == tmp_path / "chats"


def test_relative_folder_is_made_absolute(monkeypatch, tmp_path):
    """A server that changes its working folder must not change its chats."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIOHTTP_STEPS_CHAT_FOLDER", "chats")

    assert default_chat_folder() == Path(tmp_path, "chats")


def test_exports_are_complete_and_sorted():
    """An error that cannot be imported cannot be caught by its name."""
    exported = aiohttp_steps_chat.__all__
    declared = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, StepError) and value is not StepError
    }

    assert list(exported) == sorted(exported)
    assert declared <= set(exported)
    assert set(exported) == {
        name
        for name, value in vars(aiohttp_steps_chat).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }


def test_every_error_has_a_type_of_its_own():
    """Clients tell failures apart by it."""
    kinds = [value for name, value in vars(aiohttp_steps_chat).items() if name.endswith("Error")]

    assert len({kind.type for kind in kinds}) == len(kinds)
    assert all(400 <= kind.status < 600 for kind in kinds)
