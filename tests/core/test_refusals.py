"""Plans that are refused, before the first request; each message with what, where, and the remedy."""

from __future__ import annotations

import re

import pytest
from aiohttp_steps import Input, hookimpl, step
from aiohttp_steps.errors import CycleError, DuplicateNameError, PlanError, UnknownNameError

parallel = step(concurrency="parallel", views=["v"])
sequential = step(views=["v"])


def place(function):
    """Return file and line of a function, as messages give it."""
    return f"{__file__}:{function.__code__.co_firstlineno}"


def test_a_cycle_is_refused_with_its_path_and_its_reasons(add, registry):
    """Three files may be involved: each edge is named with the line that makes it."""

    @parallel
    def a(*, c): ...

    @step(concurrency="parallel", views=["v"], after=["a"])
    def b(): ...

    @step(concurrency="parallel", views=["v"])
    def c(): ...

    @step(concurrency="parallel", views=["v"], before=["c"])
    def late(*, b): ...

    add(a, b, c, late)
    with pytest.raises(CycleError, match="waits for itself: a -> c -> late -> b -> a ") as caught:
        registry.plan("v")

    error = caught.value
    assert error.path == ("a", "c", "late", "b", "a")
    assert (error.plugin, error.step, error.location) == ("p", "a", place(a))
    message = str(error)
    assert message.startswith(f"plugin 'p', step 'a' ({place(a)}): ")
    assert f"a takes c, {place(a)}" in message
    assert f"late is before c, {place(late)}" in message
    assert f"late takes b, {place(late)}" in message
    assert f"b is after a, {place(b)}" in message
    assert message.endswith("remove one of these parameters, after= or before=")


@pytest.mark.parametrize("word", ["takes", "after", "before"])
def test_a_step_that_waits_for_itself_is_a_cycle_of_one(add, registry, word):
    """The shortest cycle is the commonest slip: a parameter called as the step."""
    if word == "takes":

        def own(*, own): ...

        marked = parallel(own)
    else:

        def own(): ...

        marked = step(views=["v"], **{word: ["own"]})(own)
    add(marked)
    with pytest.raises(CycleError, match="own -> own") as caught:
        registry.plan("v")
    assert caught.value.path == ("own", "own")


def test_steps_behind_a_cycle_are_not_blamed(add, registry):
    """The path holds those that wait for each other, not those that wait for them."""

    @parallel
    def innocent(*, a): ...

    @parallel
    def a(*, b): ...

    @parallel
    def b(*, a): ...

    add(innocent, a, b)
    with pytest.raises(CycleError) as caught:
        registry.plan("v")
    assert caught.value.path == ("a", "b", "a")


def test_an_unknown_parameter_is_refused_with_the_nearest_name(add, registry):
    """Nine in ten are slips of the pen."""

    @parallel
    def branch(): ...

    @parallel
    def summary(*, brunch): ...

    add(branch, summary)
    with pytest.raises(UnknownNameError) as caught:
        registry.plan("v")

    error = caught.value
    assert (error.name, error.nearest) == ("brunch", "branch")
    assert (error.plugin, error.step, error.location, error.view) == ("p", "summary", place(summary), "v")
    assert str(error) == (
        f"plugin 'p', step 'summary', view 'v' ({place(summary)}): takes 'brunch', which no step and no "
        "input provides; did you mean 'branch'? Install the plugin that provides it, declare an input, or "
        "give the parameter a default"
    )


def test_an_unknown_name_without_a_neighbour_says_so(add, registry):
    """A wrong guess is worse than none."""

    @parallel
    def summary(*, weather): ...

    add(summary)
    with pytest.raises(UnknownNameError, match=r"nothing has a similar name\.") as caught:
        registry.plan("v")
    assert caught.value.nearest is None


def test_inputs_are_among_the_nearest_names(add, registry):
    """What is taken may be an input as well."""

    @parallel
    def summary(*, projekt): ...

    add(summary)
    with pytest.raises(UnknownNameError, match="did you mean 'project'"):
        registry.plan("v", inputs=["project"])


def test_a_handler_that_wants_an_unknown_step_is_told(add, registry):
    """The handler has no plugin: the message says that it is the handler."""

    @parallel
    def branch(): ...

    add(branch)
    with pytest.raises(
        UnknownNameError, match=r"the handler takes 'brunch'.*did you mean 'branch'"
    ) as caught:
        registry.plan(wanted=["brunch"])
    assert (caught.value.step, caught.value.plugin) == (None, None)


