"""The application behind `serve`: for this machine's user only, whatever pages are open in the browser."""

from __future__ import annotations

import asyncio
import socket

import pytest
from aiohttp_steps import step
from aiohttp_steps.web import Server, build_server_app, hosts_of

HOSTS = ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "my.box"]


@pytest.fixture
def runs():
    """Collect runs of the step: a refused request must not cause one."""
    return []


@pytest.fixture
def app(registry, bundle, runs):
    @step(views=["write"])
    async def write():
        runs.append("write")
        return "written"

    registry.register(bundle(write), "tested")
    return build_server_app(registry, hosts=HOSTS, inputs=None)


@pytest.mark.parametrize(
    "host", ["localhost:8080", "LocalHost:8080", "127.0.0.1:8080", "[::1]:8080", "My.Box"]
)
@pytest.mark.parametrize("origin", [None, "http://localhost:8080", "HTTP://[::1]:8080", "http://my.box"])
async def test_own_hosts_and_origins_pass(*, aiohttp_client, fetch, app, runs, host, origin):
    """Names are compared as browsers do, without regard to case; programs send no Origin at all."""
    headers = {"Host": host} | ({"Origin": origin} if origin else {})
    answer = await fetch(await aiohttp_client(app), "POST", "/views/write", headers=headers)
    assert (answer.status, answer.json["data"]) == (200, {"write": "written"})
    assert runs == ["write"]


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "localhost",
        "localhost:80",
        "localhost:9090",
        "localhost:8080.evil.example",
        "evil.localhost:8080",
        "localhost.:8080",
        "[::1]",
        "::1:8080",
        "[::2]:8080",
        "my.box:8080",
        "0.0.0.0:8080",
    ],
)
async def test_foreign_host_is_refused(aiohttp_client, fetch, app, runs, host):
    """A page that rebinds its own name to this address sends that name as Host."""
    answer = await fetch(await aiohttp_client(app), "POST", "/views/write", headers={"Host": host})
    assert (answer.status, answer.json["status"]) == (403, 403)
    assert "does not answer as host" in answer.json["detail"]
    assert not runs


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://localhost:3000",
        "http://localhost",
        "http://localhost:8080.evil.example",
        "http://evil.example:8080",
        "http://localhost:8080@evil.example",
        "http://evil.example@localhost:8080",
        "null",
        "",
        "file://",
        "localhost:8080",
        "http://[",
        "http://[::1",
    ],
)
async def test_foreign_origin_is_refused(*, aiohttp_client, fetch, app, runs, caplog, method, origin):
    """Pages on other origins, in sandboxes ("null") and from files; also an Origin that is no URL at all."""
    headers = {"Host": "localhost:8080", "Origin": origin}
    answer = await fetch(await aiohttp_client(app), method, "/views/write", headers=headers)
    assert answer.status == 403
    assert "may not use this server" in answer.json["detail"]
    assert not runs
    assert not caplog.records


async def test_unknown_paths_are_guarded_as_well(aiohttp_client, fetch, app):
    """Not even which paths there are."""
    client = await aiohttp_client(app)
    for path in ("/", "/views", "/nowhere"):
        assert (await fetch(client, "GET", path, headers={"Host": "evil.example"})).status == 403


async def test_request_without_a_host_is_refused(app, run_app, send_raw):
    """HTTP/1.0 may leave it out, so that no check of names would take place."""
    async with run_app(app) as port:
        answer = await send_raw(port, b"GET /views HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.0 403")


@pytest.mark.parametrize("second", ["Host: evil.example", "Origin: http://evil.example"])
async def test_second_header_does_not_hide_behind_the_first(app, run_app, send_raw, runs, second):
    """Whichever of the two counts for somebody else, neither may be foreign."""
    lines = [
        "POST /views/write HTTP/1.1",
        "Host: localhost:8080",
        "Origin: http://localhost:8080",
        second,
        "Content-Length: 0",
        "Connection: close",
    ]
    async with run_app(app) as port:
        answer = await send_raw(port, "\r\n".join([*lines, "", ""]).encode())
    assert answer[9:12] in (b"400", b"403")
    assert not runs


