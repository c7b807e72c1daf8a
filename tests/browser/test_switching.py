"""Switching a view in a browser aborts the request before it, and the server stops its run."""

from __future__ import annotations

import asyncio
import threading

import pytest
from aiohttp_steps import step

WATCH_ANSWERS = """
    window.drawn = [];
    new MutationObserver((changes) => {
        for (const change of changes)
            for (const node of change.addedNodes)
                if (node.className === "cards") window.drawn.push(node.querySelector("h3").textContent);
    }).observe(document.getElementById("answer"), { childList: true });
"""


@pytest.mark.parametrize("pause_ms", [0, 10])
async def test_fifty_quick_switches_draw_the_last_view_alone(
    page, expect, serve_front, watch, pause_ms, state, make_read, click_through
):
    """All requests but the last are aborted, and the server stops their runs while they wait."""
    go = asyncio.Event()
    names = ["apples", "pears", "plums"]
    await page.goto(await serve_front(*(make_read(name, go) for name in names)))
    await expect(state(page)).to_have_text("running")
    await page.evaluate(WATCH_ANSWERS)
    switches = [names[number % 3] for number in range(1, 51)]
    await click_through(page, switches, pause_ms)
    last = switches[-1]
    # The runs of all others end though nothing they wait for has come.
    await watch.until(lambda: watch.running == [last])
    assert all(report.cancelled for report in watch.reports)
    go.set()
    await expect(state(page)).to_contain_text("1 step, all succeeded")
    await expect(page.locator("#answer")).to_contain_text(f"value of {last}")
    assert await page.evaluate("window.drawn") == [f"read_{last}"]
    assert watch.running == []
    assert [report.view for report in watch.reports if not report.cancelled] == [last]


async def test_late_answer_is_not_drawn_even_if_it_comes(
    page, expect, serve_front, watch, tab, state, make_read
):
    """An abort may come too late for the network; what then arrives belongs to a view that is gone."""
    go = asyncio.Event()
    await page.add_init_script("AbortController.prototype.abort = () => {};")
    await page.goto(await serve_front(make_read("late", go), make_read("shown")))
    await watch.until(lambda: watch.running == ["late"])
    await page.evaluate(WATCH_ANSWERS)
    await tab(page, "shown").click()
    await expect(page.locator("#answer")).to_contain_text("value of shown")
    async with page.expect_event("requestfinished", lambda request: request.url.endswith("/views/late")):
        go.set()
    await expect(state(page)).to_contain_text("1 step, all succeeded")
    assert await page.evaluate("window.drawn") == ["read_shown"]
    assert await page.locator("#answer").inner_text() != ""


async def test_what_waits_for_a_thread_never_starts(page, expect, serve_front, watch, tab, make_read):
    """A thread that runs cannot be stopped; nothing else of its run, nor a run in the queue, may begin."""
    go, holds, begun = threading.Event(), threading.Event(), []

    @step(concurrency="parallel", views=["held"])
    def hold():
        begun.append("hold")
        holds.set()
        go.wait(30)

    @step(concurrency="parallel", views=["held"])
    def follow(*, hold):
        begun.append("follow")

    @step(concurrency="parallel", views=["queued"])
    def queue():
        begun.append("queue")

    await page.goto(f"{await serve_front(hold, follow, queue, make_read('shown'), threads=1)}/#held")
    assert await asyncio.to_thread(holds.wait, 20)
    await tab(page, "queued").click()
    await watch.until(lambda: "queued" in watch.running)
    await tab(page, "shown").click()
    await expect(page.locator("#answer")).to_contain_text("value of shown")
    await watch.until(lambda: "queued" in watch.cancelled)
    go.set()
    await watch.until(lambda: watch.running == [])
    assert begun == ["hold"]
    assert sorted(watch.cancelled) == ["held", "queued"]


async def test_stop_ends_the_run(page, expect, serve_front, watch, state, make_read):
    """Who waits too long for a view need not leave it."""
    await page.goto(await serve_front(make_read("endless", asyncio.Event())))
    await watch.until(lambda: watch.running == ["endless"])
    await page.get_by_role("button", name="Stop").click()
    await expect(state(page)).to_have_text("stopped")
    await watch.until(lambda: watch.cancelled == ["endless"])
    await expect(page.get_by_role("button", name="Run again")).to_be_focused()


async def test_switch_is_measured_by_the_browser(page, expect, serve_front, tab, state, make_read):
    """The time from the switch to the screen is in the browser's own list, for tools and benchmarks."""
    await page.goto(await serve_front(make_read("apples"), make_read("pears")))
    await tab(page, "pears").click()
    await expect(state(page)).to_contain_text("on the screen after")
    names = await page.evaluate("performance.getEntriesByName('switch').map((entry) => entry.detail.view)")
    assert names[-1] == "pears"
