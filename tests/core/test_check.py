"""`check_registry`: each kind of thing that can be wrong is found, once, without running a step."""

from __future__ import annotations

import importlib
import types

import pytest
from aiohttp_steps import Input, StepRegistry, hookimpl, step
from aiohttp_steps.engine import Finding, check_registry
from aiohttp_steps.errors import DefinitionError


def make_registry(**plugins):
    """Register each plugin, a list of functions or a dict by name of hook, under its name."""
    registry = StepRegistry()
    for name, content in plugins.items():
        named = content if isinstance(content, dict) else {f.__name__: f for f in content}
        registry.register(types.SimpleNamespace(**named), name)
    return registry


def find(**plugins):
    """Return severities and messages of what is wrong with plugins."""
    return [(finding.severity, finding.message) for finding in check_registry(make_registry(**plugins))]


@step(views=["home"])
async def first(): ...


@step(concurrency="parallel", views=["home"])
async def reads(*, first, count=1): ...


def test_nothing_is_found_where_nothing_is_wrong():
    """Or nobody would look at the output."""
    assert find() == []
    assert (
        find(good={"first": first, "step_inputs": hookimpl(lambda: [Input("count", int)]), "reads": reads})
        == []
    )


def test_no_step_is_run():
    """It runs in CI, where there is no database."""

    @step(views=["home"])
    def drops():
        raise AssertionError

    assert find(good=[drops]) == []


