"""Who may use the page: loopback, names of loopback, own pages; or who has the token."""

from __future__ import annotations

import asyncio
import re
import socket
from types import SimpleNamespace

import pytest
from aiohttp import web
from aiohttp_steps import StepRegistry, setup, step
from aiohttp_steps_inspector import Inspector
from aiohttp_steps_inspector.guard import Guard

TOKEN = "a-token-of-thirty-two-characters"
EVERY_ROUTE = ["", "/api/state", "/api/events", "/api/runs/1", "/api/trace", "/assets/main.js"]


@step(concurrency="parallel", views=["v"])
async def one():
    return 1


@pytest.fixture(autouse=True)
def steps(plug):
    plug("p", one)


def request_from(peer, host="localhost", **headers):
    """Make what the guard reads of a request; a loopback client cannot have another peer."""
    transport = SimpleNamespace(get_extra_info=lambda name: peer)
    return SimpleNamespace(transport=transport, headers={"Host": host, **headers})


@pytest.mark.parametrize(
    "peer",
    [("127.0.0.1", 1), ("127.8.9.10", 1), ("::1", 1, 0, 0), ("::ffff:127.0.0.1", 1, 0, 0)],
    ids=["v4", "v4_net", "v6", "mapped"],
)
def test_peer_on_this_machine_is_answered(peer):
    """All of 127/8 is this machine, also where a socket of IPv6 shows it."""
    assert Guard(None).refuse(request_from(peer)) is None


@pytest.mark.parametrize(
    "peer",
    [("192.168.1.7", 1), ("10.0.0.1", 1), ("fe80::1%eth0", 1, 0, 3), ("::ffff:10.0.0.1", 1, 0, 0), "", None],
    ids=["lan", "private", "link", "mapped", "unix", "gone"],
)
def test_peer_elsewhere_is_refused_without_a_token(peer):
    """Private is not loopback; and behind a Unix socket stands a proxy, as a rule."""
    assert "set a token" in Guard(None).refuse(request_from(peer))


@pytest.mark.parametrize("path", EVERY_ROUTE)
@pytest.mark.parametrize(
    ("headers", "fault"),
    [
        ({"Host": "steps.example"}, "steps.example"),
        ({"Host": "127.0.0.1.example"}, "127.0.0.1.example"),
        ({"Host": "[::1"}, "no name"),
        ({"X-Forwarded-For": "127.0.0.1"}, "proxy"),
        ({"Forwarded": "for=127.0.0.1"}, "proxy"),
    ],
    ids=["rebound", "like_loopback", "broken", "proxy", "forwarded"],
)
async def test_foreign_names_and_proxies_are_refused_on_every_route(serve, path, headers, fault):
    """A name that somebody rebinds to this machine leads a browser here with that name."""
    client = await serve()
    async with client.get(f"/_steps{path}", headers=headers) as response:
        assert response.status == 403
        assert fault in (await response.json())["detail"]


@pytest.mark.parametrize("host", ["localhost:80", "127.0.0.1", "[::1]:8080", "app.localhost"])
async def test_names_of_loopback_are_answered(serve, host):
    """By whatever of its names a user reaches his own machine."""
    client = await serve()
    async with client.get("/_steps", headers={"Host": host}) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    ("headers", "fault"),
    [
        ({}, "Steps-Inspector"),
        ({"Steps-Inspector": "1", "Origin": "http://evil.example"}, "evil.example"),
        ({"Steps-Inspector": "1", "Origin": "null"}, "null"),
        ({"Steps-Inspector": "1", "Origin": "http://[broken"}, "broken"),
    ],
    ids=["no_header", "origin", "null", "broken"],
)
async def test_pages_of_others_cannot_run_a_view(serve, order, registry, headers, fault):
    """A form of any page in the user's browser can send POST to this machine."""
    client = await serve()
    status, answer = await order(client, "v", headers=headers)
    assert status == 403
    assert fault in answer["detail"]
    assert next(iter(info.plugin for info in registry.plugins if info.name == "Inspector")).history.total == 0


@pytest.mark.parametrize("path", ["/api/state", "/api/events", "/api/trace"])
async def test_pages_of_others_cannot_read(serve, path):
    """The browser would not show them the answer; a stream would be held all the same."""
    client = await serve()
    async with client.get(f"/_steps{path}", headers={"Origin": "http://evil.example"}) as response:
        assert response.status == 403


async def test_own_page_can_run_a_view(serve, order):
    """The browser sends the page's own origin with POST."""
    client = await serve()
    origin = str(client.make_url("")).rstrip("/")
    status, _ = await order(client, "v", headers={"Steps-Inspector": "1", "Origin": origin})
    assert status == 200


@pytest.mark.parametrize("path", EVERY_ROUTE[1:-1])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": TOKEN},
        {"Cookie": "aiohttp_steps_inspector=x"},
    ],
    ids=["nothing", "wrong", "scheme", "cookie"],
)
async def test_with_a_token_nothing_is_told_without_it(serve, path, headers):
    """Also not to loopback: behind a proxy everybody is loopback."""
    client = await serve({"token": TOKEN})
    async with client.get(f"/_steps{path}", headers=headers) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"].startswith("Bearer")


async def test_without_the_token_no_view_is_run(serve, order):
    """Changing something needs at least what reading needs."""
    client = await serve({"token": TOKEN})
    assert (await order(client, "v"))[0] == 401


async def test_token_lets_in_from_anywhere(serve):
    """Host names and proxies are no matter then."""
    client = await serve({"token": TOKEN})
    headers = {"Authorization": f"bearer {TOKEN}", "Host": "steps.example", "X-Forwarded-For": "10.0.0.1"}
    async with client.get("/_steps/api/state", headers=headers) as response:
        assert response.status == 200


