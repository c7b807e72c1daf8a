"""The inspector's page as a person meets it: live, right to the pixel, readable, usable by keyboard."""

from __future__ import annotations

import asyncio
import json
import types
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import ClientSession, web
from aiohttp_steps import Input, StepRegistry, add_views, exclusive, hookimpl, setup, step

inspector = pytest.importorskip("aiohttp_steps_inspector", reason="plugins/inspector is not installed")

parallel = step(concurrency="parallel", views=["v"])
WIDE = {"width": 1180, "height": 800}
PHONE = {"width": 360, "height": 740}
TOKEN = "a-token-of-thirty-two-characters"


class Known:
    """Steps whose run is known: who overlaps whom is decided by events, not by time."""

    def __init__(self):
        self.met = asyncio.Event()
        self.is_second = False

    async def meet(self):
        """Return when both have begun, so that their runs overlap."""
        if self.is_second:
            self.met.set()
        self.is_second = True
        await self.met.wait()
        await asyncio.sleep(0.03)

    @step(concurrency="gate", views=["known"])
    async def user(self):
        await asyncio.sleep(0.02)

    @step(concurrency="parallel", views=["known"])
    async def left(self):
        await self.meet()

    @step(concurrency="parallel", views=["known"])
    async def right(self):
        await self.meet()

    @step(concurrency="parallel", views=["known"])
    async def last(self, *, left, right):
        await asyncio.sleep(0.02)


@parallel
async def good(*, limit):
    return {"limit": limit}


@parallel
async def bad():
    raise ValueError("<img src=x onerror=alert(1)> is no number")


@parallel
async def behind(*, bad):
    return bad


@step(concurrency="parallel", views=["v"], timeout=0.001)
async def slow():
    await asyncio.Event().wait()


@step(concurrency=exclusive("deploy"), views=["write"])
async def deploy(*, tag):
    return f"deployed {tag}"


class Site:
    """An application with an inspector, and what a test does to it."""

    def __init__(self, registry, url):
        self.registry = registry
        self.url = url
        self.page = f"{url}/_steps"

    async def run(self, view, **options):
        return await self.registry.run(view, **options)


@pytest_asyncio.fixture(loop_scope="session")
async def site(serve_app):
    """Give the application, with steps that succeed, fail, are skipped and time out."""
    return await make_site(serve_app)


async def make_site(serve_app, **options):
    @hookimpl
    def step_inputs():
        return [
            Input("limit", int, default=3, source="query", help="How many."),
            Input("tag", str, source="body"),
        ]

    registry = StepRegistry()
    steps = {function.__name__: function for function in (good, bad, behind, slow, deploy)}
    registry.register(types.SimpleNamespace(step_inputs=step_inputs, **steps), "shop")
    registry.register(Known(), "known")
    registry.register(inspector.Inspector(**options))
    app = web.Application()
    setup(app, registry)
    add_views(app)
    return Site(registry, await serve_app(app))


async def boxes_of(page, run, part="run"):
    """Return left and right edge of the bars of one kind, by step."""
    lines = page.locator(f'.run[data-run="{run}"] .line')
    found = {}
    for line in await lines.all():
        bar = line.locator(f'[data-part="{part}"]')
        if await bar.count():
            box = await bar.bounding_box()
            found[await line.get_attribute("data-step")] = (box["x"], box["x"] + box["width"])
    return found


async def test_page_is_live(page, site):
    """Runs appear as they end, the newest first, without a click."""
    await page.goto(site.page)
    await page.locator("#live[data-state=live]").wait_for()
    assert "No run yet" in await page.locator(".empty").inner_text()
    await site.run("known")
    await page.locator('.run[data-run="1"]').wait_for()
    await site.run("v")
    await page.locator('.run[data-run="2"]').wait_for()
    runs = await page.locator(".run").evaluate_all("all => all.map(one => one.dataset.run)")
    assert runs == ["2", "1"]
    assert await page.locator("#total").inner_text() == "2 runs"


