"""The front page by keyboard and by links."""

from __future__ import annotations

import asyncio

from aiohttp_steps import Input, step


async def test_tabs_follow_the_keyboard(page, expect, serve_front, tab, make_read):
    """As the tabs of any page: https://www.w3.org/WAI/ARIA/apg/patterns/tabs/."""
    await page.goto(await serve_front(*(make_read(name) for name in ("apples", "pears", "plums"))))
    await expect(tab(page, "apples")).to_have_attribute("aria-selected", "true")
    await page.keyboard.press("Tab")
    await expect(tab(page, "apples")).to_be_focused()
    for key, name in [
        ("ArrowRight", "pears"),
        ("End", "plums"),
        ("ArrowRight", "apples"),
        ("ArrowLeft", "plums"),
        ("Home", "apples"),
    ]:
        await page.keyboard.press(key)
        await expect(tab(page, name)).to_be_focused()
        await expect(tab(page, name)).to_have_attribute("aria-selected", "true")
        await expect(page.locator("[role=tab][tabindex='0']")).to_have_count(1)
        await expect(page.locator("#answer")).to_contain_text(f"value of {name}")


async def test_view_is_in_the_address(page, expect, serve_front, tab, make_read):
    """It can be linked, and the back button goes where it was before."""
    url = await serve_front(make_read("apples"), make_read("pears"), make_read("plums"))
    await page.goto(f"{url}/#pears")
    await expect(page.locator("#answer")).to_contain_text("value of pears")
    await tab(page, "plums").click()
    await expect(page).to_have_url(f"{url}/#plums")
    await expect(page).to_have_title("plums · Views")
    await page.go_back()
    await expect(page.locator("#answer")).to_contain_text("value of pears")
    await page.go_forward()
    await expect(page.locator("#answer")).to_contain_text("value of plums")


async def test_views_passed_by_make_no_history(page, expect, serve_front, make_read, click_through):
    """With a held arrow key the back button would lead through all of them."""
    names = ["apples", "pears", "plums"]
    url = await serve_front(*map(make_read, names))
    await page.goto(f"{url}/#pears")
    await expect(page.locator("#answer")).to_contain_text("value of pears")
    await click_through(page, ["apples", "plums"] * 5, 0)
    await expect(page).to_have_url(f"{url}/#plums")
    await page.go_back()
    await expect(page).to_have_url(f"{url}/#pears")
    await expect(page.locator("#answer")).to_contain_text("value of pears")


async def test_address_of_no_view_says_so(page, expect, serve_front, make_read):
    """A link may be older than the plugins."""
    await page.goto(f"{await serve_front(make_read('apples'))}/#%E0%A4?x")
    await expect(page.get_by_role("alert")).to_have_text("There is no such view; shown is another.")
    await expect(page.locator("#answer")).to_contain_text("value of apples")


async def test_inputs_of_a_link_are_used(page, expect, serve_front, declare):
    """What was looked at can be shown to others; on the way back the form has what it had."""

    @step(concurrency="parallel", views=["count"])
    async def count(*, number: int):
        return list(range(number))

    url = await serve_front(
        count, declare(Input("number", int, default=2, source=("query", "body"), help="How many."))
    )
    await page.goto(f"{url}/#count?number=3&unknown=1")
    await expect(page.locator("#answer li").filter(has_text="2")).to_have_count(1)
    field = page.get_by_label("number")
    await expect(field).to_have_value("3")
    await field.fill("4")
    await field.press("Enter")
    await expect(page.locator("#answer ul li")).to_have_count(4)
    await expect(page).to_have_url(f"{url}/#count?number=4")
    await page.go_back()
    await expect(page.locator("#answer ul li")).to_have_count(3)
    await expect(field).to_have_value("3")


async def test_focus_stays_where_the_button_was(page, expect, serve_front, make_read):
    """Who runs a view again by keyboard must not have to find the way back to it."""
    go = asyncio.Event()
    go.set()
    await page.goto(await serve_front(make_read("apples", go)))
    again, stop = page.get_by_role("button", name="Run again"), page.get_by_role("button", name="Stop")
    await expect(again).to_be_visible()
    go.clear()
    await again.focus()
    await page.keyboard.press("Enter")
    await expect(stop).to_be_focused()
    go.set()
    await expect(again).to_be_focused()
