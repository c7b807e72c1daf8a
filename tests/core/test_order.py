"""Law 4's last resort: the order in which plugins were registered, and their steps written."""

from __future__ import annotations

import importlib
import sys
import textwrap

import pytest
from aiohttp_steps import hookimpl, step

sequential = step(views=["v"])


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Return a function that writes modules and imports the first; they are gone after the test."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def make(**sources):
        for name, source in sources.items():
            path = tmp_path.joinpath(*name.split("__in__")[::-1])
            path.parent.mkdir(exist_ok=True)
            path.with_suffix(".py").write_text(textwrap.dedent(source))
        importlib.invalidate_caches()
        return importlib.import_module(next(iter(sources)).split("__in__")[-1])

    yield make
    for name in set(sys.modules) - before:
        del sys.modules[name]


def names(registry):
    return [s.name for s in registry.steps]


def test_steps_of_a_module_stand_in_the_order_of_the_source(write, registry):
    """The alphabet, which `dir()` and so pluggy follow, is nobody's intention."""
    module = write(
        ordered_plugin="""
        from aiohttp_steps import step

        @step
        def zebra(): ...

        @step
        def ant(): ...

        @step
        def monkey(): ...
        """
    )
    registry.register(module)
    assert names(registry) == ["zebra", "ant", "monkey"]


def test_steps_of_several_files_stand_in_the_order_of_the_imports(write, registry):
    """A package that gathers its steps says their order by its imports; lines of two files do not compare."""
    module = write(
        gathering_plugin="""
        from far_steps import second, third
        from near_steps import first
        from aiohttp_steps import step

        @step
        def own(): ...
        """,
        far_steps="""
        from aiohttp_steps import step





        @step
        def third(): ...

        @step
        def second(): ...
        """,
        near_steps="""
        from aiohttp_steps import step

        @step
        def first(): ...
        """,
    )
    registry.register(module)
    assert names(registry) == ["third", "second", "first", "own"]


def test_steps_of_base_classes_come_first(registry):
    """A subclass adds to what is there."""

    class Base:
        @sequential
        def zebra(self): ...

        @sequential
        def replaced(self): ...

    class Plugin(Base):
        @sequential
        def monkey(self): ...

        @sequential
        def ant(self): ...

        @sequential
        def replaced(self): ...

    registry.register(Plugin())
    assert names(registry) == ["zebra", "monkey", "ant", "replaced"]


def test_functions_made_on_one_line_stand_in_the_order_of_the_namespace(registry, make_plugin):
    """Steps made in a loop have one line: the order in which they were put there decides."""
    made = []
    for name in ("zebra", "ant", "monkey"):
        function = step(lambda: None)
        function.__name__ = name
        made.append(function)
    registry.register(make_plugin("p", *made))
    assert names(registry) == ["zebra", "ant", "monkey"]


def test_plugins_stand_in_the_order_of_registration(registry, make_plugin):
    """The app decides by registering; the alphabet has no say here either."""

    @sequential
    def a(): ...

    @sequential
    def b(): ...

    registry.register(make_plugin("zzz", b))
    registry.register(make_plugin("aaa", a))
    assert names(registry) == ["b", "a"]


def test_tryfirst_and_trylast_go_before_and_behind_all_plugins(registry, make_plugin):
    """Pluggy's words keep their meaning; within each group it is registration, then source."""

    @hookimpl(trylast=True)
    @sequential
    def last_one(): ...

    @sequential
    def one(): ...

    @hookimpl(tryfirst=True)
    @sequential
    def first_one(): ...

    @hookimpl(trylast=True)
    @sequential
    def last_two(): ...

    @hookimpl(tryfirst=True)
    @sequential
    def first_two(): ...

    registry.register(make_plugin("p", last_one, one, first_one))
    registry.register(make_plugin("q", last_two, first_two))
    assert names(registry) == ["first_one", "first_two", "one", "last_one", "last_two"]


def test_a_step_that_another_plugin_imports_counts_once(write, registry):
    """`from other_plugin import branch` is how steps are named in `report[branch]`; it must not run twice."""
    user = write(
        using_plugin="""
        from providing_plugin import branch
        from aiohttp_steps import step

        @step
        def summary(*, branch): ...
        """,
        providing_plugin="""
        from aiohttp_steps import step

        @step
        def branch(): ...
        """,
    )
    registry.register(user)
    assert [(s.name, s.plugin) for s in registry.steps] == [
        ("branch", "using_plugin"),
        ("summary", "using_plugin"),
    ]
    registry.register(sys.modules["providing_plugin"])
    assert [(s.name, s.plugin) for s in registry.steps] == [
        ("summary", "using_plugin"),
        ("branch", "providing_plugin"),
    ]


def test_a_step_under_two_names_in_one_plugin_counts_once(registry, make_plugin):
    """An alias is kept for old imports."""

    @sequential
    def branch(): ...

    plugin = make_plugin("p", branch)
    plugin.old_name = branch
    registry.register(plugin)
    assert names(registry) == ["branch"]


def test_two_instances_of_one_class_have_their_own_steps(registry):
    """They are different steps, of one name: the plan refuses that, the registry does not hide it."""

    class Plugin:
        @sequential
        def branch(self): ...

    registry.register(Plugin(), "one")
    registry.register(Plugin(), "two")
    assert [(s.name, s.plugin) for s in registry.steps] == [("branch", "one"), ("branch", "two")]


def test_hooks_are_called_in_the_order_of_steps(registry, make_plugin):
    """One order for everything that plugins bring; pluggy itself calls the last registered first."""
    called = []
    for name in ("b", "a"):
        plugin = make_plugin(name)
        plugin.step_inputs = hookimpl(specname="step_inputs")(lambda name=name: called.append(name))
        registry.register(plugin)
    assert registry.inputs == {}
    assert called == ["b", "a"]
