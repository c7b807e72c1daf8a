"""Each hook that a plugin may implement, apart from `step` itself."""

from __future__ import annotations

import asyncio
import inspect
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiohttp_steps import Input, StepRegistry, hookimpl, hookspecs, step
from aiohttp_steps.errors import DefinitionError
from aiohttp_steps.types import Report, RunInfo

parallel = step(concurrency="parallel", views=["v"])


def hook_names():
    return [name for name, value in vars(hookspecs).items() if hasattr(value, "aiohttp_steps_spec")]


@pytest.fixture
def plug(registry):
    """Return a function that registers hook implementations, given by the names of their hooks."""

    def register(name, *functions, **hooks):
        plugin = SimpleNamespace(**{function.__name__: function for function in functions})
        for hook, function in hooks.items():
            setattr(plugin, hook, hookimpl(specname=hook)(function))
        registry.register(plugin, name)
        return plugin

    return register


@pytest.mark.parametrize("name", hook_names())
def test_every_hook_is_documented(name):
    """The docstrings are the contract: what the arguments are, in which order, what `None` means."""
    hook = getattr(hookspecs, name)
    document = inspect.getdoc(hook)
    assert document
    for parameter in inspect.signature(hook).parameters:
        assert re.search(rf"^ {{4}}{parameter}: ", document, re.MULTILINE) or parameter == "step"
    returns = inspect.signature(hook).return_annotation
    if returns != "None":
        assert "`None`" in document


@pytest.mark.parametrize("name", hook_names())
def test_every_hook_is_tested(name):
    """A hook without a test is a promise that nobody checks."""
    here = Path(__file__).parent
    texts = [path.read_text() for path in here.rglob("test_*.py")]
    pattern = rf"\b{name}=|specname=.{name}.|def {name}\("
    assert any(re.search(pattern, text) for text in texts)


def test_the_list_of_hooks_is_that_of_the_design():
    """A hook more or less is a change of the contract."""
    assert hook_names() == [
        "step",
        "step_inputs",
        "step_runners",
        "step_middleware",
        "steps_select",
        "steps_app_setup",
        "steps_run_started",
        "steps_run_finished",
    ]


# step_inputs


def test_declared_inputs_are_known_to_plans(plug, registry):
    """A plugin brings its inputs along: the app need not repeat them."""

    @parallel
    def page(*, number): ...

    plug("p", page, step_inputs=lambda: [Input("number", int, default=1)])
    assert list(registry.inputs) == ["number"]
    assert [need.name for need in registry.plan("v").inputs] == ["number"]


async def test_two_plugins_may_declare_one_input_if_they_agree(plug, registry):
    """Two plugins about one repository both need its path; the first one's default counts."""

    @parallel
    async def page(*, number):
        return number

    plug("p", page, step_inputs=lambda: [Input("number", int, default=1, source="query")])
    plug("q", step_inputs=lambda: [Input("number", int, default=2, source="query")])
    assert (await registry.run("v"))["page"] == 1


@pytest.mark.parametrize(
    ("other", "described"),
    [
        pytest.param(Input("number", str), "str from the app only", id="type"),
        pytest.param(Input("number", int, source=["query", "body"]), "int from query or body", id="source"),
    ],
)
def test_two_plugins_that_disagree_about_an_input_are_refused(plug, registry, other, described):
    """A value that is a number for one and text for the other breaks one of them."""
    plug("p", step_inputs=lambda: [Input("number", int)])
    plug("q", step_inputs=lambda: [other])
    with pytest.raises(DefinitionError) as caught:
        registry.plan("v")
    assert str(caught.value) == (
        f"plugin 'q', step 'number': is int from the app only for 'p', but {described} for 'q'; "
        "rename one of them, or block one plugin"
    )


@pytest.mark.parametrize("hook", ["step_inputs", "step_runners"])
def test_none_from_a_collecting_hook_means_nothing(plug, registry, hook):
    """A hook that has nothing to give just returns."""
    plug("p", **{hook: lambda: None})
    assert registry.inputs == {}
    assert list(registry.runners) == ["loop", "inline", "thread", "process"]


def test_something_else_than_inputs_is_refused(plug, registry):
    """A dictionary of types, for instance, which looks right."""

    def step_inputs():
        return {"number": int}

    plug("p", step_inputs=step_inputs)
    with pytest.raises(
        DefinitionError, match="gave 'number', which is no Input; return a list of them"
    ) as caught:
        _ = registry.inputs
    assert caught.value.plugin == "p"
    assert caught.value.location == f"{__file__}:{step_inputs.__code__.co_firstlineno}"


# step_runners


