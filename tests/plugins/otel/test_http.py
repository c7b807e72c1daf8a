"""A real server, instrumented by OpenTelemetry's own package, and a client that sends its trace along."""

from __future__ import annotations

import asyncio
import warnings

import pytest
from aiohttp import web
from aiohttp_steps import REPORT, exclusive, json_response, setup, step, view
from opentelemetry import trace
from opentelemetry.instrumentation.aiohttp_server import AioHttpServerInstrumentor
from opentelemetry.trace import StatusCode

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


@pytest.fixture
def instrument(provider):
    """Let `web.Application` be the instrumented one, as `opentelemetry-instrument` does."""
    instrumentor = AioHttpServerInstrumentor()
    with warnings.catch_warnings():
        # It makes a subclass of web.Application, which aiohttp discourages.
        warnings.simplefilter("ignore", DeprecationWarning)
        instrumentor.instrument(tracer_provider=provider)
    yield
    instrumentor.uninstrument()


@pytest.fixture
def serve(instrument, registry, add, aiohttp_client, provider):
    """Return a function that starts a server whose route runs these steps, and returns a client of it."""
    tracer = provider.get_tracer("test")

    @view("project")
    async def project(request):
        with tracer.start_as_current_span("handler"):
            return json_response(request[REPORT])

    async def start(*steps):
        add(*steps)
        app = web.Application()
        app.router.add_get("/projects/{name}", project)
        setup(app, registry)
        return await aiohttp_client(app)

    return start


async def test_request_is_one_trace_from_the_client_to_each_step(serve, spans):
    """Client, server, run, steps; the handler's own spans are beside the run, not in it."""
    parallel = step(concurrency="parallel", views=["project"])

    @parallel
    async def history():
        await asyncio.sleep(0)

    @parallel
    def status(): ...

    @step(concurrency=exclusive("git"), views=["project"])
    async def commit(): ...

    client = await serve(history, status, commit)
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    async with client.get("/projects/x", headers=headers) as response:
        assert response.status == 200
    server = "GET /projects/{name}"
    assert {trace.format_trace_id(span.context.trace_id) for span in spans.all} == {TRACE}
    assert trace.format_span_id(spans[server].parent.span_id) == PARENT
    assert spans.parent("run project") == server
    assert spans.parent("handler") == server
    for name in ("history", "status", "commit"):
        assert spans.parent(f"step {name}") == "run project"
    assert spans["run project"].end_time <= spans["handler"].start_time
    assert spans.open == []


async def test_failed_request_tells_which_step_it_was(serve, spans):
    """From the red server span down to the exception."""

    @step(views=["project"])
    async def broken():
        raise LookupError("gone")

    client = await serve(broken)
    async with client.get("/projects/x") as response:
        assert response.status == 500
    for name in ("GET /projects/{name}", "run project", "step broken"):
        assert spans[name].status.status_code is StatusCode.ERROR
    assert spans["run project"].attributes["aiohttp_steps.run.failed_step"] == "broken"


async def test_client_that_leaves_leaves_no_span_open(serve, spans):
    """The run is cancelled; what must not be torn ends first, in the same trace."""
    begun, may_end, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @step(views=["project"])
    async def write():
        begun.set()
        await may_end.wait()
        ended.set()

    @step(concurrency="parallel", views=["project"])
    async def read(): ...

    client = await serve(write, read)
    request = asyncio.create_task(client.get("/projects/x"))
    await begun.wait()
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    may_end.set()
    await ended.wait()
    async with asyncio.timeout(5):
        while spans.open:  # noqa: ASYNC110 - it is the server that ends them
            await asyncio.sleep(0.001)
    assert spans["step write"].attributes["aiohttp_steps.step.status"] == "succeeded"
    assert spans.parent("step write") == "run project"


async def test_requests_at_once_are_traces_of_their_own(serve, spans):
    """Twenty at once, each with its own run and steps."""

    @step(concurrency="parallel", views=["project"])
    async def a():
        await asyncio.sleep(0.001)

    @step(concurrency="parallel", views=["project"])
    def b(*, a): ...

    client = await serve(a, b)
    answers = await asyncio.gather(*[client.get("/projects/x") for _ in range(20)])
    assert {answer.status for answer in answers} == {200}
    of_trace = {}
    for span in spans.all:
        of_trace.setdefault(span.context.trace_id, []).append(span.name)
    whole = ["GET /projects/{name}", "handler", "run project", "step a", "step b"]
    assert sorted(map(sorted, of_trace.values())) == [whole] * 20
