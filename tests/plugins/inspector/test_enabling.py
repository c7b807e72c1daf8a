"""When there is an inspector: never by being installed alone."""

from __future__ import annotations

import aiohttp_steps_inspector
import pytest
from aiohttp import web
from aiohttp_steps import setup, step
from aiohttp_steps.errors import StepsError
from aiohttp_steps_inspector import Inspector
from aiohttp_steps_inspector.plugin import read_environment

NAME = "AIOHTTP_STEPS_INSPECTOR"


@pytest.fixture
def start(registry, aiohttp_client, plug):
    """Give a function that serves an application whose registry has the plugin as its entry point does."""

    @step(concurrency="parallel", views=["v"])
    async def one():
        return 1

    plug("p", one)

    async def serve(*apps):
        registry.register(aiohttp_steps_inspector, "inspector")
        app = web.Application()
        setup(app, registry)
        for path in apps:
            below = web.Application()
            setup(below, registry)
            app.add_subapp(path, below)
        return await aiohttp_client(app)

    return serve


async def status_of(client, path="/_steps"):
    async with client.get(path) as response:
        return response.status


@pytest.mark.parametrize("value", [None, "", "0", "off", "No", "false"])
async def test_installed_plugin_does_nothing_unless_enabled(start, registry, monkeypatch, value):
    """No page, and no hook on the way of a run: its programs are as without it."""
    monkeypatch.delenv(NAME, raising=False)
    if value is not None:
        monkeypatch.setenv(NAME, value)
    client = await start()
    assert await status_of(client) == 404
    assert not registry.program("v").is_observed


@pytest.mark.parametrize("value", ["1", "on", "TRUE", " yes "])
async def test_environment_enables_it(start, registry, monkeypatch, value):
    """Then it listens, and has its page."""
    monkeypatch.setenv(NAME, value)
    client = await start()
    assert await status_of(client) == 200
    assert registry.program("v").is_observed


async def test_environment_gives_the_token(start, monkeypatch):
    """What the application's author need not write into his code."""
    monkeypatch.setenv(NAME, "1")
    monkeypatch.setenv(f"{NAME}_TOKEN", "a-token-of-thirty-two-characters")
    assert await status_of(await start()) == 401


def test_options_are_read_from_the_environment():
    """All that `serve` cannot be told otherwise."""
    inspector = read_environment({NAME: "on", f"{NAME}_RUNS": "7", f"{NAME}_KEEP_VALUES": "1"})
    assert inspector.history.most == 7
    assert inspector.keep_values
    assert not inspector.guard.has_token


@pytest.mark.parametrize(
    ("variables", "fault"),
    [
        ({NAME: "maybe"}, "neither on nor off"),
        ({NAME: "1", f"{NAME}_RUNS": "many"}, "no number of runs"),
        ({NAME: "1", f"{NAME}_RUNS": "0"}, "no number of runs"),
        ({NAME: "1", f"{NAME}_KEEP_VALUES": "2"}, f"{NAME}_KEEP_VALUES='2'"),
    ],
    ids=["on", "runs", "none", "keep"],
)
def test_value_that_means_nothing_is_refused(variables, fault):
    """Silence would mean on to one reader and off to another."""
    with pytest.raises(StepsError, match=fault):
        read_environment(variables)


async def test_own_inspector_of_the_app_wins(start, registry, monkeypatch):
    """Two would keep everything twice and claim one path."""
    monkeypatch.setenv(NAME, "1")
    registry.register(Inspector(path="/own"))
    client = await start()
    assert (await status_of(client), await status_of(client, "/own")) == (404, 200)


async def test_applications_of_one_registry_share_what_is_kept(start, registry, monkeypatch):
    """Each has the page, below its own prefix; a run is a run of both."""
    monkeypatch.setenv(NAME, "1")
    client = await start("/below")
    await registry.run("v")
    for path in ("/_steps", "/below/_steps"):
        assert await status_of(client, path) == 200
        async with client.get(f"{path}/api/runs/1") as response:
            assert (await response.json())["view"] == "v"
    async with client.get("/below/_steps") as response:
        assert 'src="_steps/assets/main.js"' in await response.text()
    assert len([info for info in registry.plugins if isinstance(info.plugin, Inspector)]) == 1


async def test_blocked_name_keeps_it_off(start, registry, monkeypatch):
    """An app can refuse what an environment wants."""
    monkeypatch.setenv(NAME, "1")
    registry.block("inspector_page")
    assert await status_of(await start()) == 404
