"""`StepRegistry.call_hook` against pluggy's own calls.

Each case is a set of implementations. pluggy calls them as plain functions and generators; `call_hook` calls
the same ones, and their twins made of `async def` and async generators. Results, errors, warnings and the
trace of what was called must be the same.
"""

from __future__ import annotations

import asyncio
import warnings
from dataclasses import dataclass
from functools import partial
from typing import Any

import pluggy
import pytest
from aiohttp_steps import StepRegistry, collect_errors, concurrency, hookimpl
from aiohttp_steps.errors import HookExitError
from hypothesis import given, settings
from hypothesis import strategies as st

hookspec = pluggy.HookspecMarker("aiohttp_steps")


class WrongError(Exception):
    """What a plugin under test raises."""


@dataclass(frozen=True)
class Blueprint:
    """One implementation of `work(x, y)`, as function or generator, sync or async.

    Attributes:
        style: `"plain"`, or the pluggy option that makes it a wrapper.
        options: other options of `hookimpl`.
        gives: what a plain one returns; an error is raised.
        begins: what a wrapper does first: `"yield"`, `"raise"`, or `"end"` without a `yield`.
        on_value: what it does with a result: `"keep"`, `"replace"`, `"raise"`, `"yield again"`.
        on_error: what it does with an error: `"let"` it through, `"catch"`, `"replace"` it by another.
    """

    style: str = "plain"
    options: tuple[str, ...] = ()
    gives: Any = "given"
    begins: str = "yield"
    on_value: str = "keep"
    on_error: str = "let"


def value(gives: Any, *options: str) -> Blueprint:
    """A plain implementation."""
    return Blueprint(options=options, gives=gives)


def wrapper(*options: str, **does: str) -> Blueprint:
    """A wrapper of the new style."""
    return Blueprint("wrapper", options, **does)


def old(*options: str, **does: str) -> Blueprint:
    """A wrapper of the old style."""
    return Blueprint("hookwrapper", options, **does)


def make_plain(name: str, blueprint: Blueprint, trace: list[Any], *, is_async: bool) -> Any:
    def work(x):
        trace.append((name, x))
        if isinstance(blueprint.gives, BaseException):
            raise type(blueprint.gives)(name)
        return (name, blueprint.gives) if blueprint.gives == "given" else blueprint.gives

    async def work_later(x):
        await asyncio.sleep(0)
        return work(x)

    return work_later if is_async else work


def end_new(name: str, blueprint: Blueprint, trace: list[Any], result: Any, error: Any) -> Any:
    """Do the second half of a new-style wrapper: return its value or raise."""
    trace.append((name, "error", type(error)) if error else (name, "value", repr(result)))
    does = blueprint.on_error if error else blueprint.on_value
    if error and does == "let":
        raise error
    if does in ("raise", "replace") and (error or does == "raise"):
        raise WrongError(name)
    return f"{name} in place of {result!r}" if does in ("replace", "catch") else result


def end_old(name: str, blueprint: Blueprint, trace: list[Any], result: pluggy.Result[Any]) -> None:
    """Do the second half of an old-style wrapper."""
    error = result.exception
    trace.append((name, "error", type(error)) if error else (name, "value", repr(result.get_result())))
    does = blueprint.on_error if error else blueprint.on_value
    if does == "raise":
        raise WrongError(name)
    if error and does == "replace":
        result.force_exception(WrongError(name))
    elif does in ("replace", "catch"):
        result.force_result(f"{name} instead")


def begin(name: str, blueprint: Blueprint, trace: list[Any], y: Any) -> bool:
    """Do the first half of a wrapper; tell whether it yields."""
    trace.append((name, "begins", y))
    if blueprint.begins == "raise":
        raise WrongError(name)
    return blueprint.begins == "yield"


