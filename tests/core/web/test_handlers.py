"""`view` and `inject`: what a handler says it needs is what it gets."""

from __future__ import annotations

import functools
import gc
import weakref
from dataclasses import dataclass

import pytest
from aiohttp import web
from aiohttp_steps import REPORT, StepError, inject, json_response, step, view
from aiohttp_steps.errors import DefinitionError, StepsError


@dataclass
class Branch:
    name: str


@pytest.fixture
def calls():
    """Collect the names of the steps that ran."""
    return []


@pytest.fixture
def steps(calls):
    @step(concurrency="parallel", views=["project"])
    async def branch() -> Branch:
        calls.append("branch")
        return Branch("main")

    @step(concurrency="parallel", views=["project"])
    async def status():
        calls.append("status")
        return "clean"

    @step(concurrency="parallel", views=["other"])
    async def elsewhere():
        calls.append("elsewhere")
        return "far"

    @step(concurrency="parallel")
    async def broken():
        raise StepError("no luck")

    return branch, status, elsewhere, broken


async def test_view_runs_all_steps_of_the_view_and_no_other(serve, fetch, steps, calls):
    """The route names a view, never steps: that is how a plugin joins without a change in the app."""

    @view("project")
    async def handler(request):
        return json_response(request[REPORT])

    client = await serve(*steps, routes=[web.get("/", handler)])
    answer = await fetch(client, "GET", "/")
    assert answer.json["view"] == "project"
    assert answer.json["data"] == {"branch": {"name": "main"}, "status": "clean"}
    assert sorted(calls) == ["branch", "status"]


async def test_report_is_keyed_by_the_function_too(serve, fetch, steps):
    """The function as key is what gives users a typed value."""
    branch = steps[0]

    @view("project")
    async def handler(request):
        return web.Response(text=request[REPORT][branch].name)

    client = await serve(*steps, routes=[web.get("/", handler)])
    assert (await fetch(client, "GET", "/")).text == "main"


async def test_inject_runs_only_what_the_signature_asks_for(serve, fetch, steps, calls):
    """A handler that wants one value must not pay for its whole view."""

    @inject
    async def handler(request, *, branch):
        return web.Response(text=branch.name)

    client = await serve(*steps, routes=[web.get("/", handler)])
    assert (await fetch(client, "GET", "/")).text == "main"
    assert calls == ["branch"]


async def test_parameter_takes_an_input(serve, fetch, steps):
    """Inputs and steps share one namespace, for handlers as for steps."""

    @inject
    async def handler(request, *, branch, limit):
        return web.json_response([branch.name, limit])

    client = await serve(*steps, routes=[web.get("/", handler)], inputs={"limit": 7})
    assert (await fetch(client, "GET", "/")).json == ["main", 7]


@pytest.mark.parametrize("name", ["broken", "not_installed"])
async def test_parameter_with_a_default_does_without_the_step(serve, fetch, steps, name):
    """A route must survive that an optional plugin fails, or is not there at all."""
    namespace = {}
    exec(
        f"async def handler(request, *, {name}='instead'): return Response(text={name})", vars(web), namespace
    )
    client = await serve(*steps, routes=[web.get("/", inject(namespace["handler"]))])
    answer = await fetch(client, "GET", "/")
    assert (answer.status, answer.text) == (200, "instead")


async def test_parameter_without_a_default_makes_its_step_required(serve, fetch, steps):
    """The handler could not be called without it, so the client has to be told."""
    called = []

    @inject
    async def handler(request, *, broken):
        called.append(broken)
        return web.Response()

    client = await serve(*steps, routes=[web.get("/", handler)])
    answer = await fetch(client, "GET", "/")
    assert answer.status == 500
    assert answer.json["step"] == "broken"
    assert not called


async def test_none_is_a_value(serve, fetch):
    """A step that found nothing has succeeded: its None must not be taken for a missing value."""

    @step(concurrency="parallel")
    async def nothing():
        return None

    @inject
    async def handler(request, *, nothing="default"):
        return web.json_response(nothing)

    client = await serve(nothing, routes=[web.get("/", handler)])
    assert (await fetch(client, "GET", "/")).json is None


def view_above_inject(handler):
    return view("project")(inject(handler))


def inject_above_view(handler):
    return inject(view("project")(handler))


@pytest.mark.parametrize("mark", [view_above_inject, inject_above_view, view("project")])
async def test_view_and_inject_stack_in_both_orders(serve, fetch, steps, calls, mark):
    """Nobody remembers an order of decorators; `view` alone does both."""

    async def handler(request, *, elsewhere):
        return web.json_response([elsewhere, sorted(request[REPORT])])

    client = await serve(*steps, routes=[web.get("/", mark(handler))])
    assert (await fetch(client, "GET", "/")).json == ["far", ["branch", "elsewhere", "status"]]
    assert sorted(calls) == ["branch", "elsewhere", "status"]