@pytest.mark.parametrize(
    ("view", "hint"),
    [
        pytest.param("projekt", "did you mean 'project'?", id="near"),
        pytest.param("zebra", "the views are: history, project.", id="far"),
    ],
)
def test_an_unknown_view_is_refused(add, registry, view, hint):
    """A route with a misspelled view must not answer with nothing, successfully."""

    @step(views=["project", "history"])
    def branch(): ...

    add(branch)
    with pytest.raises(
        UnknownNameError, match=re.escape(f"no step has joined the view '{view}'; {hint}")
    ) as caught:
        registry.plan(view)
    assert (caught.value.name, caught.value.view) == (view, view)
    assert caught.value.nearest == ("project" if view == "projekt" else None)


def test_a_view_of_an_empty_registry_is_refused(registry):
    """No plugin installed is the commonest first mistake."""
    with pytest.raises(UnknownNameError, match=r"the views are: none\. Install a plugin whose steps join it"):
        registry.plan("v")


def test_two_plugins_with_one_name_are_refused(add, registry):
    """Last one wins would give a request another plugin's data."""

    def first(): ...

    def second(): ...

    add(step(views=["v"], name="branch")(first), plugin="git")
    add(step(views=["other"], name="branch")(second), plugin="hg")
    with pytest.raises(DuplicateNameError) as caught:
        registry.plan("v")

    error = caught.value
    assert (error.name, error.plugins) == ("branch", ("git", "hg"))
    assert str(error) == (
        f"plugin 'hg', step 'branch' ({place(second)}): plugin 'git' has a step of this name too "
        f"({place(first)}); give one of them another name=, or block one plugin"
    )


def test_a_blocked_plugin_gives_its_name_free(add, registry):
    """The remedy that the message names has to work."""
    add(step(views=["v"], name="branch")(lambda: None), plugin="git")
    add(step(views=["v"], name="branch")(lambda: None), plugin="hg")
    registry.block("git")
    assert [s.plugin for s in registry.plan("v").steps] == ["hg"]


def test_a_step_and_an_input_with_one_name_are_refused(registry, make_plugin):
    """A parameter could mean either."""

    @sequential
    def number(): ...

    plugin = make_plugin("p", number)
    plugin.step_inputs = hookimpl(specname="step_inputs")(lambda: [Input("number", int)])
    registry.register(plugin)
    with pytest.raises(
        DuplicateNameError, match="an input has this name too; rename the step or the input"
    ) as caught:
        registry.plan("v")
    assert (caught.value.name, caught.value.plugins) == ("number", ("p",))


@pytest.mark.parametrize(
    ("runner", "hint"),
    [
        pytest.param("treads", "did you mean 'thread'?", id="near"),
        pytest.param("moon", "install the plugin that brings it.", id="far"),
    ],
)
def test_an_unknown_runner_is_refused(add, registry, runner, hint):
    """The plugin that brings the runner may not be installed here."""

    @step(views=["v"], runner=runner)
    def far(): ...

    add(far)
    with pytest.raises(PlanError) as caught:
        registry.plan("v")
    assert str(caught.value) == (
        f"plugin 'p', step 'far' ({place(far)}): runner='{runner}' is not known; {hint} "
        "The runners are: loop, inline, thread, process"
    )


async def test_a_step_that_needs_a_request_is_refused_without_one(add, registry):
    """`None` for a request would fail somewhere inside of the step."""

    @sequential
    def user(request): ...

    add(user)
    with pytest.raises(PlanError) as caught:
        await registry.run("v")
    assert str(caught.value) == (
        f"plugin 'p', step 'user', view 'v' ({place(user)}): takes the request, but there is none; "
        "run it over HTTP, or pass request="
    )


async def test_a_plan_that_is_refused_runs_nothing(add, registry):
    """Half a view is no view."""

    @sequential
    def first():
        pytest.fail("ran")

    @parallel
    def broken(*, missing): ...

    add(first, broken)
    with pytest.raises(UnknownNameError):
        await registry.run("v")


def test_a_fault_in_one_view_leaves_the_others_alone(add, registry):
    """A server with one broken view still has the rest to serve."""

    @step(views=["good"])
    def fine(): ...

    @step(views=["bad"])
    def broken(*, missing): ...

    add(fine, broken)
    assert [s.name for s in registry.plan("good").steps] == ["fine"]
    with pytest.raises(UnknownNameError):
        registry.plan("bad")
