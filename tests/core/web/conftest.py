"""Applications with steps on loopback ports, and what their tests share."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import types
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web
from aiohttp_steps import REPORT, StepRegistry, add_views, hookimpl, json_response, setup

PLUGIN = "tested"


def bundle(*functions, **named):
    """Make an object plugin of steps and hook implementations."""
    return types.SimpleNamespace(**{function.__name__: function for function in functions}, **named)


def declare(*inputs):
    """Make an implementation of the hook `step_inputs`."""

    @hookimpl
    def step_inputs():
        return inputs

    return step_inputs


async def answer_report(request):
    return json_response(request[REPORT])


@dataclass
class Answer:
    """What a client got."""

    status: int
    headers: Any
    text: str

    @property
    def json(self):
        import json

        return json.loads(self.text)


@pytest.fixture(name="bundle")
def bundle_fixture():
    return bundle


@pytest.fixture(name="declare")
def declare_fixture():
    return declare


@pytest.fixture(name="answer_report")
def answer_report_fixture():
    """Give the plainest handler: it answers with the report."""
    return answer_report


@pytest.fixture
async def registry():
    async with StepRegistry() as registry:
        yield registry


@pytest.fixture
def fetch():
    """Give a function that sends one request and reads the whole answer."""

    async def send(client, method, path, **options):
        async with client.request(method, path, allow_redirects=False, **options) as response:
            return Answer(response.status, response.headers, await response.text())

    return send


@pytest.fixture
def open_app(registry):
    """Give a function that makes an application with a plugin of these steps, and the views' routes."""

    def make(*functions, routes=(), app=None, **options):
        if functions:
            registry.register(bundle(*functions), PLUGIN)
        app = web.Application() if app is None else app
        app.add_routes(routes)
        setup(app, registry, **options)
        add_views(app)
        return app

    return make


@pytest.fixture
def serve(open_app, aiohttp_client):
    """Give a function that starts such an application and returns a client of it."""

    async def start(*functions, **options):
        return await aiohttp_client(open_app(*functions, **options))

    return start


@pytest.fixture
def run_app():
    """Give a context that runs an application in an `AppRunner` of one's own, and yields its port."""

    @contextlib.asynccontextmanager
    async def run(app, **options):
        runner = web.AppRunner(app, **options)
        try:
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()

    return run


@pytest.fixture
def send_raw():
    """Give a function that writes bytes to a port and reads until the server closes."""

    async def send(port, data):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(data)
            return await asyncio.wait_for(reader.read(), 10)
        finally:
            writer.close()
            await writer.wait_closed()

    return send


@pytest.fixture
def log(caplog):
    """Give the log of this package, from INFO on."""
    caplog.set_level(logging.INFO, logger="aiohttp_steps")
    return caplog


@pytest.fixture
def upgrade():
    """Give the headers of a WebSocket handshake, which any client can send."""
    return {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    }


@pytest.fixture
def preflight():
    """Give the headers of a CORS preflight."""
    return {"Origin": "http://elsewhere", "Access-Control-Request-Method": "GET"}
