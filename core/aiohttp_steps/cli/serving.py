"""`serve`: all views of the installed plugins over HTTP, until a signal says stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.logging import RichHandler
from rich.markup import escape

from aiohttp_steps.cli.common import Console
from aiohttp_steps.errors import StepsError
from aiohttp_steps.web import Server, build_server_app, hosts_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp_steps.engine import StepRegistry


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of `serve`.

    Attributes:
        allowed_hosts: values of `Host` to answer to, besides the address listened on.
        shutdown_timeout_s: how long requests may go on after the signal, in seconds.
    """

    host: str
    port: int
    allowed_hosts: tuple[str, ...]
    shutdown_timeout_s: float
    sequential: bool
    debug: bool


async def serve(registry: StepRegistry, inputs: Mapping[str, Any], settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then let requests under way finish within their time.

    Raises:
        StepsError: the address cannot be listened on, or an input or plan is wrong.
    """
    _configure_logging()
    listener = _listen(settings.host, settings.port)
    port = listener.getsockname()[1]
    app = build_server_app(
        registry,
        hosts=hosts_of(settings.host, port, settings.allowed_hosts),
        inputs=inputs,
        debug=settings.debug,
        sequential=settings.sequential or None,
    )
    server = Server(app, listener, shutdown_timeout_s=settings.shutdown_timeout_s)
    stop = _catch_signals()
    await server.start()
    _announce(registry, server.url)
    await stop.wait()
    Console.errors().print(f"stopping; requests have {settings.shutdown_timeout_s:g} s to finish")
    left_behind = registry.left_behind()
    await server.stop()
    for name in left_behind:
        Console.errors().print(f"[yellow]warning:[/] a thread of step {escape(name)} outlived its timeout")


def _configure_logging() -> None:
    console = Console.errors()
    if console.is_terminal:
        handler = RichHandler(console=console, show_path=False)
        logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[handler])
    else:  # one line per record, for whoever collects them
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        message = (
            f"cannot listen on {host} port {port}: {error.strerror or error}; choose another with --port"
        )
        raise StepsError(message) from error


def _catch_signals() -> asyncio.Event:
    """Return what the first SIGTERM or SIGINT sets; the second ends the process as it always does."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)

    def begin() -> None:
        for number in signals:
            loop.remove_signal_handler(number)
        stop.set()

    for number in signals:
        loop.add_signal_handler(number, begin)
    return stop


def _announce(registry: StepRegistry, url: str) -> None:
    console = Console.results()
    console.print(f"Serving on [bold]{url}[/]")
    for view in registry.views:
        method = "POST" if registry.plan(view).writes else "GET"
        console.print(f"  {method:4} {url}/views/{escape(view)}", soft_wrap=True)
    if not registry.views:
        console.print("There are no views: install step plugins, say pip install aiohttp-steps-git")
    console.print("[dim]Stop with Ctrl+C[/]")
