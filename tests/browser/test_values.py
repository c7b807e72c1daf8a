"""How values and errors of steps are drawn: readable, and as text."""

from __future__ import annotations

import asyncio

from aiohttp import web
from aiohttp_steps import Input, step
from aiohttp_steps.errors import StepError

HOSTILE = "<img src=x onerror=\"document.title='pwned'\"><script>document.title='pwned'</script>"


async def test_values_are_drawn_as_what_they_are(page, expect, serve_front):
    """Lists of objects as tables, objects as names and values, long lists in parts, `None` as a word."""

    @step(concurrency="parallel", views=["values"])
    async def rows():
        return [{"path": f"file {number}", "size": number, "old": None} for number in range(300)]

    @step(concurrency="parallel", views=["values"])
    async def facts():
        return {
            "name": "main",
            "bare": False,
            "at": "2026-01-02T03:04:05+01:00",
            "none": None,
            "empty": [],
            "in": {"deep": [1, "two"]},
        }

    await page.goto(await serve_front(rows, facts))
    table = page.get_by_role("group", name="rows").get_by_role("table")
    await expect(table.get_by_role("columnheader")).to_have_text(["path", "size"])
    await expect(table.locator("tbody tr")).to_have_count(10)
    await page.get_by_role("button", name="Show 200 more of 300").click()
    await page.get_by_role("button", name="Show 90 more of 300").click()
    await expect(table.locator("tbody tr")).to_have_count(300)
    await expect(page.get_by_text("Nothing in old.")).to_be_visible()
    card = page.locator(".card", has_text="facts")
    assert await card.locator(":scope > dl > div > dt").all_inner_texts() == [
        "name",
        "bare",
        "at",
        "none",
        "empty",
        "in",
    ]
    assert await card.locator(":scope > dl > div:not(.block) > dd").all_inner_texts() == [
        "main",
        "no",
        "2026-01-02 03:04:05 +01:00",
        "none",
        "none",
    ]
    assert await card.locator("li").all_inner_texts() == ["1", "two"]


async def test_long_text_is_shown_on_demand(page, expect, serve_front):
    """One long message must not push all others from the screen."""

    @step(concurrency="parallel", views=["text"])
    async def text():
        return "line\n" * 50

    await page.goto(await serve_front(text))
    button = page.get_by_role("button", name="Show all")
    await expect(button).to_have_attribute("aria-expanded", "false")
    low = (await page.locator(".text").bounding_box())["height"]
    await button.click()
    assert (await page.locator(".text").bounding_box())["height"] > 5 * low
    await expect(page.get_by_role("button", name="Show less")).to_have_attribute("aria-expanded", "true")


async def test_hostile_text_stays_text(page, expect, serve_front, declare):
    """File names, commit messages, keys, errors and helps may be written by anybody."""

    @step(concurrency="parallel", views=["hostile"])
    async def value():
        return {
            HOSTILE: [HOSTILE, {HOSTILE: HOSTILE}],
            "rows": [{HOSTILE: HOSTILE, "url": "javascript:document.title='pwned'"}],
        }

    @step(concurrency="parallel", views=["hostile"])
    async def error():
        raise StepError(HOSTILE)

    help_input = Input("word", str, default=HOSTILE, source="query", help=HOSTILE)

    @step(concurrency="parallel", views=["hostile"])
    async def echo(*, word):
        return word

    await page.goto(await serve_front(value, error, echo, declare(help_input)))
    await expect(page.locator("#answer")).to_contain_text(HOSTILE)
    await expect(page.locator(".message")).to_have_text(HOSTILE)
    await expect(page.locator("main").locator("img, script, a, iframe, b")).to_have_count(0)
    assert await page.title() == "hostile · Views"


async def test_errors_are_told_step_by_step(page, expect, serve_front, state):
    """What went wrong, of which plugin, and what stands in its place; what succeeded is there too."""

    @step(concurrency="parallel", views=["mixed"])
    async def good():
        return "good value"

    @step(concurrency="parallel", views=["mixed"], timeout=0.01, default="a default")
    async def late():
        await asyncio.Event().wait()

    @step(concurrency="parallel", views=["mixed"])
    async def wrong():
        raise StepError("out of tea")

    @step(concurrency="parallel", views=["mixed"])
    async def after(*, wrong):
        return wrong

    await page.goto(await serve_front(good, late, wrong, after))
    await expect(state(page)).to_contain_text("3 of 4 steps failed")
    cards = page.locator(".card")
    assert await cards.locator("h3").all_inner_texts() == [
        "good",
        "late timeout",
        "wrong error",
        "after skipped",
    ]
    await expect(cards.nth(0)).to_contain_text("good value")
    await expect(cards.nth(1)).to_contain_text("ran longer than 0.01 s")
    await expect(cards.nth(1)).to_contain_text("In its place stands:a default")
    await expect(cards.nth(2)).to_contain_text("out of tea")
    await expect(cards.nth(2)).to_contain_text("plugin tested")
    await expect(cards.nth(3)).to_contain_text("skipped, because 'wrong' gave no value")


async def test_failure_of_a_required_step_is_a_problem(page, page_faults, expect, serve_front, state):
    """The answer is then no report: RFC 9457 says what it is."""

    @step(concurrency="parallel", views=["refused"], required=True)
    async def refused():
        raise StepError("out of tea")

    await page.goto(await serve_front(refused))
    alert = page.get_by_role("alert").filter(has_text="Internal Server Error")
    await expect(alert).to_contain_text("out of tea")
    await expect(alert.locator("dd")).to_have_text(["refused", "tested", "error"])
    await expect(state(page)).to_contain_text("failed: Internal Server Error")
    assert page_faults.pop().startswith(
        "error on the console: Failed to load resource"
    )  # the browser's own word
    page_faults.clear()


async def test_answer_of_a_step_itself_is_shown_as_text(page, expect, serve_front):
    """A step may answer with anything; markup in it is none here."""

    @step(concurrency="parallel", views=["own"])
    async def own():
        return web.Response(text=HOSTILE, content_type="text/html")

    await page.goto(await serve_front(own))
    await expect(page.get_by_role("heading", name="Answer 200")).to_be_visible()
    await expect(page.locator("#answer .text")).to_have_text(HOSTILE)


async def test_times_are_bars(page, expect, serve_front, make_read):
    """The run, its critical path, and what one after another would have cost."""
    await page.goto(await serve_front(make_read("apples")))
    times = page.get_by_role("region", name="Times")
    await expect(times.locator("dt")).to_have_text(["this run", "critical path", "one after another"])
    await expect(times.get_by_role("list", name="Critical path")).to_have_text("read_apples")
    assert all(text.endswith("\u00a0ms") for text in await times.locator("dd").all_inner_texts())


async def test_steps_have_bars_where_the_server_tells_their_times(page, expect, serve_front):
    """In debug mode; a step that did not run has none, which is not 0."""

    @step(concurrency="parallel", views=["v"])
    async def wrong():
        raise StepError("out of tea")

    @step(concurrency="parallel", views=["v"])
    async def after(*, wrong):
        return wrong

    await page.goto(await serve_front(wrong, after, debug=True))
    steps = page.get_by_role("region", name="Times").locator("dl").nth(1)
    await expect(steps.locator("dt")).to_have_text(["wrong", "after"])
    await expect(steps.locator("dd").nth(1)).to_have_text("did not run")
