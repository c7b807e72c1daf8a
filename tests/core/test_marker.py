"""The words of a step's author: options, their defaults, and what is refused."""

from __future__ import annotations

import inspect
import re

import pluggy
import pytest
from aiohttp_steps import exclusive, hookimpl, step
from aiohttp_steps.errors import DefinitionError, StepsError
from aiohttp_steps.marker import locate, step_name
from aiohttp_steps.types import MISSING, OPTIONS_ATTRIBUTE, Exclusive, Location, StepOptions


def options_of(function):
    return getattr(function, OPTIONS_ATTRIBUTE)


def test_a_bare_step_has_the_careful_defaults():
    """Who says nothing claims nothing: sequential, required, finished although the client left."""

    @step
    def plain(): ...

    assert options_of(plain) == StepOptions(
        concurrency="sequential",
        views=(),
        name=None,
        after=(),
        before=(),
        runner=None,
        timeout=None,
        queue_timeout=None,
        required=True,
        default=MISSING,
        on_disconnect="finish",
    )


def test_empty_parentheses_mean_the_same_as_none():
    """`@step` and `@step()` must not differ in more than looks."""

    @step()
    def plain(): ...

    assert options_of(plain) == StepOptions()


def test_every_option_is_kept():
    """What an author says arrives as it was said; lists become immutable."""

    @step(
        concurrency=exclusive("git:{path}"),
        views=["a", "b"],
        name="other",
        after=["x"],
        before=["plugin:y"],
        runner="thread",
        timeout=1,
        queue_timeout=0.5,
        required=False,
        on_disconnect="cancel",
    )
    def full(): ...

    assert options_of(full) == StepOptions(
        concurrency=Exclusive(("git:{path}",)),
        views=("a", "b"),
        name="other",
        after=("x",),
        before=("plugin:y",),
        runner="thread",
        timeout=1,
        queue_timeout=0.5,
        required=False,
        default=MISSING,
        on_disconnect="cancel",
    )


@pytest.mark.parametrize(
    ("given", "required", "on_disconnect"),
    [
        pytest.param({}, True, "finish", id="sequential"),
        pytest.param({"concurrency": "gate"}, True, "finish", id="gate"),
        pytest.param({"concurrency": exclusive("k")}, True, "finish", id="exclusive"),
        pytest.param({"concurrency": "parallel"}, False, "cancel", id="parallel"),
        pytest.param({"default": 1}, False, "finish", id="default"),
        pytest.param({"concurrency": "parallel", "required": True}, True, "cancel", id="required_parallel"),
        pytest.param({"required": False}, False, "finish", id="optional_sequential"),
        pytest.param({"concurrency": "parallel", "on_disconnect": "finish"}, False, "finish", id="finish"),
        pytest.param({"on_disconnect": "cancel"}, True, "cancel", id="cancel"),
    ],
)
def test_required_and_on_disconnect_follow_the_class_if_not_said(given, required, on_disconnect):
    """Only parallel steps are expendable without a word: they claim to change nothing."""
    options = options_of(step(**given)(lambda: None))
    assert (options.required, options.on_disconnect) == (required, on_disconnect)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        pytest.param(
            {"concurrency": "paralel"}, "concurrency='paralel' is not known; use 'gate'", id="concurrency"
        ),
        pytest.param(
            {"views": "project"}, "views='project' is a string; write a list: views=['project']", id="views"
        ),
        pytest.param({"views": [1]}, "views=[1] holds something that is no name; give strings", id="no_name"),
        pytest.param({"views": [""]}, "views=[''] holds something that is no name", id="empty_name"),
        pytest.param({"after": "a"}, "after='a' is a string; write a list: after=['a']", id="after"),
        pytest.param({"before": "a"}, "before='a' is a string; write a list: before=['a']", id="before"),
        pytest.param(
            {"name": "git-log"}, "name='git-log' is no identifier, so that no step can take it", id="name"
        ),
        pytest.param({"timeout": 0}, "timeout=0 is no time; give seconds above 0, or None", id="zero"),
        pytest.param({"timeout": -1.0}, "timeout=-1.0 is no time", id="negative"),
        pytest.param({"timeout": True}, "timeout=True is no time", id="bool"),
        pytest.param({"timeout": "1"}, "timeout='1' is no time", id="text"),
        pytest.param({"timeout": float("inf")}, "timeout=inf is no time", id="infinite"),
        pytest.param({"timeout": float("nan")}, "timeout=nan is no time", id="nan"),
        pytest.param({"queue_timeout": 0}, "queue_timeout=0 is no time", id="queue_timeout"),
        pytest.param(
            {"on_disconnect": "stop"}, "on_disconnect='stop' is not known; use 'cancel'", id="disconnect"
        ),
        pytest.param(
            {"required": True, "default": 1},
            "is required and has a default, which would never be used",
            id="both",
        ),
        pytest.param(
            {"concurrency": "gate", "required": False},
            "a gate is always required and has no default",
            id="weak_gate",
        ),
        pytest.param({"concurrency": "gate", "default": None}, "or it would fail open", id="gate_default"),
        pytest.param({"retry": 1}, "retry=Retry(attempts=1,", id="retry"),
        pytest.param({"share": 3}, "share=3 is not known; use True, False or a key function", id="share"),
        pytest.param({"concurrency": "gate", "share": True}, "a gate is never shared", id="shared_gate"),
        pytest.param({"limit": 0}, "limit=0 is no number of runs", id="limit"),
    ],
)
def test_a_wrong_option_is_refused_where_it_is_written(given, fault):
    """The traceback ends in the author's file, and the message says which step, what, and what to do."""

    def mistaken(): ...

    line = mistaken.__code__.co_firstlineno
    with pytest.raises(DefinitionError, match=re.escape(fault)) as caught:
        step(**given)(mistaken)

    error = caught.value
    assert isinstance(error, StepsError)
    assert (error.step, error.plugin) == ("mistaken", None)
    assert error.location == f"{__file__}:{line}"
    assert str(error) == f"step 'mistaken' ({error.location}): {error.fault}"
    assert not hasattr(mistaken, OPTIONS_ATTRIBUTE)