async def test_bars_stand_where_the_steps_ran(page, site):
    """The waterfall's geometry is that of the report: same places, same lengths, same overlaps."""
    await page.set_viewport_size(WIDE)
    report = await site.run("known")
    await page.goto(site.page)
    await page.locator('.run[data-run="1"]').wait_for()
    bars = await boxes_of(page, 1)
    track = await page.locator('.run[data-run="1"] .line .track').first.bounding_box()
    axis = float(await page.locator(".scaled").first.evaluate("one => one.style.getPropertyValue('--axis')"))
    assert axis >= report.timing.wall_s * 1000
    width = track["width"] - 1  # its border
    for outcome in report.outcomes:
        left, right = bars[outcome.step.name]
        assert left == pytest.approx(track["x"] + outcome.started_s * 1000 / axis * width, abs=1.5)
        assert right - left == pytest.approx(outcome.run_s * 1000 / axis * width, abs=1.5)
    assert bars["left"][0] < bars["right"][1]
    assert bars["right"][0] < bars["left"][1]
    assert bars["user"][1] <= min(bars["left"][0], bars["right"][0]) + 1
    assert bars["last"][0] >= max(bars["left"][1], bars["right"][1]) - 1
    idle = await boxes_of(page, 1, "idle")
    assert idle["left"][1] == pytest.approx(bars["left"][0], abs=3)
    ticks = await page.locator(".common .tick").all_inner_texts()
    assert ticks[0] == "0"
    assert ticks[-1].startswith(f"{axis:g}")


async def test_runs_share_one_axis_unless_each_is_to_have_its_own(page, site):
    """One millisecond is as long in each run, so that they compare."""
    await page.set_viewport_size(WIDE)
    await site.run("known")
    await site.run("v")
    await page.goto(site.page)
    await page.locator('.run[data-run="2"]').wait_for()
    before = await boxes_of(page, 2)
    await page.get_by_label("an axis for each run").check()
    after = await boxes_of(page, 2)
    assert after["slow"][1] - after["slow"][0] > before["slow"][1] - before["slow"][0]
    assert await page.locator(".run .axis").count() == 2
    assert await page.locator(".common .axis").count() == 0


async def test_states_differ_by_more_than_colour(page, site):
    """Each has its word and its shape."""
    await site.run("v")
    await page.goto(site.page)
    await page.locator('.run[data-run="1"]').wait_for()
    shapes = set()
    for name, word in (("good", ""), ("bad", "failed"), ("behind", "skipped"), ("slow", "timed out")):
        line = page.locator(f'.line[data-step="{name}"]')
        assert word in await line.locator(".figure").inner_text()
        shapes.add(await line.locator(".mark path").get_attribute("d"))
    assert len(shapes) == 4
    assert "failed" in await page.locator(".waterfall").get_attribute("aria-label")


async def test_run_opens_to_outcome_error_and_explanation(page, site):
    """By keyboard alone; the error is text, whatever it says."""
    await site.run("v")
    await page.goto(site.page)
    await page.locator('.run[data-run="1"] .open').focus()
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    await dialog.locator(".step").first.wait_for()
    assert await dialog.get_by_role("heading").first.inner_text() == "v run 1"
    bad_step = dialog.locator('.step[data-step="bad"]')
    assert await bad_step.locator(".fault").inner_text() == (
        "ValueError: <img src=x onerror=alert(1)> is no number"
    )
    assert await bad_step.locator(".fault").is_visible()
    assert "parallel: starts as soon as" in await bad_step.locator(".reasons").inner_text()
    behind_step = dialog.locator('.step[data-step="behind"]')
    assert not await behind_step.locator(".reasons").is_visible()
    await behind_step.locator("summary").press("Enter")
    assert "takes the result of bad" in await behind_step.locator(".reasons").inner_text()
    await page.keyboard.press("Escape")
    await dialog.wait_for(state="hidden")
    assert await page.evaluate("document.activeElement.classList.contains('open')")