def make_wrapper(  # noqa: C901 - four twins that must stand side by side
    name: str, blueprint: Blueprint, trace: list[Any], *, is_async: bool
) -> Any:
    first, new, late = (partial(half, name, blueprint, trace) for half in (begin, end_new, end_old))
    again = blueprint.on_value == "yield again"

    def wrap(y):
        if first(y):
            error = result = None
            try:
                result = yield
            except Exception as raised:  # noqa: BLE001 - whatever was drawn
                error = raised
            ending = new(result, error)
            if again:
                yield
            return ending

    async def wrap_later(y):
        await asyncio.sleep(0)
        if first(y):
            error = result = None
            try:
                result = yield
            except Exception as raised:  # noqa: BLE001 - whatever was drawn
                error = raised
            await asyncio.sleep(0)
            yield new(result, error)
            if again:
                yield

    def wrap_old(y):
        if first(y):
            late((yield))
            if again:
                yield

    async def wrap_old_later(y):
        await asyncio.sleep(0)
        if first(y):
            result = yield
            await asyncio.sleep(0)
            late(result)
            if again:
                yield

    if blueprint.style == "wrapper":
        return wrap_later if is_async else wrap
    return wrap_old_later if is_async else wrap_old


def make_plugin(name: str, blueprint: Blueprint, trace: list[Any], *, is_async: bool = False) -> Any:
    make = make_plain if blueprint.style == "plain" else make_wrapper
    function = make(name, blueprint, trace, is_async=is_async)
    options = dict.fromkeys(blueprint.options, True)
    if blueprint.style != "plain":
        options[blueprint.style] = True
    return type("Plugin", (), {"work": staticmethod(hookimpl(**options)(function))})()


def make_spec(**options: bool) -> type:
    class Spec:
        @hookspec(**options)
        def work(self, x, y):
            """Work."""

    return Spec


def describe(error: BaseException) -> tuple[Any, ...]:
    """What two calls that fail alike have in common."""
    if isinstance(error, HookExitError):
        error = error.__cause__
    if isinstance(error, RuntimeError):
        return (RuntimeError,)
    return type(error), error.args


def call_pluggy(blueprints: list[Blueprint], *, firstresult: bool, arguments: dict[str, Any]) -> Any:
    manager = pluggy.PluginManager("aiohttp_steps")
    manager.add_hookspecs(make_spec(firstresult=firstresult))
    trace: list[Any] = []
    for index, blueprint in enumerate(blueprints):
        manager.register(make_plugin(f"p{index}", blueprint, trace), f"p{index}")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            ending = ("returned", manager.hook.work(**arguments))
        except BaseException as error:  # noqa: BLE001 - whatever was drawn
            ending = ("raised", describe(error))
    return ending, trace, [warning.category for warning in warned]


async def call_ours(
    blueprints: list[Blueprint], are_async: list[bool], *, firstresult: bool, arguments: dict[str, Any]
) -> Any:
    registry = StepRegistry()
    registry.plugin_manager.add_hookspecs(make_spec(firstresult=firstresult))
    trace: list[Any] = []
    for index, (blueprint, is_async) in enumerate(zip(blueprints, are_async, strict=True)):
        registry.register(make_plugin(f"p{index}", blueprint, trace, is_async=is_async), f"p{index}")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            ending = ("returned", await registry.call_hook("work", **arguments))
        except BaseException as error:  # noqa: BLE001 - whatever was drawn
            ending = ("raised", describe(error))
    return ending, trace, [warning.category for warning in warned]


WRONG = WrongError()
ALL = {"x": 1, "y": 2}