def test_options_that_do_not_exist_are_python_errors():
    """A slip of the pen must not be taken for an option."""
    with pytest.raises(TypeError, match="concurency"):
        step(concurency="parallel")


@pytest.mark.parametrize("later", ["retry", "share", "limit"])
def test_options_of_later_versions_may_be_given_as_off(later):
    """Code that sets them to "none" explicitly asks for nothing."""
    step(**{later: False if later == "share" else None})(lambda: None)


@pytest.mark.parametrize("order", ["hookimpl_above", "hookimpl_below"])
@pytest.mark.parametrize("word", ["tryfirst", "trylast"])
def test_hookimpl_and_step_can_be_combined_in_both_orders(registry, make_plugin, order, word):
    """Nobody remembers which decorator goes first: so it may not matter."""

    def moved(): ...

    decorate, mark = hookimpl(**{word: True}), step(views=["v"])
    function = decorate(mark(moved)) if order == "hookimpl_above" else mark(decorate(moved))

    @step(views=["v"])
    def middle(): ...

    registry.register(make_plugin("p", middle))
    registry.register(make_plugin("q", function))
    registry.register(make_plugin("r", step(views=["v"], name="end")(lambda: None)))

    names = [s.name for s in registry.steps]
    assert names == (["moved", "middle", "end"] if word == "tryfirst" else ["middle", "end", "moved"])
    assert registry.steps[names.index("moved")].options.views == ("v",)


def test_a_marked_function_is_the_function():
    """Steps stay plain functions: called in tests and by other code as before."""

    def plain(*, number: int) -> int:
        """Doc."""
        return number * 2

    async def waits(*, number: int) -> int:
        return number * 2

    before = inspect.signature(plain), plain.__doc__
    assert step(plain) is plain
    assert step(concurrency="parallel")(waits) is waits
    assert plain(number=2) == 4
    assert (inspect.signature(plain), plain.__doc__) == before
    assert inspect.iscoroutinefunction(waits)


def test_the_marker_is_pluggys_own():
    """Whoever knows pluggy knows this: no second way to mark hooks."""
    assert isinstance(hookimpl, pluggy.HookimplMarker)
    assert hookimpl.project_name == "aiohttp_steps"


def test_the_name_of_a_step_is_the_option_or_the_functions():
    """`report[function]` and messages use the same name as the registry."""
    assert step_name(step(name="other")(lambda: None)) == "other"

    @step
    def own(): ...

    def unmarked(): ...

    assert step_name(own) == "own"
    assert step_name(unmarked) == "unmarked"


def test_a_location_is_that_of_the_innermost_function():
    """A decorator's own line would send every author to the same place."""
    import functools

    def decorate(function):
        @functools.wraps(function)
        def wrapper():
            return function()

        return wrapper

    def inner(): ...

    assert locate(decorate(inner)) == Location(__file__, inner.__code__.co_firstlineno)
    assert str(Location("a.py", 3)) == "a.py:3"


def test_a_function_without_source_still_has_a_place():
    """Built-in functions have no line; the module is the best that there is."""
    assert locate(len) == Location("builtins", 0)