async def test_error_of_the_page_itself_is_readable(page, page_faults, site):
    """A run that is forgotten meanwhile is told, not a dialog that stays empty."""
    await site.run("v")
    await page.goto(site.page)
    await page.locator('.run[data-run="1"]').wait_for()
    await page.route(
        "**/api/runs/1",
        lambda route: route.fulfill(
            status=404,
            content_type="application/problem+json",
            body=json.dumps({"detail": "not kept any more"}),
        ),
    )
    await page.locator('.run[data-run="1"] .open').click()
    await page.get_by_role("alert").wait_for()
    assert await page.get_by_role("alert").inner_text() == "not kept any more"
    page_faults.clear()  # the browser notes each answer that is no success


async def test_view_is_run_from_the_page_side_by_side(page, site):
    """With what was typed; parallel and sequential on one axis, each with its values."""
    await page.set_viewport_size(WIDE)
    await page.goto(f"{site.page}#views")
    await page.get_by_role("button", name="v", exact=True).click()
    await page.get_by_label("limit").fill("41")
    await page.get_by_role("button", name="side by side").click()
    results = page.locator(".result")
    await results.nth(1).wait_for()
    ways = await results.evaluate_all("all => all.map(one => one.dataset.way)")
    assert ways == ["parallel", "sequential"]
    axes = await page.locator(".result .scaled").evaluate_all(
        "all => all.map(one => one.style.getPropertyValue('--axis'))"
    )
    assert len(set(axes)) == 1
    for number in range(2):
        shown = results.nth(number).locator('.step[data-step="good"]')
        await shown.locator("summary").click()
        assert '"limit": 41' in await shown.locator("pre").inner_text()
    assert "In parallel" in await page.locator(".results h3").inner_text()
    await page.get_by_role("tab", name="Runs").click()
    await page.locator('.run[data-run="2"]').wait_for()


async def test_bad_input_is_told_in_the_servers_words(page, page_faults, site):
    """They name the input, the fault and the type."""
    await page.goto(f"{site.page}#views")
    await page.get_by_role("button", name="v", exact=True).click()
    await page.get_by_label("limit").fill("many")
    await page.get_by_role("button", name="In parallel", exact=True).click()
    alert = page.get_by_role("alert")
    await alert.wait_for()
    assert "'limit' does not fit its type int" in await alert.inner_text()
    page_faults.clear()


async def test_view_that_writes_asks_first(page, site):
    """The browser itself does not send the form before the box is checked."""
    await page.goto(f"{site.page}#views")
    await page.get_by_role("button", name="write", exact=True).click()
    await page.get_by_label("tag").fill("v1")
    await page.get_by_role("button", name="In parallel", exact=True).click()
    assert await page.locator(".result").count() == 0
    await page.get_by_label("I mean to run it").check()
    await page.get_by_role("button", name="In parallel", exact=True).click()
    await page.locator(".result").wait_for()
    assert site.registry.views


async def test_graph_has_a_column_for_each_tier(page, site):
    """Gates left of what they guard, and an arrow for each thing taken."""
    await page.set_viewport_size(WIDE)
    await page.goto(f"{site.page}#views")
    await page.get_by_role("button", name="known", exact=True).click()

    async def box(name):
        return await page.locator(f'.node[data-step="{name}"]').bounding_box()

    user, left, right, last = [await box(name) for name in ("user", "left", "right", "last")]
    assert user["x"] + user["width"] < left["x"] == right["x"]
    assert left["x"] + left["width"] < last["x"]
    assert left["y"] + left["height"] < right["y"]
    arrows = await page.locator(".edge[data-kind=data]").evaluate_all(
        "all => all.map(one => one.dataset.from)"
    )
    assert sorted(arrows) == ["left", "right"]
    assert "tier 1, gate: user" in await page.locator(".graph").get_attribute("aria-label")