def test_a_plugin_that_failed_to_load_is_an_error(tmp_path, monkeypatch):
    """With what it raised, by name: a message alone may be nothing but a key."""
    info = tmp_path / "failing-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: failing\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[checked]\nbad = failing_to_load\nworse = failing_as_written:plugin\n"
    )
    (tmp_path / "failing_to_load.py").write_text("{}['HOME']\n")
    (tmp_path / "failing_as_written.py").write_text(
        "from types import SimpleNamespace\n"
        "from aiohttp_steps import step\n"
        "plugin = SimpleNamespace(late=step(lambda *args: None))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    registry = StepRegistry()
    registry.load_entry_points("checked")
    bad, worse = check_registry(registry)
    assert bad == Finding("error", "plugin 'bad' (failing_to_load) cannot be loaded: KeyError: 'HOME'")
    assert worse.message.startswith(
        "plugin 'worse' (failing_as_written:plugin) cannot be loaded: plugin 'worse', step '<lambda>' ("
    )


def test_an_unknown_hook_is_an_error():
    """A slip of the pen in a hook's name would otherwise be a hook that is never called."""

    @hookimpl
    def step_input(): ...

    ((severity, message),) = find(typo=[step_input])
    assert severity == "error"
    assert "unknown hook 'step_input' in plugin" in message
    assert "the hooks are: step, step_inputs, " in message


def test_inputs_that_two_plugins_declare_differently_are_an_error():
    """Neither can be trusted to get what it expects."""
    ((severity, message),) = find(
        a={"step_inputs": hookimpl(lambda: [Input("count", int)])},
        b={"step_inputs": hookimpl(lambda: [Input("count", str)])},
    )
    assert severity == "error"
    assert "is int from the app only for 'a', but str from the app only for 'b'" in message


def test_two_runners_of_one_name_are_an_error():
    """A step that names it could run in either."""
    runner = types.SimpleNamespace(name="loop")
    ((severity, message),) = find(a={"step_runners": hookimpl(lambda: [runner])})
    assert severity == "error"
    assert "brings a runner called 'loop', a name that is taken" in message


def test_a_hook_that_raises_is_an_error_with_its_place():
    """The command that is to find everything must not end in a traceback of a plugin."""

    @hookimpl
    def step_inputs():
        return [{}["gone"]]

    ((severity, message),) = find(bad=[step_inputs])
    assert severity == "error"
    assert message.startswith(f"a hook of a plugin raised KeyError: 'gone' ({__file__}:")


@step(concurrency="parallel", views=["home"])
async def needs(*, frist): ...


def test_a_name_that_nobody_provides_is_an_error_with_the_nearest():
    """The application would not start."""
    ((severity, message),) = find(good=[first, needs])
    assert severity == "error"
    assert "plugin 'good', step 'needs', view 'home'" in message
    assert "takes 'frist', which no step and no input provides; did you mean 'first'?" in message


def test_an_error_of_a_step_in_no_view_is_found_as_well():
    """The first handler that asks for it would meet it."""

    @step(concurrency="parallel")
    async def hidden(*, nowhere): ...

    error, warning = find(good=[hidden])
    assert error[0] == "error"
    assert "takes 'nowhere', which no step and no input provides" in error[1]
    assert warning[0] == "warning"
    assert "joins no view, and no other step takes it; only a handler can ask for it" in warning[1]


def test_a_cycle_is_an_error_with_its_path_once_for_all_views():
    """One fault is one finding, however many views it is in."""

    @step(views=["a", "b"])
    async def hen(*, egg): ...

    @step(views=["a", "b"])
    async def egg(*, hen): ...

    ((severity, message),) = find(farm=[hen, egg])
    assert severity == "error"
    assert "waits for itself: hen -> egg -> hen" in message


def test_two_owners_of_a_name_are_an_error():
    """Both plugins are named, to know which to block."""

    def make():
        @step(views=["home"])
        async def same(): ...

        return same

    ((severity, message),) = find(a=[make()], b=[make()])
    assert severity == "error"
    assert "plugin 'a' has a step of this name too" in message


def test_a_runner_that_nobody_brings_is_an_error():
    """Its plugin is not installed, or the name is wrong."""

    @step(views=["home"], runner="thraed")
    def slow(): ...

    ((severity, message),) = find(a=[slow])
    assert severity == "error"
    assert "runner='thraed' is not known; did you mean 'thread'?" in message


def test_an_order_that_nothing_declares_is_an_error_in_each_view():
    """It depends on what is installed; both steps are named with their places."""

    @step(views=["home", "more"])
    async def second(): ...

    ((severity, message), (_, other)) = find(
        a=[step(views=["home", "more"])(_named("one"))], b=[second], c=[first]
    )[:2]
    assert severity == "error"
    assert message.startswith("view 'home': the order of step 'one' of plugin 'a' (")
    assert "is ambiguous: nothing declares it" in message
    assert other != message


def _named(name):
    async def function(): ...

    function.__name__ = name
    return function


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        pytest.param(
            {"after": ["frist"]},
            "after='frist' names nothing that is installed; did you mean 'first'?",
            id="after",
        ),
        pytest.param(
            {"before": ["qqq"]}, "before='qqq' names nothing that is installed", id="before, none is near"
        ),
        pytest.param(
            {"after": ["plugin:goood"]},
            "after='plugin:goood' names nothing that is installed; did you mean 'plugin:good'?",
            id="plugin",
        ),
    ],
)
def test_an_order_by_a_name_that_is_absent_is_a_warning(option, hint):
    """Absent is satisfied: an optional plugin is, and so is a slip of the pen."""
    ((severity, message),) = find(good=[first, step(views=["else"], **option)(_named("orders"))])
    assert severity == "warning"
    assert message.startswith("step 'orders' of plugin 'good' (")
    assert message.endswith(f": {hint}")


def test_an_order_by_what_is_there_is_none():
    """Names of steps and of plugins both count."""
    orders = step(views=["else"], after=["first", "plugin:good"])(_named("orders"))
    assert find(good=[first, orders]) == []


@pytest.mark.parametrize(
    ("name", "hint"),
    [("frist", "; did you mean 'first'?"), ("qqq", "")],
    ids=["a near one", "none is near"],
)
def test_a_parameter_that_always_has_its_default_is_a_warning(name, hint):
    """The plugin that provides it is not installed, or the name is wrong."""
    namespace = {}
    exec(f"async def takes(*, {name}=None): ...", namespace)
    ((severity, message),) = find(good=[first, step(views=["else"])(namespace["takes"])])
    assert severity == "warning"
    assert message.endswith(f"its parameter {name!r} always has its default: nothing provides it{hint}")


def test_errors_come_before_warnings():
    """What has to be mended stands on top."""
    severities = [severity for severity, _ in find(a=[step(_named("lonely"))], b=[first, needs])]
    assert severities == ["error", "warning"]


def test_a_plugin_that_is_refused_at_registration_is_no_finding():
    """That error is raised where somebody can catch it."""
    with pytest.raises(DefinitionError, match="is a class; register an instance"):
        make_registry().register(types.SimpleNamespace, "class")
