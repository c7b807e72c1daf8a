"""Plugins: what can be one, what is read from it, and what is refused."""

from __future__ import annotations

import functools
import re
import types

import pytest
from aiohttp_steps import StepRegistry, hookimpl, step
from aiohttp_steps.errors import DefinitionError, RegistrationError
from aiohttp_steps.registry import read_dependencies
from aiohttp_steps.types import Dependency

sequential = step(views=["v"])


class Counter:
    """A plugin with state: each instance counts on its own."""

    def __init__(self):
        self.count = 0

    @step(views=["v"])
    async def count_up(self, *, by=1):
        """Take `self`, which is not a parameter of the step."""
        self.count += by
        return self.count

    @staticmethod
    @step(views=["v"], runner="inline")
    def fixed():
        return "fixed"

    @classmethod
    @step(views=["v"], runner="inline")
    def own_class(cls):
        return cls.__name__


async def test_an_instance_is_a_plugin(registry):
    """Plugins with settings are instances; their methods are bound before they become steps."""
    counter = Counter()
    assert registry.register(counter) == "Counter"
    report = await registry.run("v")
    assert dict(zip(report, map(report.__getitem__, report), strict=True)) == {
        "count_up": 1,
        "fixed": "fixed",
        "own_class": "Counter",
    }
    assert counter.count == 1
    assert registry.steps[0].dependencies == (Dependency("by", required=False),)


async def test_a_module_is_a_plugin(registry, make_plugin):
    """The commonest plugin: a module with functions."""

    @step(views=["v"], runner="inline")
    def branch():
        return "main"

    module = make_plugin("my_plugin", branch)
    assert registry.register(module) == "my_plugin"
    assert (await registry.run("v"))["branch"] == "main"
    assert registry.steps[0].plugin == "my_plugin"


async def test_any_object_is_a_plugin(registry):
    """Tests put functions together on the spot."""

    @step(views=["v"], runner="inline")
    def branch():
        return "main"

    assert registry.register(types.SimpleNamespace(anything=branch)) == "SimpleNamespace"
    assert (await registry.run("v"))["branch"] == "main"


def test_an_object_without_a_dict_is_a_plugin(registry):
    """Classes with slots are objects too."""

    class Small:
        __slots__ = ()

        @sequential
        def branch(self): ...

    registry.register(Small())
    assert [s.name for s in registry.steps] == ["branch"]


def test_a_class_is_refused_with_the_way_out(registry):
    """Its methods have no `self`: the call would fail at the first request."""
    with pytest.raises(
        DefinitionError, match=r"is a class; register an instance of it: Counter\(\)"
    ) as caught:
        registry.register(Counter)
    assert caught.value.plugin == "Counter"
    assert registry.steps == ()


def test_a_plugin_can_be_given_a_name(registry, make_plugin):
    """Two settings of one plugin need two names."""
    assert registry.register(make_plugin("module"), "other") == "other"
    assert "other" in [info.name for info in registry.plugins]


def test_a_plugin_object_is_registered_once(registry, make_plugin):
    """Twice would run its steps twice."""
    plugin = make_plugin("p")
    registry.register(plugin)
    with pytest.raises(
        RegistrationError, match="plugin 'q' is already registered as 'p'; unregister that first"
    ):
        registry.register(plugin, "q")


def test_a_taken_name_is_refused(registry, make_plugin):
    """Replacing in silence would take somebody's steps away."""
    registry.register(make_plugin("p"))
    with pytest.raises(RegistrationError, match="plugin 'p' has a name that is taken") as caught:
        registry.register(make_plugin("p"))
    assert caught.value.plugin == "p"


@pytest.mark.parametrize("by", ["object", "name"])
def test_unregistering_takes_everything_back(registry, make_plugin, by):
    """Steps, inputs and views go with the plugin; it may come again."""
    plugin = make_plugin("p", sequential(lambda: None))
    plugin.branch = sequential(lambda: None)
    registry.register(plugin)
    assert registry.views == ("v",)
    assert registry.unregister(plugin if by == "object" else "p") is plugin
    assert registry.steps == ()
    assert registry.views == ()
    assert registry.register(plugin) == "p"


@pytest.mark.parametrize("what", ["nobody", object()], ids=["name", "object"])
def test_unregistering_a_stranger_says_who_is_there(registry, make_plugin, what):
    """The name in the message is the one to use."""
    registry.register(make_plugin("p"))
    with pytest.raises(
        RegistrationError, match=r"is not registered; registered are: builtin_runners, builtin_policies, p$"
    ):
        registry.unregister(what)