CASES: dict[str, list[Blueprint]] = {
    "nobody": [],
    "one": [value("given")],
    "the last registered is called first": [value("given")] * 3,
    "tryfirst and trylast": [
        value("given", "tryfirst"),
        value("given"),
        value("given", "trylast"),
        value("given"),
    ],
    "several tryfirst": [value("given", "tryfirst"), value("given", "tryfirst"), value("given")],
    "several trylast": [value("given", "trylast"), value("given", "trylast"), value("given")],
    "None is dropped": [value(None), value("given"), value(None)],
    "all None": [value(None), value(None)],
    "what is false is a result": [value(0), value(""), value([]), value(False)],
    "an error stops the rest": [value("given"), value(WRONG), value("given")],
    "an error behind a result": [value(WRONG), value("given")],
    "an error behind None": [value("given"), value(WRONG), value(None)],
    "SystemExit": [value("given"), value(SystemExit())],
    "KeyboardInterrupt": [value("given"), value(KeyboardInterrupt())],
    "wrapper around nobody": [wrapper()],
    "wrapper keeps": [value("given"), wrapper()],
    "wrapper replaces": [value("given"), wrapper(on_value="replace")],
    "wrapper raises": [value("given"), wrapper(on_value="raise")],
    "wrapper lets an error through": [value(WRONG), wrapper()],
    "wrapper catches an error": [value(WRONG), wrapper(on_error="catch")],
    "wrapper replaces an error": [value(WRONG), wrapper(on_error="replace")],
    "wrapper fails at the beginning": [value("given"), wrapper(begins="raise"), wrapper(on_error="catch")],
    "wrapper without yield": [value("given"), wrapper(begins="end")],
    "wrapper with two yields": [value("given"), wrapper(on_value="yield again")],
    "wrappers nest": [value("given"), wrapper(on_value="replace"), wrapper(on_value="replace")],
    "wrappers with tryfirst and trylast": [
        wrapper("tryfirst"),
        wrapper(),
        value("given"),
        wrapper("trylast"),
        wrapper("tryfirst"),
        wrapper("trylast"),
        wrapper(),
    ],
    "an inner wrapper's error in an outer one": [
        value("given"),
        wrapper(on_value="raise"),
        wrapper(on_error="catch"),
    ],
    "old wrapper looks": [value("given"), old()],
    "old wrapper forces a result": [value("given"), old(on_value="replace")],
    "old wrapper forces a result over an error": [value(WRONG), old(on_error="catch")],
    "old wrapper forces an error": [value(WRONG), old(on_error="replace")],
    "old wrapper lets an error be": [value(WRONG), old()],
    "old wrapper raises": [value("given"), old(on_value="raise"), wrapper(on_error="catch")],
    "old wrapper fails at the beginning": [value("given"), old(begins="raise")],
    "old wrapper without yield": [value("given"), old(begins="end")],
    "old wrapper with two yields": [value("given"), old(on_value="yield again"), wrapper(on_error="catch")],
    "both styles nest": [value("given"), old(on_value="replace"), wrapper(on_value="replace"), old()],
}


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("firstresult", [False, True], ids=["all results", "first result"])
@pytest.mark.parametrize("blueprints", CASES.values(), ids=CASES.keys())
async def test_a_call_gives_what_pluggy_gives(blueprints, firstresult, is_async):
    """A host that goes from pluggy's calls to `call_hook` must find nothing changed."""
    expected = call_pluggy(blueprints, firstresult=firstresult, arguments=ALL)
    called = await call_ours(blueprints, [is_async] * len(blueprints), firstresult=firstresult, arguments=ALL)
    assert called == expected


PLAIN = st.builds(
    Blueprint,
    style=st.just("plain"),
    gives=st.sampled_from(["given", "given", None, None, 0, WRONG, ValueError()]),
)
WRAPPERS = st.builds(
    Blueprint,
    style=st.sampled_from(["wrapper", "hookwrapper"]),
    begins=st.sampled_from(["yield"] * 6 + ["raise", "end"]),
    on_value=st.sampled_from(["keep", "replace", "raise"]),
    on_error=st.sampled_from(["let", "catch", "replace"]),
)


@st.composite
def blueprint_lists(draw, kinds):
    drawn = draw(st.lists(kinds, max_size=7))
    orders = st.sampled_from([(), ("tryfirst",), ("trylast",)])
    return [Blueprint(**{**vars(one), "options": draw(orders)}) for one in drawn]


@settings(deadline=None)
@given(blueprints=blueprint_lists(PLAIN | WRAPPERS), firstresult=st.booleans())
def test_any_sync_implementations_give_what_pluggy_gives(blueprints, firstresult):
    """The table holds what somebody thought of; this is the rest."""
    expected = call_pluggy(blueprints, firstresult=firstresult, arguments=ALL)
    sync = [False] * len(blueprints)
    assert asyncio.run(call_ours(blueprints, sync, firstresult=firstresult, arguments=ALL)) == expected