async def test_steps_and_plugins_are_told(page, site):
    """Counts, errors, percentiles; versions."""
    for _ in range(3):
        await site.run("v")
    await page.goto(f"{site.page}#steps")
    row = page.locator('tr[data-step="bad"]')
    await row.wait_for()
    cells = await row.locator("td").all_inner_texts()
    assert cells[1:3] == ["3", "3"]
    assert cells[3].endswith("ms")
    await page.get_by_role("button", name="Errors").click()
    names = await page.locator("tbody tr").evaluate_all("all => all.slice(0, 2).map(one => one.dataset.step)")
    assert set(names) == {"bad", "slow"}
    assert await page.locator("th[aria-sort=descending]").inner_text() == "Errors"
    await page.get_by_role("tab", name="Plugins").click()
    await page.locator('tr[data-plugin="shop"]').wait_for()
    assert "aiohttp-steps" in await page.locator('tr[data-plugin="builtin_runners"]').inner_text()


async def test_stalls_of_the_loop_are_told_with_their_step(page, site):
    """A thread that holds the GIL is parallel in name only."""
    plugin = next(i.plugin for i in site.registry.plugins if isinstance(i.plugin, inspector.Inspector))
    stall = types.SimpleNamespace(lasted_s=0.041, how="gil", steps=("good",), where="status.py:7")
    plugin.step_stalled(stall)
    await page.goto(f"{site.page}#steps")
    row = page.locator('tr[data-step="good"]')
    await row.wait_for()
    assert "parallel in name only" in await row.inner_text()
    assert "1, worst 41.0 ms" in await row.inner_text()


@pytest.mark.parametrize("of_run", [False, True], ids=["all", "one"])
async def test_trace_is_saved(page, site, of_run):
    """In the format that Perfetto opens."""
    await site.run("known")
    await site.run("v")
    await page.goto(site.page)
    await page.locator('.run[data-run="2"]').wait_for()
    button = page.get_by_role("button", name="Save trace", exact=True)
    if of_run:
        await page.locator('.run[data-run="2"] .open').click()
        button = page.get_by_role("button", name="Save trace of this run")
    async with page.expect_download() as download:
        await button.click()
    file = await (await download.value).path()
    document = json.loads(Path(file).read_text())  # noqa: ASYNC240 - a test may wait
    assert {event["pid"] for event in document["traceEvents"]} == ({2} if of_run else {1, 2})
    assert all({"ph", "pid", "tid", "name"} <= event.keys() for event in document["traceEvents"])


async def test_tabs_and_runs_are_walked_by_keyboard(page, site):
    """One stop in the tab order each; arrows move within."""
    for _ in range(2):
        await site.run("v")
    await page.goto(site.page)
    await page.locator('.run[data-run="2"]').wait_for()
    await page.get_by_role("tab", name="Runs").focus()
    await page.keyboard.press("ArrowRight")
    assert await page.get_by_role("tab", name="Views").get_attribute("aria-selected") == "true"
    await page.keyboard.press("End")
    assert await page.locator("#panel-plugins").is_visible()
    await page.keyboard.press("Home")
    assert await page.locator("#panel-runs").is_visible()
    await page.locator('.run[data-run="2"] .open').focus()
    await page.keyboard.press("ArrowDown")
    focused = await page.evaluate("document.activeElement.closest('.run').dataset.run")
    assert focused == "1"
    assert await page.locator('.open[tabindex="0"]').count() == 1


async def test_paused_page_stays_as_it_is(page, site):
    """What somebody reads must not be moved away from under him."""
    await site.run("v")
    await page.goto(site.page)
    await page.locator('.run[data-run="1"]').wait_for()
    await page.get_by_role("button", name="Pause").click()
    await site.run("v")
    await page.get_by_text("2 runs").wait_for()
    assert await page.locator(".run").count() == 1
    await page.get_by_role("button", name="Pause").click()
    await page.locator('.run[data-run="2"]').wait_for()


