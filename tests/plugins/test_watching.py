"""The plugins that watch, together in one application: what one of them finds, the others show."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace

import pytest
from aiohttp import web
from aiohttp_steps import StepRegistry, add_views, setup, step

stalls = pytest.importorskip("aiohttp_steps_stalls")
inspector = pytest.importorskip("aiohttp_steps_inspector")
prometheus = pytest.importorskip("aiohttp_steps_prometheus")
otel = pytest.importorskip("aiohttp_steps_otel")

# A real hold on a machine that others use too: it may hide one, but not three in a row.
pytestmark = pytest.mark.flaky(reruns=2)


async def read_steps(client):
    """Return what the page is told of the steps, in the first message that it gets."""
    async with client.get("/_steps/api/events") as stream:
        while True:
            line = (await stream.content.readline()).decode()
            if line.startswith("data:") and "steps" in (message := json.loads(line.removeprefix("data:"))):
                return message["steps"]


@pytest.mark.parametrize("is_first", [True, False], ids=["monitor first", "monitor last"])
async def test_stall_is_in_log_metrics_and_page(aiohttp_client, caplog, is_first):
    """Whichever of them is there first: pluggy links a hook that comes late to who listens to it already."""

    @step(concurrency="parallel", views=["v"])
    async def holds():
        time.sleep(0.2)  # noqa: ASYNC251 - that is the fault

    @step(concurrency="parallel", views=["v"])
    async def innocent():
        return 1

    async with StepRegistry() as registry:
        watching = [stalls.StallMonitor(threshold_s=0.05)]
        others = [inspector.Inspector(), prometheus.Metrics(), otel.Tracing()]
        for plugin in [*watching, *others] if is_first else [*others, *watching]:
            registry.register(plugin)
        registry.register(SimpleNamespace(holds=holds, innocent=innocent), "steps")
        app = web.Application()
        setup(app, registry)
        add_views(app)
        client = await aiohttp_client(app)
        assert (await client.get("/views/v")).status == 200
        # In the turn after the run at the latest, which answering has been.
        metrics = await (await client.get("/metrics")).text()
        steps = await read_steps(client)
    assert 'aiohttp_steps_loop_stall_seconds_count{how="blocked",step="holds"} 1.0' in metrics
    assert 'aiohttp_steps_runs_total{result="completed",view="v"} 1.0' in metrics
    assert {each["name"]: each["stalls"] for each in steps} == {"holds": 1, "innocent": 0}
    assert "step 'holds' of plugin 'steps'" in caplog.text
