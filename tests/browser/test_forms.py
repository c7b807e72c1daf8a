"""The forms of the front page: inputs of views, and views that may write."""

from __future__ import annotations

from typing import Any, Literal

from aiohttp_steps import Input, step


async def test_view_that_may_write_runs_by_its_button_alone(
    page, expect, serve_front, declare, watch, state, tab, make_read
):
    """A link, a tab, a reload must not send a message; a press does, with JSON of the right types."""
    given = []

    @step(views=["note"])
    async def note(*, text, count, tags, facts, urgent):
        given.append({"text": text, "count": count, "tags": tags, "facts": facts, "urgent": urgent})
        return "noted"

    inputs = declare(
        Input("text", str, source="body", help="The note."),
        Input("count", int, default=1, source="body"),
        Input("tags", list[str], default=[], source="body"),
        Input("facts", dict[str, Any], default={}, source="body"),
        Input("urgent", bool, default=False, source="body"),
    )
    url = await serve_front(note, inputs, make_read("apples"))
    await page.goto(f"{url}/#note?text=from+a+link")
    await expect(state(page)).to_have_text("not run")
    await expect(page.get_by_label("text")).to_have_value("")
    await tab(page, "apples").click()
    await tab(page, "note").click()
    await page.get_by_label("text").fill("123")
    await page.get_by_label("count").fill("2")
    await page.get_by_label("tags").fill("one\ntwo")
    await page.get_by_label("facts").fill('{"a": [1]}')
    await page.get_by_label("urgent").select_option("true")
    await tab(page, "apples").click()
    await tab(page, "note").click()
    await expect(page.get_by_label("text")).to_have_value("123")
    assert "note" not in watch.running + [report.view for report in watch.reports]
    await page.get_by_role("button", name="Run note").click()
    await expect(page.locator("#answer")).to_contain_text("noted")
    assert given == [{"text": "123", "count": 2, "tags": ["one", "two"], "facts": {"a": [1]}, "urgent": True}]
    await expect(page).to_have_url(f"{url}/#note")


async def test_faults_stand_beside_their_fields(
    page, page_faults, expect, serve_front, declare, watch, state
):
    """What the page can tell is told before anything is sent; what the server says stands there as well."""

    @step(views=["note"])
    async def note(*, facts, count):
        return facts

    inputs = declare(
        Input("facts", dict[str, Any], source="body"), Input("count", int, default=1, source="body")
    )
    await page.goto(await serve_front(note, inputs))
    facts, count = page.get_by_label("facts"), page.get_by_label("count")
    await page.get_by_role("button", name="Run note").click()
    await expect(facts).to_be_focused()
    await expect(facts).to_have_accessible_description("needed It is needed.")
    await facts.fill("{")
    await page.get_by_role("button", name="Run note").click()
    await expect(state(page)).to_have_text("not run: an input is wrong")
    await expect(page.locator("#input-facts-fault")).to_contain_text("It is no JSON")
    assert watch.reports == []
    await facts.fill("{}")
    await count.fill("many")
    await page.get_by_role("button", name="Run note").click()
    await expect(page.locator("#input-count-fault")).to_contain_text("Expected `int`, got `str`")
    await expect(count).to_have_attribute("aria-invalid", "true")
    await expect(facts).to_have_attribute("aria-invalid", "false")
    assert any("400" in fault for fault in page_faults)
    page_faults.clear()


async def test_view_waits_for_an_input_that_it_needs(
    page, expect, serve_front, declare, watch, state, tab, make_read
):
    """It runs when it has it, and from then on whenever it is shown."""

    @step(concurrency="parallel", views=["double"])
    async def double(*, number, colour, names):
        return f"{2 * number} {colour} {names}"

    inputs = declare(
        Input("number", int, source="query"),
        Input("colour", Literal["red", "green"], default="red", source="query"),
        Input("names", list[str], default=["nobody"], source="query"),
    )
    await page.goto(f"{await serve_front(double, inputs, make_read('apples'))}/#double")
    await expect(state(page)).to_have_text("waits for its inputs")
    assert watch.reports == []
    await page.get_by_label("number").fill("21")
    await page.get_by_label("colour").select_option("green")
    await page.get_by_label("names").fill("Ada\nBo, & Co")
    await page.get_by_role("button", name="Run double").click()
    await expect(page.locator("#answer")).to_contain_text("42 green ['Ada', 'Bo, & Co']")
    await tab(page, "apples").click()
    await expect(page.locator("#answer")).to_contain_text("value of apples")
    await tab(page, "double").click()
    await expect(page.locator("#answer")).to_contain_text("42 green ['Ada', 'Bo, & Co']")
