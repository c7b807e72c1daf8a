"""The browser and its fixtures: what a page does wrong must be seen."""

from __future__ import annotations

import pytest
from aiohttp import web

CLEAN = "<!doctype html><html lang='en'><title>Steps</title><main><h1>Steps</h1></main>"


def app_with(body):
    async def answer(_request):
        return web.Response(text=body, content_type="text/html")

    app = web.Application()
    app.router.add_get("/{rest:.*}", answer)
    return app


async def test_page_is_drawn_and_accessible(page, serve_app, check_accessibility):
    """The smallest page that has nothing wrong."""
    await page.goto(await serve_app(app_with(CLEAN)))
    assert await page.get_by_role("heading").inner_text() == "Steps"
    await check_accessibility(page)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("<script>console.error('broken')</script>", "broken"),
        ("<script>throw Error('thrown')</script>", "thrown"),
        (
            "<img alt='' src='http://elsewhere.example/x.png'>",
            "request to elsewhere: http://elsewhere.example/",
        ),
        (
            "<script>fetch('http://127.0.0.1:1/').catch(() => 0)</script>",
            "request to elsewhere: http://127.0.0.1:1",
        ),
    ],
    ids=["console", "uncaught", "other_host", "other_port"],
)
async def test_faults_of_a_page_are_seen(page, page_faults, serve_app, body, fault):
    """The fixture would fail this test, if the fault were not taken away."""
    await page.goto(await serve_app(app_with(CLEAN + body)), wait_until="networkidle")
    assert any(fault in found for found in page_faults), page_faults
    page_faults.clear()


async def test_inaccessible_page_is_refused(page, serve_app, check_accessibility):
    """A picture without a text: what axe finds has to be named."""
    body = CLEAN + "<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='>"
    await page.goto(await serve_app(app_with(body)))
    with pytest.raises(AssertionError, match="image-alt"):
        await check_accessibility(page)
