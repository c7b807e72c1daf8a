"""The application behind `aiohttp-steps serve`: all views, for this machine's user only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from aiohttp_steps.web.responses import problem
from aiohttp_steps.web.setup import setup
from aiohttp_steps.web.views import add_views

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from aiohttp_steps.engine import StepRegistry

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


def build_server_app(
    registry: StepRegistry,
    *,
    hosts: Collection[str],
    inputs: Mapping[str, Any] | None = None,
    debug: bool | None = None,
    sequential: bool | None = None,
) -> web.Application:
    """Return an application that serves all views of a registry.

    Args:
        hosts: the values of `Host` that it answers to, each with its port if that is not 80. Requests with
            another, or with an `Origin` of another page, get 403: pages in the user's browser must not reach
            it, neither across origins nor by rebinding a name to this address.
        inputs, debug, sequential: as in `setup`.
    """
    app = web.Application(middlewares=[_make_guard(frozenset(host.lower() for host in hosts))])
    setup(app, registry, inputs=inputs, debug=debug, sequential=sequential)
    add_views(app)
    return app


def _make_guard(hosts: frozenset[str]) -> Any:
    @web.middleware
    async def refuse_foreign(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        host = request.headers.get(hdrs.HOST, "").lower()
        if host not in hosts:
            known = ", ".join(sorted(hosts))
            return problem(403, f"this server does not answer as host {host!r}; it is: {known}")
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None and urlsplit(origin.lower()).netloc not in hosts:
            return problem(403, f"pages of {origin!r} may not use this server")
        return await handler(request)

    return refuse_foreign