def add_header(handler):
    @functools.wraps(handler)
    async def wrapper(*args, **kwargs):
        response = await handler(*args, **kwargs)
        response.headers["X-Wrapped"] = "yes"
        return response

    return wrapper


@pytest.mark.parametrize(
    "decorate",
    [
        lambda handler: add_header(view("project")(handler)),
        lambda handler: view("project")(add_header(handler)),
        lambda handler: inject(add_header(view("project")(handler))),
        lambda handler: add_header(add_header(inject(handler))),
    ],
    ids=["above", "below", "between", "twice_above"],
)
async def test_other_decorators_that_use_wraps_go_with_the_marks(serve, fetch, steps, decorate):
    """Handlers carry decorators of many libraries; `functools.wraps` is all that is asked of them."""

    async def handler(request, *, branch):
        return web.Response(text=branch.name)

    client = await serve(*steps, routes=[web.get("/", decorate(handler))])
    answer = await fetch(client, "GET", "/")
    assert (answer.text, answer.headers["X-Wrapped"]) == ("main", "yes")


async def plain(request):
    """Answer although nothing has run: what a gate was to prevent."""
    return web.Response(text="served")


async def taking(request, *, branch):
    return web.Response(text=branch.name)


class Whole(web.View):
    async def get(self):
        return web.Response(text="served")


def hide(handler):
    async def wrapper(request):
        return await handler(request)

    return wrapper


@pytest.mark.parametrize(
    "handler",
    [
        view("project")(plain),
        view("project")(taking),
        inject(taking),
        view("project")(type("Own", (Whole,), {})),
    ],
    ids=["view", "view_with_parameters", "inject", "class"],
)
async def test_marked_handler_without_setup_is_not_called(aiohttp_client, fetch, caplog, handler):
    """Its gates have not run: an app that forgot `setup` must not be open to everybody."""
    app = web.Application()
    app.router.add_route("GET", "/", handler)
    answer = await fetch(await aiohttp_client(app), "GET", "/")
    assert answer.status == 500
    assert "call aiohttp_steps.setup(app, registry)" in caplog.text


@pytest.mark.parametrize("handler", [view("project")(plain), inject(taking)], ids=["view", "inject"])
async def test_mark_hidden_by_a_decorator_without_wraps_is_an_error(serve, fetch, caplog, steps, handler):
    """The middleware cannot see the mark, so nothing has run, gates included: never serve that."""
    client = await serve(*steps, routes=[web.get("/", hide(handler))])
    answer = await fetch(client, "GET", "/")
    assert answer.status == 500
    assert "functools.wraps" in caplog.text


@view("project")
class MarkedClass(web.View):
    async def get(self):
        return web.json_response(sorted(self.request[REPORT]))

    @inject
    async def post(self, *, elsewhere):
        return web.json_response([elsewhere, sorted(self.request[REPORT])])

    @view("other")
    async def put(self):
        return web.json_response(sorted(self.request[REPORT]))


class MarkedMethods(web.View):
    @view("project")
    async def get(self):
        return web.json_response(sorted(self.request[REPORT]))

    @inject
    async def post(self, *, elsewhere):
        return web.json_response([elsewhere, sorted(self.request[REPORT])])

    async def put(self):
        return web.json_response(REPORT in self.request)


@pytest.mark.parametrize(
    ("handler", "method", "expected"),
    [
        (MarkedClass, "GET", ["branch", "status"]),
        (MarkedClass, "POST", ["far", ["branch", "elsewhere", "status"]]),
        (MarkedClass, "PUT", ["elsewhere"]),
        (MarkedMethods, "GET", ["branch", "status"]),
        (MarkedMethods, "POST", ["far", ["elsewhere"]]),
        (MarkedMethods, "PUT", False),
    ],
    ids=["class", "class_and_inject", "class_and_view", "method_view", "method_inject", "no_mark"],
)
async def test_class_based_view(*, serve, fetch, steps, handler, method, expected):
    """A class's mark is for all its methods; a method's own adds to it, and its own view wins."""
    client = await serve(*steps, routes=[web.view("/", handler)])
    answer = await fetch(client, method, "/")
    assert (answer.status, answer.json) == (200, expected)


