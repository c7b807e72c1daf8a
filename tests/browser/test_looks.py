"""The front page for all: axe in light and dark, a phone's width, and a server that is gone."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp_steps import Input, StepRegistry, step
from aiohttp_steps.errors import StepError
from aiohttp_steps.web import build_server_app

WIDE = {f"column_{number}": f"value_{number}" * 3 for number in range(8)}


@pytest.fixture
def views(declare):
    """Give steps of views that look as different as they can."""

    @step(concurrency="parallel", views=["mixed"])
    async def rows():
        return [
            {"path": f"folder/file {number}", "size": number, "id": "0123456789" * 4} for number in range(30)
        ]

    @step(concurrency="parallel", views=["mixed"])
    async def facts(*, limit):
        return {
            "name": "main",
            "none": None,
            "long": "word " * 500,
            "unbroken": "x" * 500,
            "rows": [WIDE],
        }

    @step(concurrency="parallel", views=["mixed"])
    async def wrong():
        raise StepError("out of tea")

    @step(views=["note"])
    async def note(*, facts_given, limit):
        return facts_given

    inputs = declare(
        Input("limit", int, default=5, source=("query", "body"), help="How many."),
        Input("facts_given", dict[str, Any], source="body", help="What to write."),
    )
    return rows, facts, wrong, note, inputs


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_page_is_accessible(page, expect, serve_front, views, tab, state, check_accessibility, scheme):
    """Colours, names, roles: with an answer, with errors, with forms and what is wrong in them."""
    await page.emulate_media(color_scheme=scheme)
    await page.goto(await serve_front(*views, debug=True))
    await expect(state(page)).to_contain_text("1 of 3 steps failed")
    await check_accessibility(page)
    await page.get_by_text("Inputs (1)").click()
    await check_accessibility(page)
    await tab(page, "note").click()
    await page.get_by_role("button", name="Run note").click()
    await expect(page.get_by_label("facts_given")).to_be_focused()
    await check_accessibility(page)


async def test_schemes_differ(page, serve_front, views):
    """The page follows the system."""
    await page.goto(await serve_front(*views))
    grounds = set()
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        grounds.add(await page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(grounds) == 2


@pytest.mark.parametrize("width", [320, 390, 1280])
async def test_page_fits_its_width(page, expect, serve_front, views, state, tab, width):
    """Wide tables scroll within their cards: the page itself never does."""
    await page.set_viewport_size({"width": width, "height": 700})
    await page.goto(await serve_front(*views, debug=True))
    await expect(state(page)).to_contain_text("1 of 3 steps failed")
    assert await page.evaluate("document.documentElement.scrollWidth") == width
    await tab(page, "note").click()
    assert await page.evaluate("document.documentElement.scrollWidth") == width


async def test_server_that_is_gone_is_told(page, page_faults, expect, serve_front, make_read, tab, state):
    """And asked again on demand."""
    await page.goto(await serve_front(make_read("apples"), make_read("pears")))
    await expect(page.locator("#answer")).to_contain_text("value of apples")
    await page.context.set_offline(True)
    await tab(page, "pears").click()
    await expect(page.locator("#answer").get_by_role("alert")).to_contain_text("The server does not answer")
    await expect(state(page)).to_contain_text("no answer")
    await page.context.set_offline(False)
    await page.get_by_role("button", name="Try again").click()
    await expect(page.locator("#answer")).to_contain_text("value of pears")
    assert all("ERR_INTERNET_DISCONNECTED" in fault for fault in page_faults)
    page_faults.clear()


async def test_server_without_views_says_what_to_do(page, expect, serve_app):
    """Nobody would know what is missing."""
    async with StepRegistry() as registry:
        await page.goto(await serve_app(lambda host: build_server_app(registry, hosts=[host])))
        await expect(page.get_by_role("alert")).to_contain_text("There are no views: install step plugins")


async def test_times_of_steps_reach_the_browser(page, serve_front, expect, state):
    """`Server-Timing` is for the browser's own tools: in plan order, and the total at the end."""

    @step(concurrency="parallel", views=["v"])
    async def first():
        return 1

    @step(concurrency="parallel", views=["v"])
    async def second(*, first):
        return 2

    @step(concurrency="parallel", views=["v"])
    async def third(*, second):
        raise StepError("out of tea")

    @step(concurrency="parallel", views=["v"])
    async def fourth(*, third):
        return 4

    url = await serve_front(fourth, third, second, first, debug=True)
    await page.goto(url)
    await expect(state(page)).to_contain_text("2 of 4 steps failed")
    read = """(kind) => performance.getEntriesByType(kind).filter((entry) => entry.name.endsWith('/views/v'))
        .flatMap((entry) => entry.serverTiming.map((one) => [one.name, one.duration, one.description]))"""
    timings = await page.evaluate(read, "resource")
    assert [name for name, _, _ in timings] == ["first", "second", "third", "fourth", "total"]
    assert [text for _, _, text in timings] == ["parallel", "parallel", "parallel", "parallel (skipped)", ""]
    assert timings[-1][1] >= max(duration for _, duration, _ in timings[:-1])
    await page.goto(f"{url}/views/v")
    timings = await page.evaluate(read, "navigation")
    assert [name for name, _, _ in timings] == ["first", "second", "third", "fourth", "total"]