async def test_form_gives_a_cookie_that_is_not_the_token(serve):
    """The cookie is for this page alone, for no script and no other site."""
    client = await serve({"token": TOKEN})
    async with client.get("/_steps") as response:
        assert response.status == 401
        assert 'action="_steps/login"' in await response.text()
    async with client.post("/_steps/login", data={"token": TOKEN}, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, "/_steps")
        cookie = response.headers["Set-Cookie"]
    assert TOKEN not in cookie
    assert all(word in cookie for word in ("HttpOnly", "SameSite=Strict", "Path=/_steps"))
    sent = {"Cookie": cookie.partition(";")[0]}
    async with client.get("/_steps/api/state", headers=sent) as response:
        assert response.status == 200


@pytest.mark.parametrize("data", [{"token": "wrong"}, {}, {"token": ""}], ids=["wrong", "none", "empty"])
async def test_form_with_another_token_leads_back(serve, data):
    """With a word about it, and without a cookie."""
    client = await serve({"token": TOKEN})
    async with client.post("/_steps/login", data=data, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, "/_steps?wrong")
        assert "Set-Cookie" not in response.headers
    async with client.get("/_steps?wrong") as response:
        assert "not the token" in await response.text()


async def test_login_refuses_other_origins_and_large_bodies(serve):
    """Who sends the form may be anybody."""
    client = await serve({"token": TOKEN})
    headers = {"Origin": "http://evil.example"}
    async with client.post("/_steps/login", data={"token": TOKEN}, headers=headers) as response:
        assert response.status == 403
    async with client.post("/_steps/login", data={"token": "x" * 10_000}) as response:
        assert response.status == 413


def test_tokens_are_compared_in_constant_time(monkeypatch):
    """All comparisons go through `compare_digest`, with digests of one length."""
    compared = []

    def compare(given, expected):
        compared.append((given, expected))
        return given == expected

    monkeypatch.setattr("aiohttp_steps_inspector.guard.hmac.compare_digest", compare)
    guard = Guard(TOKEN)
    assert not guard.accepts("x")
    assert guard.accepts(TOKEN)
    assert not guard.accepts("\udcff")  # bytes of a header that are no UTF-8
    assert {len(part) for pair in compared for part in pair} == {32}
    assert len(compared) == 3


def test_short_token_is_warned_of(caplog):
    """It is guessed sooner or later; the log says how to make one."""
    Guard("short")
    assert "secrets.token_urlsafe" in caplog.text


async def test_every_answer_forbids_what_the_page_does_not_need(serve):
    """No script but its own, no frame, no cache, nothing for pages of others."""
    client = await serve()
    for path in (*EVERY_ROUTE[:2], *EVERY_ROUTE[3:]):
        async with client.get(f"/_steps{path}") as response:
            policy = response.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Cache-Control"] == "no-store"
            assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    async with client.get("/_steps/api/events") as response:
        assert response.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]


async def test_page_has_no_inline_script_or_style_and_no_foreign_address(serve):
    """Its policy would stop them, and assets come with the wheel."""
    client = await serve()
    async with client.get("/_steps") as response:
        text = await response.text()
    assert not re.search(r"<style|\son\w+=|style=|<script(?! type=\"module\" src=)|https?://", text)
    found = re.findall(r"""(?:src|href)="([^"]+)""", text)
    assert found
    for address in found:
        async with client.get(f"/{address}") as response:
            assert response.status == 200, address
            assert "https://" not in await response.text()


@pytest.mark.parametrize("name", ["page.html", "nothing.js", "..%2f__init__.py", "%2e%2e%2fguard.py"])
async def test_only_the_pages_own_files_are_given(serve, name):
    """No path is put together from what a client sends."""
    client = await serve()
    async with client.get(f"/_steps/assets/{name}") as response:
        assert response.status == 404


async def test_unix_socket_needs_a_token(registry, tmp_path):
    """What the kernel says of its peer is not an address."""
    registry.register(Inspector())
    app = web.Application()
    setup(app, registry)
    runner = web.AppRunner(app)
    await runner.setup()
    path = str(tmp_path / "s")
    await web.UnixSite(runner, path).start()
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"GET /_steps HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await runner.cleanup()
    assert answer.startswith(b"HTTP/1.1 403")


@pytest.mark.skipif(not socket.has_ipv6, reason="there is no IPv6")
async def test_loopback_of_ipv6_is_answered(registry):
    """The peer's address has four parts there."""
    registry.register(Inspector())
    app = web.Application()
    setup(app, registry)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "::1", 0).start()
    except OSError:
        await runner.cleanup()
        pytest.skip("nothing can listen on ::1 here")
    port = runner.addresses[0][1]
    reader, writer = await asyncio.open_connection("::1", port)
    writer.write(f"GET /_steps HTTP/1.1\r\nHost: [::1]:{port}\r\nConnection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await runner.cleanup()
    assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"runs": 0}, "runs=0"),
        ({"token": " "}, "token is empty"),
        ({"path": "steps"}, "no path"),
        ({"path": "/steps/"}, "no path"),
    ],
    ids=["runs", "token", "relative", "slash"],
)
def test_options_that_make_no_sense_are_refused(options, fault):
    """With the remedy, before anything is served."""
    with pytest.raises(ValueError, match=fault):
        Inspector(**options)


async def test_disabled_registry_has_no_page(aiohttp_client):
    """Off unless enabled."""
    app = web.Application()
    setup(app, StepRegistry())
    client = await aiohttp_client(app)
    async with client.get("/_steps") as response:
        assert response.status == 404
