"""Applications with steps and an inspector, and clients of them."""

from __future__ import annotations

import types

import pytest
from aiohttp import web
from aiohttp_steps import StepRegistry, add_views, hookimpl, setup
from aiohttp_steps_inspector import Inspector

CHANGE = {"Steps-Inspector": "1"}


@pytest.fixture
async def registry():
    async with StepRegistry() as registry:
        yield registry


@pytest.fixture
def plug(registry):
    """Give a function that registers steps and inputs as a plugin."""

    def register(name, *functions, inputs=()):
        @hookimpl
        def step_inputs():
            return inputs

        named = {function.__name__: function for function in functions}
        registry.register(types.SimpleNamespace(step_inputs=step_inputs, **named), name)

    return register


@pytest.fixture
def open_app(registry):
    """Give a function that makes an application of the registry; `inspector` is one, or its options."""

    def make(inspector=None, **options):
        if not isinstance(inspector, Inspector):
            inspector = Inspector(**(inspector or {}))
        registry.register(inspector)
        app = web.Application()
        setup(app, registry, **options)
        add_views(app)
        return app

    return make


@pytest.fixture
def serve(open_app, aiohttp_client):
    """Give a function that serves such an application, and returns a client of it."""

    async def start(inspector=None, **options):
        return await aiohttp_client(open_app(inspector, **options))

    return start


@pytest.fixture
def order():
    """Give a function that asks the page to run a view, and returns the status and the document."""

    async def send(client, view, headers=CHANGE, **more):
        async with client.post("/_steps/api/run", json={"view": view, **more}, headers=headers) as response:
            return response.status, await response.json()

    return send


@pytest.fixture
def get_json():
    """Give a function that asks for a document."""

    async def get(client, path, **options):
        async with client.get(f"/_steps/api/{path}", **options) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    return get
