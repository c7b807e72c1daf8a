"""The front page of `serve`, as HTTP has it; what it does in a browser is in tests/browser."""

from __future__ import annotations

import re

import pytest
from aiohttp_steps.web import build_server_app

HTML = {"Host": "my.box", "Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
async def client(aiohttp_client, registry):
    return await aiohttp_client(build_server_app(registry, hosts=["my.box"]))


@pytest.fixture
async def linked(client, fetch):
    """Give the paths that the page links to, and those that its modules import."""
    page = (await fetch(client, "GET", "/", headers=HTML)).text
    paths = {f"/{path}" for path in re.findall(r'(?:href|src)="(front/[^"]+)"', page)}
    for path in sorted(paths):
        text = (await fetch(client, "GET", path, headers=HTML)).text
        paths |= {f"/front/{name}" for name in re.findall(r'from "\./([^"]+)"', text)}
    return sorted(paths)


async def test_browsers_get_a_page(client, fetch):
    """People open the address that `serve` prints."""
    answer = await fetch(client, "GET", "/", headers=HTML)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.text.startswith("<!doctype html>")


@pytest.mark.parametrize("accept", ["*/*", "application/json"], ids=["any", "json"])
async def test_programs_are_led_to_the_list_of_views(client, fetch, accept):
    """A page is nothing to them; and a cache has to know that the two differ."""
    answer = await fetch(client, "GET", "/", headers={"Host": "my.box", "Accept": accept})
    assert (answer.status, answer.headers["Location"]) == (302, "/views")
    assert answer.headers["Vary"] == "Accept"


async def test_all_that_the_page_needs_is_there(client, fetch, linked):
    """A file that is forgotten in a wheel, or misspelt, would be a page that does nothing."""
    assert {path.rpartition(".")[2] for path in linked} == {"css", "js", "svg"}
    for path in linked:
        assert (await fetch(client, "GET", path, headers=HTML)).status == 200, path


async def test_page_and_files_may_load_nothing_else(client, fetch, linked):
    """What stands in a repository may be written by anybody, and must not run here or tell anybody."""
    for path in ("/", *linked):
        headers = (await fetch(client, "GET", path, headers=HTML)).headers
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert "require-trusted-types-for 'script'" in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"


async def test_who_has_a_file_gets_it_once(client, fetch, linked):
    """A new release has to be seen at once, and an old one not be sent again."""
    for path in ("/", *linked):
        first = await fetch(client, "GET", path, headers=HTML)
        assert first.headers["Cache-Control"] == "no-cache"
        again = await fetch(client, "GET", path, headers={**HTML, "If-None-Match": first.headers["ETag"]})
        assert (again.status, again.text, again.headers["ETag"]) == (304, "", first.headers["ETag"])
        other = await fetch(client, "GET", path, headers={**HTML, "If-None-Match": '"other"'})
        assert (other.status, other.text) == (200, first.text)


async def test_browsers_find_an_icon_beside_json(client, fetch):
    """They ask for it when an answer is opened by itself; the log need not tell of 404 each time."""
    answer = await fetch(client, "GET", "/favicon.ico", headers=HTML)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/svg+xml; charset=utf-8")


async def test_other_paths_are_no_files(client, fetch):
    """Only files of the page are served, whatever path is asked for."""
    for path in (
        "/front/",
        "/front/front.py",
        "/front/../front.py",
        "/front/%2e%2e/front.py",
        "/front/index.html",
    ):
        assert (await fetch(client, "GET", f"/front/{path}", headers=HTML)).status == 404


async def test_page_is_guarded_as_all_else(client, fetch):
    """A page of another name in the user's browser must not so much as see it."""
    answer = await fetch(client, "GET", "/", headers={**HTML, "Host": "evil.example"})
    assert answer.status == 403
