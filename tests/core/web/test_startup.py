"""What is refused, and what is said, when an application starts."""

from __future__ import annotations

import logging

import pytest
from aiohttp import web
from aiohttp_steps import Input, StepRegistry, hookimpl, inject, setup, step, view
from aiohttp_steps.errors import CycleError, DefinitionError, DuplicateNameError, StepsError, UnknownNameError


@step(concurrency="parallel", views=["project"])
async def branch():
    return "main"


@step(concurrency="parallel", views=["loop"])
async def hen(*, egg):
    return egg


@step(concurrency="parallel", views=["loop"])
async def egg(*, hen):
    return hen


@hookimpl
def steps_run_finishd(report):
    """Misspell a hook."""


@view("projct")
async def unknown_view(request):
    return web.Response()


@inject
async def unknown_step(request, *, brnch):
    return web.Response()


@view("loop")
async def cycle(request):
    return web.Response()


@view("project")
async def good(request):
    return web.Response()


class UnknownInClass(web.View):
    @view("project")
    async def get(self):
        return web.Response()

    @view("projct")
    async def delete(self):
        return web.Response()


REFUSALS = [
    (unknown_view, (branch,), UnknownNameError, "did you mean 'project'?"),
    (UnknownInClass, (branch,), UnknownNameError, "did you mean 'project'?"),
    (unknown_step, (branch,), UnknownNameError, "takes 'brnch', which no step and no input provides"),
    (cycle, (hen, egg), CycleError, "hen"),
    (good, (branch, steps_run_finishd), DefinitionError, "steps_run_finishd"),
]
REFUSAL_IDS = ["unknown_view", "unknown_view_of_a_method", "unknown_step", "cycle", "misspelt_hook"]


@pytest.mark.parametrize(("handler", "steps", "error", "fault"), REFUSALS, ids=REFUSAL_IDS)
@pytest.mark.parametrize("in_subapp", [False, True], ids=["app", "subapp"])
async def test_application_that_is_wrong_does_not_start(
    *, open_app, run_app, handler, steps, error, fault, in_subapp
):
    """At the first request it would be a client who finds out."""
    app = open_app(*steps)
    routes = [web.route("*", "/", handler)]
    if in_subapp:
        inner = web.Application()
        inner.add_routes(routes)
        app.add_subapp("/inner", inner)
    else:
        app.add_routes(routes)
    with pytest.raises(error) as caught:
        async with run_app(app):
            pass
    assert fault in str(caught.value)


async def test_contradicting_plugins_stop_the_start(open_app, registry, bundle, declare, run_app):
    """Two owners of one name: whichever won, somebody would be wrong."""
    app = open_app(branch, routes=[web.get("/", good)])

    @step(name="branch", concurrency="parallel", views=["project"])
    async def other():
        return 1

    registry.register(bundle(other), "other")
    with pytest.raises(DuplicateNameError, match="branch"):
        async with run_app(app):
            pass


async def test_contradicting_inputs_stop_the_start(open_app, registry, bundle, declare, run_app):
    """An input that is open for one plugin and closed for the other."""
    app = open_app(branch, declare(Input("value", int)), routes=[web.get("/", good)])
    registry.register(bundle(declare(Input("value", int, source="query"))), "other")
    with pytest.raises(DefinitionError, match="rename one of them"):
        async with run_app(app):
            pass


async def test_plugins_may_be_registered_until_the_start(open_app, registry, bundle, aiohttp_client, fetch):
    """`setup` early and plugins late is how apps are put together."""
    app = open_app(routes=[web.get("/", good)])
    registry.register(bundle(branch), "late")
    assert (await fetch(await aiohttp_client(app), "GET", "/")).status == 200


def test_second_setup_is_refused(open_app, registry):
    """Every step would run twice."""
    app = open_app(branch)
    with pytest.raises(StepsError, match="called for this application before; call it once"):
        setup(app, registry)


def test_setup_asks_the_plugins(registry, bundle):
    """`steps_app_setup` is how a plugin adds routes and signals of its own."""
    asked = []

    @hookimpl
    def steps_app_setup(app, registry):
        asked.append((app, registry))

    registry.register(bundle(steps_app_setup), "tested")
    app = web.Application()
    setup(app, registry)
    assert asked == [(app, registry)]


@web.middleware
async def own_middleware(request, handler):
    return await handler(request)


async def test_middlewares_added_after_setup_are_warned_of(open_app, run_app, log):
    """A login middleware that runs after the gates protects nothing: trap of order, told by name."""
    app = open_app(branch)
    app.middlewares.append(own_middleware)
    async with run_app(app):
        pass
    (warning,) = [record for record in log.records if record.levelno == logging.WARNING]
    assert "own_middleware; call setup last" in warning.getMessage()


async def test_middlewares_added_before_setup_are_fine(open_app, run_app, log):
    """The right order is not worth a word."""
    app = open_app(branch, app=web.Application(middlewares=[own_middleware]))
    async with run_app(app):
        pass
    assert not [record for record in log.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"handler_cancellation": True}, "on: a client that leaves stops its run, as on_disconnect= says"),
        ({"handler_cancellation": False}, "off: a run goes on to its end"),
        ({}, "off: a run goes on to its end"),
    ],
    ids=["on", "off", "default"],
)
@pytest.mark.parametrize("in_subapp", [False, True], ids=["app", "subapp"])
async def test_start_says_whether_clients_that_leave_cancel(
    *, open_app, run_app, log, options, word, in_subapp
):
    """With it a write may stop at any await, without it work is done for nobody: one has to know."""
    app = open_app(branch, cancel_on_disconnect=False)
    if in_subapp:
        inner, app = app, web.Application()
        app.add_subapp("/inner", inner)
    async with run_app(app, **options):
        pass
    assert f"handler cancellation is {word}" in log.text


@pytest.mark.parametrize("options", [{}, {"handler_cancellation": False}], ids=["default", "off"])
async def test_start_turns_handler_cancellation_on(open_app, run_app, log, options):
    """Without it aiohttp does nothing when a client leaves, and on_disconnect= would mean nothing."""
    app = open_app(branch)
    async with run_app(app, **options):
        pass
    assert "handler cancellation is on" in log.text


async def test_start_without_a_runner_says_that_it_does_not_know(open_app, log):
    """Never a guess."""
    app = open_app(branch)
    app.freeze()
    await app.startup()
    await app.cleanup()
    assert "handler cancellation is not known" in log.text


async def test_clean_up_closes_the_registry(run_app):
    """Its threads must not outlive the application."""
    import threading

    @step(views=["v"], on_disconnect="cancel")
    def work():
        return threading.current_thread()

    import types

    registry = StepRegistry()
    registry.register(types.SimpleNamespace(work=work), "tested")
    app = web.Application()
    setup(app, registry)
    async with run_app(app):
        thread = (await registry.run("v"))["work"]
        assert thread.is_alive()
    thread.join(10)
    assert not thread.is_alive()
