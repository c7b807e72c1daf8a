"""The application behind `aiohttp-steps serve`: all views, for this machine's user only."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from aiohttp_steps.web.front import add_front
from aiohttp_steps.web.responses import problem
from aiohttp_steps.web.setup import setup
from aiohttp_steps.web.views import add_views

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from aiohttp_steps.engine import StepRegistry

DEFAULT_PORT = 80

SWITCH_INTERVAL_S = 0.0005
"""How long a thread keeps the interpreter while others want it, in a server's process."""

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


def build_server_app(
    registry: StepRegistry,
    *,
    hosts: Collection[str],
    inputs: Mapping[str, Any] | None = None,
    debug: bool | None = None,
    sequential: bool | None = None,
) -> web.Application:
    """Return an application that serves all views of a registry, and a page with them side by side.

    Args:
        hosts: the values of `Host` that it answers to, each with its port if that is not 80. Requests with
            another, or with an `Origin` of another page, get 403: pages in the user's browser must not reach
            it, neither across origins nor by rebinding a name to this address.
        inputs, debug, sequential: as in `setup`.
    """
    app = web.Application(middlewares=[_make_guard(frozenset(host.lower() for host in hosts))])
    setup(app, registry, inputs=inputs, debug=debug, sequential=sequential)
    add_views(app)
    add_front(app)
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
        for origin in request.headers.getall(hdrs.ORIGIN, []):
            if not _is_at(origin, hosts):
                return problem(403, f"pages of {origin!r} may not use this server")
        return await handler(request)

    return refuse_foreign


def _is_at(origin: str, hosts: Collection[str]) -> bool:
    try:
        return urlsplit(origin.lower()).netloc in hosts
    except ValueError:  # a bracket that is not closed, say
        return False


def hosts_of(host: str, port: int, allowed: Collection[str] = ()) -> list[str]:
    """Return the values of `Host` by which a server on an address is reached.

    Args:
        host: the address listened on. On a loopback address it is reached by each name of loopback.
        allowed: further names; one without a port stands for this port.
    """
    named = f"[{host}]" if ":" in host else host
    is_loopback = named in LOOPBACK_NAMES or host.startswith("127.")
    names = [*dict.fromkeys([*LOOPBACK_NAMES, named] if is_loopback else [named])]
    hosts = [name for name in allowed if urlsplit(f"//{name}").port]
    names += [name for name in allowed if name not in hosts]
    hosts += [f"{name}:{port}" for name in names]
    return hosts + names if port == DEFAULT_PORT else hosts


def mind_pauses() -> None:
    """Keep the turns of the event loop short, in a process that is a server and nothing else.

    A thread that computes keeps the interpreter for `sys.getswitchinterval()`, 5 ms if nobody says otherwise,
    and the loop waits for as long; with several such threads, for several times that. And what was imported
    need not be looked at by each full garbage collection.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()


class Server:
    """A running application on a socket, in a process of its own: it changes settings of the interpreter.

    Args:
        listener: a bound socket; closed by `stop`.
        shutdown_timeout_s: how long requests may go on after `stop`, in seconds; then they are cancelled.
    """

    def __init__(self, app: web.Application, listener: socket.socket, *, shutdown_timeout_s: float) -> None:
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=shutdown_timeout_s)
        self._listener = listener

    @property
    def url(self) -> str:
        """Where it is reached: `http://127.0.0.1:8080`."""
        host, port = self._listener.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def start(self) -> None:
        """Start the application and accept connections.

        Raises:
            PlanError, DefinitionError: a plan or a declaration is wrong.
        """
        mind_pauses()
        try:
            await self._runner.setup()
            await web.SockSite(self._runner, self._listener).start()
        except BaseException:
            self._listener.close()
            raise

    async def stop(self) -> None:
        """Accept no more connections, let requests under way finish in their time, and clean up."""
        await self._runner.cleanup()
