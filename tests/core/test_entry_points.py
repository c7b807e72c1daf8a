"""Plugins of installed distributions, which are real folders here: `*.dist-info` on the path."""

from __future__ import annotations

import importlib
import sys
import textwrap

import pytest
from aiohttp_steps.errors import DefinitionError

GROUP = "steps_under_test"

GOOD = """
    from aiohttp_steps import step

    @step(views=["v"])
    def {name}_step(): ...
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that installs a distribution with entry points and modules."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def make(distribution, version="1.0", **plugins):
        info = tmp_path / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        lines = []
        for name, source in plugins.items():
            module = f"{distribution.replace('-', '_')}_{name}"
            (tmp_path / f"{module}.py").write_text(textwrap.dedent(source.format(name=name)))
            lines.append(f"{name} = {module}")
        (info / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines]) + "\n")
        importlib.invalidate_caches()

    yield make
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def load(registry):
    """Return a function that loads what was installed."""
    return lambda **options: registry.load_entry_points(GROUP, **options)


def test_plugins_are_found_and_sorted_by_name(install, load, registry):
    """The order of a file system, or of pip's history, must not decide which write comes first."""
    install("dist-one", zebra=GOOD, monkey=GOOD)
    install("dist-two", version="2.5", ant=GOOD)

    assert load() == 3

    assert [s.name for s in registry.steps] == ["ant_step", "monkey_step", "zebra_step"]
    assert [(i.name, i.distribution, i.version) for i in registry.plugins[2:]] == [
        ("ant", "dist-two", "2.5"),
        ("monkey", "dist-one", "1.0"),
        ("zebra", "dist-one", "1.0"),
    ]
    assert registry.failures == ()


def test_loading_again_does_nothing(install, load, registry):
    """Apps and their tests call it more than once."""
    install("dist", a=GOOD, b=GOOD)
    assert load() == 2
    plan = registry.plan("v")
    assert load() == 0
    assert registry.plan("v") is plan
    assert registry.failures == ()


@pytest.mark.parametrize(
    ("source", "error", "text"),
    [
        pytest.param("import module_that_is_not_there", ImportError, "module_that_is_not_there", id="import"),
        pytest.param("1 / 0", ZeroDivisionError, "division by zero", id="any_error"),
        pytest.param("raise SystemExit('no config')", SystemExit, "no config", id="system_exit"),
        pytest.param("def broken(:", SyntaxError, "invalid syntax", id="syntax"),
        pytest.param(
            "from aiohttp_steps import step\n@step\ndef broken(path): ...",
            DefinitionError,
            "positional",
            id="step",
        ),
        pytest.param(
            "from aiohttp_steps import step\n@step(views='v')\ndef broken(): ...",
            DefinitionError,
            "list",
            id="option",
        ),
    ],
)
def test_a_plugin_that_cannot_be_loaded_is_kept_with_its_traceback(install, registry, source, error, text):
    """One broken plugin must not stop a server, nor must it vanish without a trace."""
    install("dist", version="3.1", a=GOOD, broken=source, c=GOOD)

    assert registry.load_entry_points(GROUP) == 2

    assert [s.name for s in registry.steps] == ["a_step", "c_step"]
    (failure,) = registry.failures
    assert (failure.name, failure.target) == ("broken", "dist_broken")
    assert (failure.distribution, failure.version) == ("dist", "3.1")
    assert isinstance(failure.error, error)
    assert text in failure.traceback
    assert "dist_broken.py" in failure.traceback


def test_a_target_that_is_not_there_is_a_failure(install, load, registry, tmp_path):
    """A renamed attribute in a new version of a plugin."""
    install("dist", a=GOOD)
    (tmp_path / "dist-1.0.dist-info" / "entry_points.txt").write_text(f"[{GROUP}]\na = dist_a:missing\n")
    assert load() == 0
    assert isinstance(registry.failures[0].error, AttributeError)
    assert registry.failures[0].target == "dist_a:missing"


def test_strict_raises_the_first_failure(install, load):
    """In CI a plugin that does not load is an error."""
    install("dist", a="1 / 0", b="raise LookupError")
    with pytest.raises(ZeroDivisionError):
        load(strict=True)


def test_a_keyboard_interrupt_while_importing_passes(install, load):
    """Whoever presses Ctrl-C during a slow import wants to stop."""
    install("dist", a="raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load()


def test_a_blocked_plugin_is_not_even_imported(install, load, registry):
    """A plugin may be blocked because its import does harm."""
    install("dist", a="raise SystemExit", b=GOOD)
    registry.block("a")
    assert load() == 1
    assert registry.failures == ()
    assert "dist_a" not in sys.modules


def test_two_distributions_with_one_plugin_name_are_a_failure(install, load, registry):
    """Which of them counts is decided by their targets' names, and said."""
    install("dist-one", same=GOOD)
    install("dist-two", same=GOOD)
    assert load() == 1
    assert [i.distribution for i in registry.plugins[2:]] == ["dist-one"]
    (failure,) = registry.failures
    assert failure.distribution == "dist-two"
    assert "has a name that is taken" in str(failure.error)


def test_a_failure_is_forgotten_once_the_plugin_loads(install, load, registry, tmp_path):
    """A development server loads again after the file was mended: the old traceback would mislead."""
    install("dist", a="1 / 0")
    load()
    load()
    assert len(registry.failures) == 1
    (tmp_path / "dist_a.py").write_text(textwrap.dedent(GOOD.format(name="a_mended")))
    importlib.invalidate_caches()
    assert load() == 1
    assert registry.failures == ()


def test_an_unregistered_plugin_can_be_loaded_again(install, load, registry):
    """Its distribution is known again, too."""
    install("dist", a=GOOD)
    load()
    registry.unregister("a")
    assert load() == 1
    assert registry.plugins[-1].distribution == "dist"


def test_nothing_installed_loads_nothing(load, registry):
    """An empty environment is no error here; a view without steps is one later."""
    assert load() == 0
    assert registry.steps == ()