async def test_options_of_serve_reach_the_steps(registry, bundle, declare, aiohttp_client, fetch):
    """`--input`, `--debug` and `--sequential` would otherwise be accepted and forgotten."""
    running, most = [], []

    def make(name):
        async def work(*, word):
            running.append(name)
            most.append(len(running))
            await asyncio.sleep(0)
            running.remove(name)
            raise RuntimeError(word)

        work.__name__ = name
        return step(concurrency="parallel", views=["v"])(work)

    registry.register(bundle(make("one"), make("two")), "tested")
    app = build_server_app(registry, hosts=["x"], inputs={"word": "given"}, debug=True, sequential=True)
    answer = await fetch(await aiohttp_client(app), "GET", "/views/v", headers={"Host": "x"})
    assert answer.json["errors"]["two"]["message"] == "RuntimeError: given"
    assert most == [1, 1]


async def test_root_leads_to_the_views(aiohttp_client, fetch, app):
    """People open the address that `serve` prints."""
    answer = await fetch(await aiohttp_client(app), "GET", "/", headers={"Host": "my.box"})
    assert (answer.status, answer.headers["Location"]) == (302, "/views")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("127.0.0.1", 8080), {"localhost:8080", "127.0.0.1:8080", "[::1]:8080"}),
        (("localhost", 8080), {"localhost:8080", "127.0.0.1:8080", "[::1]:8080"}),
        (("::1", 8080), {"localhost:8080", "127.0.0.1:8080", "[::1]:8080"}),
        (("127.1.2.3", 8080), {"localhost:8080", "127.0.0.1:8080", "[::1]:8080", "127.1.2.3:8080"}),
        (("192.168.0.2", 8080), {"192.168.0.2:8080"}),
        (("fe80::1", 8080), {"[fe80::1]:8080"}),
        (("192.168.0.2", 80), {"192.168.0.2:80", "192.168.0.2"}),
        (("192.168.0.2", 8080, ["my.box", "proxy:443"]), {"192.168.0.2:8080", "my.box:8080", "proxy:443"}),
    ],
    ids=["loopback", "localhost", "ipv6", "other_loopback", "network", "ipv6_network", "port_80", "allowed"],
)
def test_hosts_by_which_an_address_is_reached(given, expected):
    """Too few and people are locked out; one too many and a foreign page is let in."""
    assert set(hosts_of(*given)) == expected


@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")], ids=["ipv4", "ipv6"]
)
async def test_server_answers_at_its_url_until_stopped(registry, bundle, runs, family, host):
    """The URL that is printed has to be one that is answered, also in brackets."""
    import aiohttp

    try:
        listener = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip(f"no {host} on this machine")
    port = listener.getsockname()[1]
    app = build_server_app(registry, hosts=hosts_of(host, port))
    server = Server(app, listener, shutdown_timeout_s=5)
    await server.start()
    assert server.url == (f"http://[::1]:{port}" if family == socket.AF_INET6 else f"http://127.0.0.1:{port}")
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{server.url}/views") as response:
            assert await response.json() == {"views": []}
        url = server.url
        await server.stop()
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(f"{url}/views")


async def test_server_that_cannot_start_closes_its_socket(registry, bundle, declare):
    """The port must be free again for who mends the fault and starts anew."""
    from aiohttp_steps import hookimpl
    from aiohttp_steps.errors import DefinitionError

    @hookimpl
    def no_such_hook():
        """Misspell a hook."""

    registry.register(bundle(no_such_hook), "tested")
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(build_server_app(registry, hosts=["x"]), listener, shutdown_timeout_s=5)
    with pytest.raises(DefinitionError, match="no_such_hook"):
        await server.start()
    assert listener.fileno() == -1