def test_a_blocked_plugin_cannot_come(registry, make_plugin):
    """An app's last word about a plugin that an installation brings."""
    registry.block("p")
    assert registry.register(make_plugin("p", sequential(lambda: None))) is None
    assert [info.name for info in registry.plugins] == ["builtin_runners", "builtin_policies"]


def test_blocking_unregisters(registry, make_plugin):
    """Whether the block or the plugin came first must not matter."""

    @sequential
    def branch(): ...

    registry.register(make_plugin("p", branch))
    assert [s.name for s in registry.steps] == ["branch"]
    registry.block("p")
    assert registry.steps == ()


def test_what_is_installed_is_listed_in_order(registry, make_plugin):
    """The command `plugins` shows this."""

    @sequential
    def b(): ...

    @sequential
    def a(): ...

    registry.register(make_plugin("z", b, a))
    registry.register(make_plugin("empty"))
    infos = registry.plugins[2:]
    assert [(i.name, [s.name for s in i.steps], i.distribution, i.version) for i in infos] == [
        ("z", ["b", "a"], None, None),
        ("empty", [], None, None),
    ]


def test_plugins_registered_with_pluggy_directly_count_after_a_refresh(registry, make_plugin):
    """Apps that manage pluggy themselves need one word to tell us."""

    @sequential
    def branch(): ...

    assert registry.steps == ()
    registry.plugin_manager.register(make_plugin("p", branch), "p")
    registry.refresh()
    assert [s.name for s in registry.steps] == ["branch"]


async def test_a_bare_hookimpl_on_the_hook_step_is_a_sequential_step(registry):
    """Plain pluggy plugins work: what claims nothing overlaps nothing."""

    class Plain:
        @hookimpl
        async def step(self, request):
            return "from pluggy"

    registry.register(Plain(), "plain-plugin")
    (found,) = registry.steps
    assert (found.name, found.kind, found.options.views) == ("plain_plugin", "sequential", ())
    report = await registry.run(wanted=["plain_plugin"], request=object())
    assert report["plain_plugin"] == "from pluggy"


def test_a_bare_hookimpl_under_another_name_keeps_that_name(registry, make_plugin):
    """`specname` is pluggy's way to have several implementations in one plugin."""

    @hookimpl(specname="step")
    def branch(): ...

    registry.register(make_plugin("p", branch))
    assert [s.name for s in registry.steps] == ["branch"]


def bad_generator():
    yield 1


@functools.wraps(bad_generator)
def bad_wrapped_generator():
    return bad_generator()


def bad_positional(path): ...


def bad_request_name(req, *, path): ...


def bad_args(*paths): ...


def bad_kwargs(**options): ...


@pytest.mark.parametrize(
    ("function", "fault"),
    [
        pytest.param(
            bad_positional,
            "takes the positional parameter 'path', but only 'request' may be one; "
            "make it keyword-only by a * before it: *, path",
            id="positional",
        ),
        pytest.param(bad_request_name, "takes the positional parameter 'req'", id="request_name"),
        pytest.param(
            bad_args, "takes '*paths', which names no steps or inputs; write their names after a *", id="args"
        ),
        pytest.param(bad_kwargs, "takes '**options', which names no steps or inputs", id="kwargs"),
        pytest.param(
            bad_wrapped_generator,
            "is a generator behind a decorator that hides it; decorate a generator function that yields",
            id="wrapped_generator",
        ),
    ],
)
def test_a_signature_that_is_no_steps_is_refused(registry, make_plugin, function, fault):
    """Plugin, step, line, fault, remedy: at registration, when its author looks."""
    innermost = getattr(function, "__wrapped__", function)
    plugin = make_plugin("p")
    plugin.mistaken = hookimpl(specname="step")(function)
    with pytest.raises(DefinitionError, match=re.escape(fault)) as caught:
        registry.register(plugin)
    error = caught.value
    assert (error.plugin, error.step) == ("p", function.__name__)
    assert error.location == f"{__file__}:{innermost.__code__.co_firstlineno}"
    assert str(error).startswith(f"plugin 'p', step '{function.__name__}' ({error.location}): ")


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(hookimpl(specname="step")(bad_positional), id="step"),
        pytest.param(hookimpl(specname="step_inputs")(lambda wrong: []), id="argument_of_a_hook"),
        pytest.param(hookimpl(specname="step", wrapper=True)(bad_generator), id="wrapper"),
    ],
)
def test_a_half_broken_plugin_registers_nothing(registry, make_plugin, broken):
    """Half of a plugin is worse than none: its good steps would run without what they count on."""

    @sequential
    def a_good_one(): ...

    @sequential
    def z_good_one(): ...

    plugin = make_plugin("p", a_good_one, z_good_one)
    plugin.m_broken = broken
    with pytest.raises(DefinitionError) as caught:
        registry.register(plugin)
    assert caught.value.plugin == "p"
    assert registry.steps == ()
    assert [info.name for info in registry.plugins] == ["builtin_runners", "builtin_policies"]
    del plugin.m_broken
    registry.register(plugin)
    assert [s.name for s in registry.steps] == ["a_good_one", "z_good_one"]