@settings(deadline=None)
@given(blueprints=blueprint_lists(PLAIN | WRAPPERS), firstresult=st.booleans(), data=st.data())
def test_any_mixed_implementations_give_what_pluggy_gives_for_sync_ones(blueprints, firstresult, data):
    """Writing `async` before a `def` must change nothing but that it may wait."""
    expected = call_pluggy(blueprints, firstresult=firstresult, arguments=ALL)
    are_async = [data.draw(st.booleans()) for _ in blueprints]
    called = asyncio.run(call_ours(blueprints, are_async, firstresult=firstresult, arguments=ALL))
    assert called == expected


@settings(deadline=None)
@given(
    blueprints=blueprint_lists(PLAIN),
    firstresult=st.booleans(),
    is_sequential=st.booleans(),
    data=st.data(),
)
def test_parallel_implementations_give_what_pluggy_gives(blueprints, firstresult, is_sequential, data):
    """The class of an implementation may change how long a call takes, never what it gives.

    Of several errors pluggy raises the first; it must be the first of ours.
    """
    (kind, expected), _, _ = call_pluggy(blueprints, firstresult=firstresult, arguments=ALL)
    registry = StepRegistry(sequential=is_sequential)
    registry.plugin_manager.add_hookspecs(make_spec(firstresult=firstresult))
    for index, blueprint in enumerate(blueprints):
        plugin = make_plugin(f"p{index}", blueprint, [], is_async=data.draw(st.booleans()))
        concurrency(data.draw(st.sampled_from(["parallel", "sequential"])))(plugin.work)
        registry.register(plugin, f"p{index}")
    if kind == "returned":
        assert asyncio.run(registry.call_hook("work", **ALL)) == expected
    else:
        with pytest.raises(BaseException) as caught:  # noqa: PT011 - compared below
            asyncio.run(registry.call_hook("work", **ALL))
        errors = getattr(caught.value, "exceptions", [caught.value])
        assert describe(errors[0]) == expected


class Arguments:
    """Plugins by what they take of `work(x, y)`."""

    class Nothing:
        @hookimpl
        def work(self):
            return "nothing"

    class Default:
        @hookimpl
        def work(self, y, x=5):
            return x, y

    class KeywordOnly:
        @hookimpl
        def work(self, y, *, x=7):
            return x, y

    class Wrapper:
        @hookimpl(wrapper=True)
        def work(self, x):
            result = yield
            return [x, *result]


@pytest.mark.parametrize("arguments", [ALL, {"y": 2}, {"x": 1}, {}, {**ALL, "z": 3}], ids=str)
@pytest.mark.parametrize(
    "names",
    [["Nothing"], ["Default"], ["KeywordOnly"], ["Nothing", "Wrapper"], ["Default", "Nothing"]],
    ids="+".join,
)
async def test_arguments_are_handed_out_as_pluggy_does(names, arguments):
    """An implementation takes what it likes; what is missing is warned of, or its own failure."""
    endings = []
    manager, registry = pluggy.PluginManager("aiohttp_steps"), StepRegistry()
    manager.add_hookspecs(make_spec())
    registry.plugin_manager.add_hookspecs(make_spec())
    for name in names:
        manager.register(getattr(Arguments, name)())
        registry.register(getattr(Arguments, name)())

    async def call_manager(**arguments):
        return manager.hook.work(**arguments)

    for call in (call_manager, partial(registry.call_hook, "work")):
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                endings.append(await call(**arguments))
            except pluggy.HookCallError as error:
                endings.append((type(error), error.args))
        endings.append([warning.category for warning in warned])
    assert endings[:2] == endings[2:]


async def test_the_warning_of_a_missing_argument_points_at_the_call():
    """The host has to find the call, not the framework."""
    registry = StepRegistry()
    registry.plugin_manager.add_hookspecs(make_spec())
    with pytest.warns(UserWarning, match="'y' which are declared in the hookspec 'work'") as warned:
        await registry.call_hook("work", x=1)
    assert warned[0].filename == __file__


