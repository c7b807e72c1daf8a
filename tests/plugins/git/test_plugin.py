"""The distribution as aiohttp-steps and its users see it."""

import importlib.metadata
import inspect
import types
from pathlib import Path

import aiohttp_steps_git
import msgspec
import pytest
from aiohttp_steps import Input
from aiohttp_steps_git import git_branch, git_log, git_status, step_inputs

STEPS = [git_branch, git_log, git_status]


def test_entry_point_is_the_package():
    """What `load_entry_points` finds."""
    (entry,) = importlib.metadata.entry_points(group="aiohttp_steps", name="git")
    assert entry.load() is aiohttp_steps_git


def test_exports_are_complete_and_sorted():
    """All that is imported at the top is exported; steps and hooks are found there."""
    public = {
        name
        for name, value in vars(aiohttp_steps_git).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert aiohttp_steps_git.__all__ == sorted(aiohttp_steps_git.__all__)
    assert set(aiohttp_steps_git.__all__) == public


@pytest.mark.parametrize("step", STEPS)
def test_steps_are_parallel_reads_of_the_project_view(step):
    """They know nothing of HTTP, so that they run anywhere; the thread runner is that of a plain `def`."""
    options = step.aiohttp_steps_options
    assert options.concurrency == "parallel"
    assert options.views == ("project",)
    assert not inspect.iscoroutinefunction(step)
    assert all(p.kind is p.KEYWORD_ONLY for p in inspect.signature(step).parameters.values())


def test_every_parameter_is_an_input():
    """Otherwise a plan could not be made; the defaults are the same on both sides."""
    inputs = {i.name: i for i in step_inputs()}
    for step in STEPS:
        for name, parameter in inspect.signature(step).parameters.items():
            assert isinstance(inputs[name], Input)
            assert parameter.default in (inspect.Parameter.empty, inputs[name].default)


def test_request_cannot_set_the_path(monkeypatch, tmp_path):
    """Or it could read any repository on the machine; without a word it is the working directory."""
    path = next(i for i in step_inputs() if i.name == "project_path")
    monkeypatch.chdir(tmp_path)
    assert path.sources == ()
    assert path.default_factory() == Path.cwd() == tmp_path


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [("log_limit", (1, 1000), (0, 1001)), ("status_limit", (0, 100_000), (-1, 100_001))],
)
def test_limits_are_limited(name, good, bad):
    """A request sets them, so that they bound the work."""
    limit = next(i for i in step_inputs() if i.name == name)
    assert set(limit.sources) == {"query", "body"}
    for value in good:
        assert msgspec.convert(str(value), limit.type, strict=False) == value
    for value in bad:
        with pytest.raises(msgspec.ValidationError, match="Expected `int`"):
            msgspec.convert(str(value), limit.type, strict=False)


@pytest.mark.parametrize("step", STEPS)
def test_values_come_back_from_json(repo, step):
    """A client in Python can read the answer into the same types."""
    value = step(project_path=repo.path)
    kind = inspect.signature(step, eval_str=True).return_annotation
    assert msgspec.json.decode(msgspec.json.encode(value), type=kind) == value