def test_a_step_that_wraps_others_is_refused(registry, make_plugin):
    """The engine runs steps itself: a wrapper around a hook call would wrap nothing."""
    plugin = make_plugin("p")
    plugin.wraps = hookimpl(specname="step", wrapper=True)(bad_generator)
    with pytest.raises(DefinitionError, match="a step cannot be a hook wrapper; add a step_middleware"):
        registry.register(plugin)


@pytest.mark.parametrize("kind", ["async_def", "async_generator"])
def test_an_async_implementation_of_a_plain_hook_is_refused(registry, make_plugin, kind):
    """Pluggy would give a coroutine that nobody awaits, and the inputs would silently be missing."""

    async def step_inputs():
        return []

    async def generated():
        yield

    plugin = make_plugin("p")
    function = step_inputs if kind == "async_def" else generated
    plugin.step_inputs = hookimpl(specname="step_inputs")(function)
    with pytest.raises(
        DefinitionError, match="the hook 'step_inputs' is called by pluggy, which cannot await"
    ):
        registry.register(plugin)


def test_an_unknown_hook_is_refused_by_the_check(registry, make_plugin):
    """A slip in a hook's name would otherwise be a plugin that does nothing."""
    plugin = make_plugin("p")
    plugin.step_input = hookimpl(lambda: None)
    plugin.step_input.__name__ = "step_input"
    registry.register(plugin)
    with pytest.raises(
        DefinitionError, match=r"unknown hook 'step_input'.*the hooks are: step, step_inputs"
    ) as caught:
        registry.check_pending()
    assert caught.value.plugin == "p"


def test_an_optional_hook_may_be_unknown(registry, make_plugin):
    """Pluggy's way to work with several versions of us."""
    plugin = make_plugin("p")
    plugin.steps_of_the_future = hookimpl(optionalhook=True)(lambda: None)
    registry.register(plugin)
    registry.check_pending()


def test_a_marked_hook_that_is_no_step_is_left_alone(registry, make_plugin):
    """The marker of another hook must not turn its implementation into a step."""
    plugin = make_plugin("p")
    plugin.steps_run_started = hookimpl(specname="steps_run_started")(lambda run: None)
    registry.register(plugin)
    assert registry.steps == ()


def test_dependencies_are_read_from_keyword_only_parameters():
    """The one rule of the signature: what stands after the star comes from steps and inputs."""

    def function(request, *, needed, optional=1): ...

    assert read_dependencies(function) == (
        Dependency("needed", required=True),
        Dependency("optional", required=False),
    )


@pytest.mark.parametrize(
    ("function", "takes"),
    [
        pytest.param(lambda: None, False, id="no"),
        pytest.param(lambda request: None, True, id="yes"),
        pytest.param(lambda request=None: None, "optional", id="optional"),
        pytest.param(lambda *, request: None, False, id="keyword_only_is_a_dependency"),
    ],
)
def test_whether_a_step_takes_the_request_is_read_from_its_signature(registry, make_plugin, function, takes):
    """Optional as in pluggy: a step takes the arguments that it names."""
    plugin = make_plugin("p")
    plugin.s = step(name="s")(function)
    registry.register(plugin)
    assert registry.steps[0].takes_request == takes


def test_a_registry_closes_itself_as_a_context_manager():
    """`async with StepRegistry()` is the way in scripts."""

    async def use():
        async with StepRegistry() as registry:
            return registry

    import asyncio

    loop = asyncio.new_event_loop()
    assert isinstance(loop.run_until_complete(use()), StepRegistry)
    loop.close()


def test_a_step_says_who_and_where_it_is(registry, make_plugin):
    """In a debugger one sees names, not addresses."""

    @sequential
    def branch(): ...

    registry.register(make_plugin("p", branch))
    assert repr(registry.steps[0]) == (
        f"<Step 'branch' of 'p' at {__file__}:{branch.__code__.co_firstlineno}>"
    )