class Recorder:
    """A runner that notes what it runs, in the event loop."""

    def __init__(self, name="recorder"):
        self.name = name
        self.ran, self.closed, self.left = [], 0, ()

    def bind(self, step):
        async def call(call):
            self.ran.append(step.name)
            call.mark_started(asyncio.get_running_loop().time())
            return await step.function(*call.positional, **call.arguments)

        return call

    async def close(self):
        self.closed += 1

    def left_behind(self):
        return self.left


async def test_a_plugin_can_add_a_runner(plug, registry):
    """Our own runners come by this hook; a stranger's are as good as ours."""

    @step(views=["v"], runner="recorder")
    async def far(*, number):
        return number + 1

    runner = Recorder()
    plug("p", far, step_runners=lambda: [runner])
    assert (await registry.run("v", inputs={"number": 1}))["far"] == 2
    assert runner.ran == ["far"]

    runner.left = ("far",)
    assert registry.left_behind() == ("far",)
    await registry.close()
    assert runner.closed == 1


@pytest.mark.parametrize("name", ["loop", "recorder"])
def test_a_runner_name_that_is_taken_is_refused(plug, registry, name):
    """Which of two places a step runs in must not depend on the order of plugins."""
    plug("p", step_runners=lambda: [Recorder()])
    plug("q", step_runners=lambda: [Recorder(name)])
    with pytest.raises(
        DefinitionError, match=f"plugin 'q': brings a runner called '{name}', a name that is taken; rename it"
    ):
        _ = registry.runners
    registry.unregister("q")
    assert "recorder" in registry.runners


# step_middleware


async def test_middlewares_wrap_in_the_order_of_plugins(plug, registry):
    """The first registered is the outermost; the framework's own timeout is the innermost."""
    told = []

    def wrap(name):
        def step_middleware(step):
            def middleware(call_next):
                async def call(call):
                    told.append(f"{name} before")
                    try:
                        return await call_next(call)
                    finally:
                        told.append(f"{name} after")

                return call

            return middleware

        return step_middleware

    @parallel
    async def plain():
        told.append("step")

    plug("one", plain, step_middleware=wrap("one"))
    plug("two", step_middleware=wrap("two"))
    await registry.run("v")
    assert told == ["one before", "two before", "step", "two after", "one after"]


@pytest.mark.looptime
async def test_middlewares_of_plugins_stand_outside_of_the_timeout(plug, registry):
    """A retry must see the timeout of each try, not be cut off by it."""
    seen = []

    def step_middleware(step):
        async def call(call_next, call):
            try:
                return await call_next(call)
            except Exception as error:
                seen.append(str(error))
                raise

        return lambda call_next: lambda the_call: call(call_next, the_call)

    @step(views=["v"], concurrency="parallel", timeout=1.0)
    async def slow():
        await asyncio.sleep(5)

    plug("p", slow, step_middleware=step_middleware)
    await registry.run("v")
    assert seen == ["ran longer than 1.0 s"]


async def test_a_middleware_is_asked_once_per_step_and_plan(plug, registry):
    """What a step does not need, it does not pay for: the question is asked when the plan is compiled."""
    asked = []

    @parallel
    async def a(): ...

    @parallel
    async def b(): ...

    plug("p", a, b, step_middleware=lambda step: asked.append(step.name))
    for _ in range(3):
        assert (await registry.run("v")).completed
    assert asked == ["a", "b"]
    assert all(body.call is None for body in registry.program("v").bodies)


async def test_a_middleware_may_answer_without_calling_the_step(plug, registry):
    """A cache, for instance: then the body never started, and the report says so."""

    @parallel
    async def cached():
        pytest.fail("called")

    async def answer(call):
        return "from the cache"

    plug("p", cached, step_middleware=lambda step: lambda call_next: answer)
    report = await registry.run("v")
    assert report["cached"] == "from the cache"
    assert report.outcome("cached").started_s is None
    assert report.outcome("cached").run_s == 0.0
    assert report.completed


# steps_select


async def test_a_plugin_can_choose_the_steps_of_a_request(plug, registry):
    """Each sees what the one before kept; what a kept step takes still runs."""
    seen = []

    @step(concurrency="parallel")
    async def helper():
        return 1

    @parallel
    async def a(*, helper):
        return helper

    @parallel
    async def b(): ...

    @parallel
    async def c(): ...

    def without(name):
        def steps_select(request, view, steps):
            seen.append((request, view, [s.name for s in steps]))
            return [s for s in steps if s.name != name]

        return steps_select

    plug("p", helper, a, b, c, steps_select=without("b"))
    plug("q", steps_select=without("c"))
    request = object()
    report = await registry.run("v", request=request)

    assert list(report) == ["helper", "a"]
    assert seen == [(request, "v", ["a", "b", "c"]), (request, "v", ["a", "c"])]


async def test_none_from_a_selection_keeps_all(plug, registry):
    """A plugin that has no opinion on this request just returns."""

    @parallel
    async def a(): ...

    plug("p", a, steps_select=lambda view: None)
    assert list(await registry.run("v")) == ["a"]