async def test_focus_is_not_lost_when_runs_come(page, site):
    """Who walks the list by keyboard stays where he is."""
    await site.run("v")
    await page.goto(site.page)
    await page.locator('.run[data-run="1"] .open').focus()
    await site.run("v")
    await page.locator('.run[data-run="2"]').wait_for()
    assert await page.evaluate("document.activeElement.closest('.run').dataset.run") == "1"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
async def test_everything_is_accessible(page, site, check_accessibility, scheme, size):
    """All that can be opened, in both schemes and both widths; and nothing is wider than a phone."""
    await page.emulate_media(color_scheme=scheme)
    await page.set_viewport_size(size)
    await site.run("v")
    await site.run("known")
    await page.goto(site.page)
    await page.locator('.run[data-run="2"]').wait_for()
    await page.locator("#panel-runs .legend summary").first.click()
    await check_accessibility(page)
    await fits(page)
    await page.locator('.run[data-run="1"] .open').click()
    await page.locator("dialog .step").first.wait_for()
    await check_accessibility(page)
    await page.keyboard.press("Escape")
    await page.get_by_role("tab", name="Views").click()
    await page.get_by_role("button", name="v", exact=True).click()
    await page.get_by_text("Why each step stands").click()
    await page.get_by_role("button", name="side by side").click()
    await page.locator(".result").nth(1).wait_for()
    await check_accessibility(page)
    await fits(page)
    for tab in ("Steps", "Plugins"):
        await page.get_by_role("tab", name=tab).click()
        await check_accessibility(page)
        await fits(page)


async def fits(page):
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_log_in_with_the_token(page, page_faults, serve_app, check_accessibility):
    """The form, a wrong token, the right one, and the page."""
    site = await make_site(serve_app, token=TOKEN)
    await page.goto(site.page)
    await check_accessibility(page)
    page_faults.clear()  # the browser notes the 401
    await page.get_by_label("Token").fill("wrong")
    await page.keyboard.press("Enter")
    await page.get_by_text("not the token").wait_for()
    page_faults.clear()
    await page.get_by_label("Token").fill(TOKEN)
    await page.get_by_role("button", name="Log in").click()
    await page.locator("#live[data-state=live]").wait_for()
    assert await page.evaluate("document.cookie") == ""
    async with ClientSession() as session, session.get(f"{site.page}/api/state") as response:
        assert response.status == 401


async def test_page_works_below_a_prefix(page, serve_app):
    """In a sub-application, whose prefix the page does not know."""
    registry = StepRegistry()
    registry.register(types.SimpleNamespace(good=good), "shop")
    registry.register(inspector.Inspector())
    below = web.Application()
    setup(below, registry, inputs={"limit": 1})
    app = web.Application()
    app.add_subapp("/admin/", below)
    await page.goto(f"{await serve_app(app)}/admin/_steps#views")
    await page.get_by_role("button", name="In parallel", exact=True).click()
    await page.locator(".result").wait_for()
    await page.get_by_role("tab", name="Runs").click()
    await page.locator('.run[data-run="1"]').wait_for()


async def test_page_connects_again_to_an_application_that_was_started_anew(page, page_faults, serve_app):
    """Its runs begin at 1 again, and are not mistaken for old ones."""
    site = await make_site(serve_app)
    for _ in range(3):
        await site.run("v")
    await page.goto(site.page)
    await page.locator('.run[data-run="3"]').wait_for()
    plugin = next(i.plugin for i in site.registry.plugins if isinstance(i.plugin, inspector.Inspector))
    plugin._history.__init__(plugin.history.most)
    plugin.streams._life = "another"
    plugin.streams.close()
    await site.run("v")
    await page.locator('.run[data-run="3"]').wait_for(state="detached")
    assert await page.locator(".run").get_attribute("data-run") == "1"
    page_faults.clear()