async def test_the_warning_of_an_old_wrapper_that_raises_points_at_the_call():
    """As pluggy's own warning does."""
    registry = StepRegistry()
    registry.plugin_manager.add_hookspecs(make_spec())
    registry.register(make_plugin("p0", old(on_value="raise"), []))
    with (
        pytest.warns(pluggy.PluggyTeardownRaisedWarning, match="Hook: work") as warned,
        pytest.raises(WrongError),
    ):
        await registry.call_hook("work", **ALL)
    assert warned[0].filename == __file__


async def test_defaults_of_the_hookspec_are_handed_out():
    """They are new in pluggy 1.7: a host's hooks must not depend on which pluggy is installed."""

    class Spec:
        @hookspec
        def work(self, x, y=4):
            """Work."""

    class Plugin:
        @hookimpl
        def work(self, x, y=0):
            return x, y

    registry = StepRegistry()
    registry.plugin_manager.add_hookspecs(Spec)
    registry.register(Plugin())
    assert await registry.call_hook("work", x=1) == [(1, 4)]
    assert await registry.call_hook("work", x=1, y=2) == [(1, 2)]


async def test_arguments_may_have_any_name():
    """A host names its arguments without looking at the framework's signatures."""

    class Spec:
        @staticmethod
        @hookspec
        def work(self, name, arguments):  # noqa: PLW0211 - that is what is tested
            """Work."""

    class Plugin:
        @staticmethod
        @hookimpl
        def work(name, arguments):
            return name, arguments

    registry = StepRegistry()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pluggy's word on `self`, if it has one
        registry.plugin_manager.add_hookspecs(Spec)
    registry.register(Plugin())
    assert await registry.call_hook("work", self=0, name=1, arguments=2) == [(1, 2)]


async def test_an_outer_wrapper_is_left_although_an_inner_one_yields_too_often():
    """With pluggy the garbage collector ends the outer ones; here they are always left."""
    registry = StepRegistry()
    registry.plugin_manager.add_hookspecs(make_spec())
    trace: list[Any] = []
    registry.register(make_plugin("inner", wrapper(on_value="yield again"), trace), "inner")
    registry.register(make_plugin("outer", wrapper(), trace), "outer")
    with pytest.raises(RuntimeError, match=r"plugin 'inner': its wrapper of hook 'work'.*one yield too many"):
        await registry.call_hook("work", **ALL)
    assert trace[-1] == ("outer", "error", RuntimeError)


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_stop_iteration_passes_wrappers_and_leaves_as_runtime_error(is_async):
    """From pluggy it comes bare; Python lets it out of a coroutine only as the cause of a RuntimeError."""
    registry = StepRegistry()
    registry.plugin_manager.add_hookspecs(make_spec())
    seen = []

    def wrap():
        try:
            yield
        except BaseException as error:
            seen.append(error)
            raise

    async def wrap_later():
        try:
            yield
        except BaseException as error:
            seen.append(error)
            raise

    function = hookimpl(wrapper=True)(wrap_later if is_async else wrap)
    registry.register(make_plugin("p0", value(StopIteration()), []))
    registry.register(type("Wrapper", (), {"work": staticmethod(function)})())
    with pytest.raises(RuntimeError) as caught:
        await registry.call_hook("work", **ALL)
    assert [type(error) for error in seen] == [StopIteration]
    assert caught.value.__cause__ is seen[0]


async def test_collect_errors_is_not_pluggys_business():
    """The mark on a hookspec leaves pluggy's own calls as they were."""

    class Spec:
        @collect_errors
        @hookspec
        def work(self, x, y):
            """Work."""

    trace: list[Any] = []
    registry = StepRegistry()
    registry.plugin_manager.add_hookspecs(Spec)
    for index in range(2):
        registry.register(make_plugin(f"p{index}", value(WRONG), trace), f"p{index}")
    with pytest.raises(WrongError):
        registry.plugin_manager.hook.work(**ALL)
    assert trace == [("p1", 1)]
    with pytest.raises(ExceptionGroup):
        await registry.call_hook("work", **ALL)
