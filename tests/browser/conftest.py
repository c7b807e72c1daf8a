"""A real browser, pages that fail their test when something is wrong with them, and servers for both.

Without Playwright or Chromium these tests are skipped, and say so. CI sets `AIOHTTP_STEPS_BROWSER=required`:
there that is a failure.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import types
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp_steps import StepRegistry, hookimpl, step
from aiohttp_steps.web import build_server_app

SWITCHES = [
    "--headless",
    "--no-sandbox",  # root in a container has no user namespaces
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # No name is looked up: what a page asks of another host fails, and shows up as a fault.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]

CLICK_THROUGH = """
    async ([names, pauseMs]) => {
        for (const name of names) {
            document.querySelector(`[data-view=${name}]`).click();
            await new Promise((resume) => setTimeout(resume, pauseMs));
        }
    }
"""


def pytest_collection_modifyitems(items):
    """Run all tests of this folder in one event loop: the browser belongs to it."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


def lack(what):
    """Skip the test; where browsers are required, fail it."""
    if os.environ.get("AIOHTTP_STEPS_BROWSER") == "required":
        pytest.fail(f"{what}, but AIOHTTP_STEPS_BROWSER=required", pytrace=False)
    pytest.skip(what)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser():
    """Give one Chromium with an empty profile for all tests; each page has cookies and cache of its own."""
    try:
        from playwright.async_api import async_playwright
    except ImportError:
        lack("Playwright is not installed: pip install 'aiohttp-steps[browser]'")
    program = shutil.which("chromium")
    if not program:
        lack("there is no `chromium` on the path: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=SWITCHES)
        yield browser
        await browser.close()


@pytest.fixture
def origins():
    """Give the set of origins that a page may ask. `serve_app` adds its own; a test adds other servers."""
    return set()


@pytest.fixture
def page_faults():
    """Give the list of what went wrong in the page; a test that provokes something clears it."""
    return []


@pytest_asyncio.fixture(loop_scope="session")
async def serve_app(origins):
    """Give a function that serves an application on a free loopback port and returns its URL.

    Handlers are cancelled when their client leaves, as `aiohttp-steps serve` has it. The application may
    also be a function that takes the host, with its port, and returns it.
    """
    runners = []

    async def serve(app):
        import socket

        listener = socket.create_server(("127.0.0.1", 0))
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        made = app if isinstance(app, web.Application) else app(host)
        runners.append(web.AppRunner(made, handler_cancellation=True, shutdown_timeout=1))
        await runners[-1].setup()
        await web.SockSite(runners[-1], listener).start()
        origins.add(f"http://{host}")
        return f"http://{host}"

    yield serve
    for runner in runners:
        await runner.cleanup()


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser, serve_app, origins, page_faults):
    """Give a page. Errors on its console, uncaught ones, and requests to elsewhere fail the test.

    It is gone before what `serve_app` serves; a test with a server of its own names that before the page.
    """

    def see_request(request):
        asked = urlsplit(request.url)
        if asked.scheme not in {"data", "blob"} and f"{asked.scheme}://{asked.netloc}" not in origins:
            page_faults.append(f"request to elsewhere: {request.url}")

    def see_message(message):
        if message.type in {"error", "warning"}:
            page_faults.append(f"{message.type} on the console: {message.text}")

    context = await browser.new_context(reduced_motion="reduce")
    context.set_default_timeout(20_000)
    context.on("request", see_request)
    context.on("console", see_message)
    context.on("weberror", lambda error: page_faults.append(f"uncaught: {error.error}"))
    yield await context.new_page()
    await context.close()
    assert not page_faults


@pytest.fixture
def check_accessibility():
    """Give a function that looks at a page as it is now with axe, and fails on anything it finds."""
    try:
        from axe_playwright_python.async_playwright import Axe
    except ImportError:
        lack("axe is not installed: pip install 'aiohttp-steps[browser]'")

    async def check(page):
        found = await Axe().run(page)
        assert found.violations_count == 0, found.generate_report()

    return check


@pytest.fixture
def expect(browser):
    """Give Playwright's assertions, which wait until they hold."""
    from playwright.async_api import expect

    return expect


class Watch:
    """A plugin that counts runs, and tells who waits for a change."""

    def __init__(self):
        self.running = []
        self.reports = []
        self._changed = asyncio.Event()

    @hookimpl
    def steps_run_started(self, run):
        self.running.append(run.plan.view)
        self._changed.set()

    @hookimpl
    def steps_run_finished(self, report):
        self.running.remove(report.view)
        self.reports.append(report)
        self._changed.set()

    @property
    def cancelled(self):
        return [report.view for report in self.reports if report.cancelled]

    async def until(self, is_so):
        async with asyncio.timeout(20):
            while not is_so():
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
def watch():
    """Give a plugin that counts runs; `serve_front` registers it."""
    return Watch()


@pytest_asyncio.fixture(loop_scope="session")
async def serve_front(serve_app, watch):
    """Give a function that serves these steps and hooks with the front page, and returns the page's URL."""
    registries = []

    async def serve(*functions, debug=False, **options):
        registry = StepRegistry(**options)
        registries.append(registry)
        tested = {function.__name__: function for function in functions}
        registry.register(types.SimpleNamespace(**tested), "tested")
        registry.register(watch, "watch")
        return await serve_app(lambda host: build_server_app(registry, hosts=[host], debug=debug))

    yield serve
    for registry in registries:
        await registry.close()


@pytest.fixture
def make_read():
    """Give a function that makes a step which reads, in a view of its own name; it waits for an event."""

    def make(name, wait=None):
        async def read():
            if wait is not None:
                await wait.wait()
            return f"value of {name}"

        read.__name__ = f"read_{name}"
        return step(concurrency="parallel", views=[name])(read)

    return make


@pytest.fixture
def declare():
    """Give a function that makes a `step_inputs` of these inputs."""

    def make(*inputs):
        @hookimpl
        def step_inputs():
            return inputs

        return step_inputs

    return make


@pytest.fixture
def tab():
    """Give a function that finds the tab of a view."""
    return lambda page, name: page.get_by_role("tab", name=name)


@pytest.fixture
def state():
    """Give a function that finds what a page says of its request."""
    return lambda page: page.get_by_role("status")


@pytest.fixture
def click_through():
    """Give a function that chooses views one after another, from within the page."""

    async def click(page, names, pause_ms):
        await page.evaluate(CLICK_THROUGH, [names, pause_ms])

    return click
