"""The page, over a real server, as Prometheus and browsers ask for it."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading

import pytest
from aiohttp import web
from aiohttp_steps import REPORT, StepRegistry, add_views, json_response, setup, step, view
from aiohttp_steps_prometheus import Metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


@step(concurrency="parallel", views=["project"])
async def branch():
    return "main"


@pytest.fixture
async def open_app(bundle):
    """Return a function that makes applications with a step and these metrics."""

    def make(metrics, *routes):
        registry = StepRegistry()
        registry.register(metrics, "prometheus")
        registry.register(bundle(branch), "p")
        app = web.Application()
        app.add_routes(routes)
        setup(app, registry)
        add_views(app)
        return app

    return make


@pytest.fixture
def ask():
    """Return a function that sends one request and reads the whole answer."""

    async def send(client, path, **headers):
        async with client.get(path, headers=headers) as response:
            return response, await response.text()

    return send


def sample(families, name, **labels):
    (found,) = [
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    ]
    return found


async def test_requests_are_counted_from_the_route_to_the_page(open_app, aiohttp_client, ask):
    """All that a user has to do is to install the plugin."""

    @view("project")
    async def project(request):
        return json_response(request[REPORT])

    client = await aiohttp_client(open_app(Metrics(), web.get("/projects/{name}", project)))
    for name in "abc":
        response, _ = await ask(client, f"/projects/{name}")
        assert response.status == 200
    response, text = await ask(client, "/metrics")
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = list(parse_text(text))
    assert sample(families, "aiohttp_steps_runs_total", view="project", result="completed") == 3
    assert sample(families, "aiohttp_steps_step_run_seconds_count", view="project", step="branch") == 3
    assert sample(families, "aiohttp_steps_runs_in_flight", view="project") == 0


async def test_open_metrics_are_given_to_who_asks_for_them(open_app, aiohttp_client, ask):
    """As Prometheus does; the page ends with `# EOF`, so that half of one is noticed."""
    client = await aiohttp_client(open_app(Metrics()))
    await ask(client, "/views/project")
    response, text = await ask(client, "/metrics", Accept=f"{OPEN_METRICS},text/plain;q=0.5")
    assert response.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert text.endswith("# EOF\n")
    families = list(parse_open_metrics(text))
    assert sample(families, "aiohttp_steps_runs_total", view="project", result="completed") == 1


async def test_page_can_be_narrowed_and_is_compressed(open_app, aiohttp_client, ask):
    """`name[]` as in prometheus_client's own servers."""
    client = await aiohttp_client(open_app(Metrics()))
    await ask(client, "/views/project")
    response, text = await ask(client, "/metrics?name[]=aiohttp_steps_runs_total")
    assert {family.name for family in parse_text(text)} == {"aiohttp_steps_runs"}
    assert response.headers["Content-Encoding"] in {"gzip", "deflate"}
    response, _ = await ask(client, "/metrics", **{"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in response.headers


async def test_path_can_be_chosen_or_left_out(open_app, aiohttp_client, ask):
    """What is inside is not for everybody: it can be put where a proxy keeps strangers away."""
    client = await aiohttp_client(open_app(Metrics(path="/internal/metrics")))
    assert (await ask(client, "/internal/metrics"))[0].status == 200
    assert (await ask(client, "/metrics"))[0].status == 404
    client = await aiohttp_client(open_app(Metrics(path=None)))
    assert (await ask(client, "/metrics"))[0].status == 404


async def test_route_of_the_application_wins(open_app, aiohttp_client, ask, caplog):
    """An app that has a page of its own keeps it, and the log says so."""

    async def own(request):
        return web.Response(text="own")

    caplog.set_level(logging.WARNING)
    client = await aiohttp_client(open_app(Metrics(), web.get("/metrics", own)))
    assert (await ask(client, "/metrics"))[1] == "own"
    assert "/metrics is a route of the application already" in caplog.text


async def test_two_applications_do_not_see_each_other(open_app, aiohttp_client, ask):
    """Each plugin object has numbers of its own."""
    first = await aiohttp_client(open_app(Metrics()))
    second = await aiohttp_client(open_app(Metrics()))
    await ask(first, "/views/project")
    texts = [(await ask(client, "/metrics"))[1] for client in (first, second)]
    assert ['view="project"' in text for text in texts] == [True, False]


async def test_one_plugin_may_serve_several_applications(open_app, aiohttp_client, ask):
    """As the installed one does: the process is counted as a whole."""
    metrics = Metrics()
    clients = [await aiohttp_client(open_app(metrics)) for _ in range(2)]
    for client in clients:
        await ask(client, "/views/project")
    for client in clients:
        _, text = await ask(client, "/metrics")
        families = list(parse_text(text))
        assert sample(families, "aiohttp_steps_runs_total", view="project", result="completed") == 2


async def test_event_loop_goes_on_while_the_page_is_written(open_app, aiohttp_client, ask):
    """With a hundred steps it takes 28 ms, which every request would wait for."""
    begun, may_end = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    class Slow:
        def describe(self):
            return []

        def collect(self):
            loop.call_soon_threadsafe(begun.set)
            assert may_end.wait(30)
            yield GaugeMetricFamily("slow", "Asks somebody else.", value=1)

    metrics = Metrics()
    metrics.collectors.register(Slow())
    client = await aiohttp_client(open_app(metrics))
    page = asyncio.create_task(ask(client, "/metrics"))
    await begun.wait()
    response, _ = await ask(client, "/views/project")
    assert response.status == 200
    may_end.set()
    assert "slow 1.0" in (await page)[1]


INSTALLED = """
import asyncio
from types import SimpleNamespace
from aiohttp import ClientSession, web
from aiohttp_steps import StepRegistry, add_views, setup, step

@step(concurrency="parallel", views=["v"])
async def a(): ...

async def main():
    registries = []
    for _ in range(2):
        registry = StepRegistry()
        registry.load_entry_points(strict=True)
        registry.register(SimpleNamespace(a=a), "p")
        registries.append(registry)
        app = web.Application()
        setup(app, registry)
        add_views(app)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        async with ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as client:
            async with client.get("/views/v"): pass
            async with client.get("/metrics") as response:
                lines = (await response.text()).splitlines()
        await runner.cleanup()
        print(*[line for line in lines if line.startswith("aiohttp_steps_runs_total")])
        print(any(line.startswith("python_info") for line in lines))

asyncio.run(main())
"""


def test_installed_plugin_counts_the_process_beside_what_others_count():
    """No line of the app names it; a second app, or a second load, clashes with nothing."""
    done = subprocess.run([sys.executable, "-c", INSTALLED], capture_output=True, text=True, check=True)
    line = 'aiohttp_steps_runs_total{result="completed",view="v"} '
    assert done.stdout.splitlines() == [line + "1.0", "True", line + "2.0", "True"]
    assert done.stderr == ""