async def test_a_selection_cannot_drop_a_gate_or_add_a_stranger(plug, registry):
    """It keeps or drops: what was not in the view does not come in, and gates stay."""

    @step(concurrency="gate", views=["v"])
    async def user(): ...

    @parallel
    async def a(): ...

    @step(views=["other"])
    async def stranger(): ...

    def steps_select(steps):
        return [s for s in registry.steps if s.name == "stranger"]

    plug("p", user, a, stranger, steps_select=steps_select)
    assert list(await registry.run("v")) == ["user"]


async def test_a_selection_is_not_asked_about_handlers_without_a_view(plug, registry):
    """What a handler names it needs."""

    @parallel
    async def a(): ...

    plug("p", a, steps_select=lambda: pytest.fail("asked"))
    assert list(await registry.run(wanted=["a"])) == ["a"]


async def test_equal_selections_share_a_plan(plug, registry):
    """A selection by user group compiles one plan per group, not one per request."""

    @parallel
    async def a(): ...

    @parallel
    async def b(): ...

    plug("p", a, b, steps_select=lambda request, steps: [s for s in steps if s.name in request])
    one, two, three = [await registry.run("v", request=names) for names in ("a", "a", "b")]
    assert one.plan is two.plan
    assert list(three) == ["b"]


# steps_run_started, steps_run_finished


async def test_listeners_are_told_of_the_beginning_and_the_end(plug, registry):
    """Telemetry opens a span at the one and closes it at the other: both speak of the same run."""
    told = []

    @parallel
    async def a(*, number):
        told.append("step")

    def note_run(run):
        told.append(run)

    def note_report(report):
        told.append(report)

    plug(
        "p",
        a,
        steps_run_started=note_run,
        steps_run_finished=note_report,
    )
    request = object()
    report = await registry.run("v", inputs={"number": 1}, request=request)

    run, at, finished = told
    assert isinstance(run, RunInfo)
    assert (run.plan, run.request, run.inputs) == (report.plan, request, {"number": 1})
    assert at == "step"
    assert isinstance(finished, Report)
    assert finished is report
    assert finished.run is run


async def test_the_end_of_a_failed_run_is_told(plug, registry):
    """The runs that fail are those that one wants to see."""
    told = []

    @step(views=["v"])
    async def broken():
        raise LookupError("gone")

    plug("p", broken, steps_run_finished=lambda report: told.append(report.failure.step.name))
    await registry.run("v")
    assert told == ["broken"]


@pytest.mark.parametrize("hook", ["steps_run_started", "steps_run_finished"])
async def test_an_error_of_a_listener_is_logged_and_stops_nothing(plug, registry, caplog, hook):
    """Telemetry that is down must not take the answers with it, nor other listeners."""
    told = []

    @parallel
    async def a():
        return 1

    def fails():
        raise LookupError("collector is down")

    plug("broken", **{hook: fails})
    plug("fine", a, **{hook: lambda: told.append(hook)})
    report = await registry.run("v")

    assert report["a"] == 1
    assert told == [hook]
    (record,) = caplog.records
    assert record.name == "aiohttp_steps"
    assert record.getMessage() == f"plugin 'broken': its {hook} failed"
    assert "collector is down" in record.exc_text


async def test_a_listener_that_comes_later_is_heard(plug, registry):
    """Plans that were compiled before must not keep it out."""
    told = []

    @parallel
    async def a(): ...

    plug("p", a)
    await registry.run("v")
    plug("q", steps_run_started=lambda: told.append(True))
    await registry.run("v")
    assert told == [True]


async def test_listeners_are_put_in_order_once(plug, registry, monkeypatch):
    """Each run tells them, so that what does not change between runs is not worked out for each."""

    @parallel
    async def one():
        return 1

    plug("p", one, steps_run_finished=lambda report: None)
    await registry.run("v")
    asked = []
    monkeypatch.setattr(registry, "implementations", asked.append)
    await registry.run("v")
    assert asked == []


async def test_a_listener_that_has_left_is_not_told(plug, registry):
    """Who listens is worked out once, and anew after each change of plugins."""
    told = []

    @parallel
    async def a(): ...

    plug("p", a)
    leaves = plug("q", steps_run_finished=lambda: told.append("q"))
    plug("r", steps_run_finished=lambda: told.append("r"))
    await registry.run("v")
    registry.unregister(leaves)
    await registry.run("v")
    assert told == ["q", "r", "r"]


def test_the_framework_uses_its_own_hooks():
    """Our own runners and policies are plugins: if they needed a private door, the hooks would be wrong."""
    registry = StepRegistry()
    assert [info.name for info in registry.plugins] == ["builtin_runners", "builtin_policies"]
    assert list(registry.runners) == ["loop", "inline", "thread", "process"]