class Handlers:
    def __init__(self, word):
        self.word = word

    @view("project")
    async def marked(self, request):
        return web.json_response([self.word, sorted(request[REPORT])])

    @inject
    async def injected(self, request, *, branch):
        return web.json_response([self.word, branch.name])

    async def unmarked(self, request):
        return web.json_response([self.word, sorted(request[REPORT])])

    async def taking(self, request, *, branch):
        return web.json_response([self.word, branch.name])


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (Handlers("hi").marked, ["hi", ["branch", "status"]]),
        (Handlers("hi").injected, ["hi", "main"]),
        (lambda: view("project")(Handlers("hi").unmarked), ["hi", ["branch", "status"]]),
        (lambda: inject(Handlers("hi").taking), ["hi", "main"]),
    ],
    ids=["view_below", "inject_below", "view_on_bound", "inject_on_bound"],
)
async def test_methods_of_handler_objects(serve, fetch, steps, handler, expected):
    """Objects that hold their own state are how larger aiohttp apps write handlers."""
    handler = handler() if handler.__name__ == "<lambda>" else handler
    client = await serve(*steps, routes=[web.get("/", handler)])
    assert (await fetch(client, "GET", "/")).json == expected


async def test_one_method_may_be_marked_for_two_views(serve, fetch, steps):
    """Marking a bound method leaves the method itself alone, so each route has its own view."""
    handlers = Handlers("hi")
    routes = [
        web.get("/one", view("project")(handlers.unmarked)),
        web.get("/two", view("other")(handlers.unmarked)),
    ]
    client = await serve(*steps, routes=routes)
    assert (await fetch(client, "GET", "/one")).json == ["hi", ["branch", "status"]]
    assert (await fetch(client, "GET", "/two")).json == ["hi", ["elsewhere"]]


async def test_partial_of_a_marked_handler(serve, fetch, steps):
    """`functools.partial` is how apps hand a handler its settings; the mark must be seen through it."""

    @view("project")
    async def handler(word, request):
        return web.json_response([word, sorted(request[REPORT])])

    client = await serve(*steps, routes=[web.get("/", functools.partial(handler, "hi"))])
    assert (await fetch(client, "GET", "/")).json == ["hi", ["branch", "status"]]


def test_view_without_a_name_is_refused():
    """`@view` for `@view("project")` would otherwise replace the handler by a decorator."""
    with pytest.raises(DefinitionError, match=r"needs the name of a view: @view\('project'\)"):

        @view
        async def handler(request):
            return web.Response()


@pytest.mark.parametrize("mark", [view("project"), inject], ids=["view", "inject"])
def test_plain_function_is_refused(mark):
    """Left to aiohttp, it would fail at the first request only."""
    with pytest.raises(DefinitionError, match="write async def") as caught:

        @mark
        def handler(request):
            return web.Response()

    assert caught.value.step == "handler"
    assert caught.value.location.startswith(__file__)


@pytest.mark.parametrize("mark", [view("project"), inject], ids=["view", "inject"])
def test_class_that_is_no_web_view_is_refused(mark):
    """Its instances are not what aiohttp calls: the mark would have no effect."""
    with pytest.raises(DefinitionError, match=r"no aiohttp\.web\.View; mark its methods") as caught:
        mark(Handlers)
    assert caught.value.step == "Handlers"


def test_inject_on_a_whole_class_is_refused():
    """It reads the signature of what it marks, and a class has none: it would do nothing, unnoticed."""
    with pytest.raises(DefinitionError, match="mark its methods") as caught:
        inject(type("Own", (Whole,), {}))
    assert caught.value.step == "Own"


async def test_error_of_missing_setup_is_a_stepserror():
    """It is ours to say, with the remedy, and not a KeyError out of aiohttp."""
    from aiohttp.test_utils import make_mocked_request

    with pytest.raises(StepsError, match="taking"):
        await inject(taking)(make_mocked_request("GET", "/"))


async def test_a_request_goes_when_it_is_answered(serve):
    """It holds its report, which must not hold it: collecting cycles costs other requests time."""
    seen = []

    @step(concurrency="parallel", views=["v"])
    def in_thread():
        return 1

    @step(concurrency="parallel", views=["v"])
    async def in_loop(request):
        return request.path

    @view("v")
    async def handler(request):
        seen.append(weakref.ref(request))
        assert request[REPORT].run.request is request
        return json_response(request[REPORT])

    client = await serve(in_thread, in_loop, routes=[web.get("/", handler)])
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            async with client.get("/") as response:
                await response.read()
        # The last one may still be on its way out of aiohttp.
        assert [reference() for reference in seen[:2]] == [None, None]
    finally:
        gc.enable()
