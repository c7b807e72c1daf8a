"""`serve`: all views of the installed plugins over HTTP, until a signal says stop."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import socket
import sys
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

WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 - not listened on, but recognized
"""Addresses that mean all of this machine's, loopback among them."""

CUT_S = 1.0
"""How long steps that are cut have to clean up, in seconds."""


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


async def serve(registry: StepRegistry, inputs: Mapping[str, Any], settings: Settings) -> bool:
    """Serve until SIGTERM or SIGINT, then let requests under way finish within their time.

    A second signal ends the process at once.

    Returns:
        Whether all that ran has ended; `False`: a body in a thread goes on, and cannot be stopped.

    Raises:
        StepsError: the address cannot be listened on, or an input or plan is wrong.
    """
    _configure_logging()
    for view in registry.views:  # what is wrong is refused before anybody can connect
        registry.plan(view, sequential=settings.sequential or None)
    listener = _listen(settings.host, settings.port)
    port = listener.getsockname()[1]
    hosts = hosts_of(settings.host, port, settings.allowed_hosts)
    if settings.host in WILDCARDS:
        hosts += hosts_of("127.0.0.1", port)
    app = build_server_app(
        registry, hosts=hosts, inputs=inputs, debug=settings.debug, sequential=settings.sequential or None
    )
    server = Server(app, listener, shutdown_timeout_s=settings.shutdown_timeout_s)
    stop = _catch_signals()
    await server.start()
    _announce(registry, server.url)
    await stop.wait()
    Console.errors().print(f"stopping; requests have {settings.shutdown_timeout_s:g} s to finish")
    is_clean = await _drain(server, settings.shutdown_timeout_s)
    for name in registry.left_behind():
        message = f"a thread of step {name} outlived its timeout, and ends with the process"
        Console.errors().print(f"[yellow]warning:[/] {escape(message)}", soft_wrap=True)
    return is_clean


def leave() -> None:
    """End the process, successfully, without waiting for what goes on in threads."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


async def _drain(server: Server, budget_s: float) -> bool:
    """Stop a server, and cut what has not ended in time; answers whether all of it has ended.

    What is left when the server has stopped counts as well: runs of clients that left.
    """
    running = asyncio.all_tasks() - {asyncio.current_task()}
    stopping = asyncio.ensure_future(server.stop())
    _, late = await asyncio.wait({stopping, *running}, timeout=budget_s)
    if late:
        Console.errors().print(f"[yellow]warning:[/] cut what did not finish in {budget_s:g} s")
        for task in late - {stopping}:
            task.cancel()
        _, late = await asyncio.wait(late, timeout=CUT_S)
    if late:
        Console.errors().print("[yellow]warning:[/] left a step that runs in a thread and cannot be stopped")
        return False
    await stopping
    return True


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
        # `create_server` says the address once more, in brackets.
        reason = (error.strerror or str(error)).partition(" (while")[0]
        option = "--port" if error.errno in (errno.EADDRINUSE, errno.EACCES) else "--host"
        message = f"cannot listen on {host} port {port}: {reason}; choose another with {option}"
        raise StepsError(message) from error


def _catch_signals() -> asyncio.Event:
    """Return what the first SIGTERM or SIGINT sets; the second ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)

    def begin() -> None:
        for number in signals:
            loop.remove_signal_handler(number)
            # Not Python's own handler of SIGINT: KeyboardInterrupt would wait for all tasks.
            signal.signal(number, signal.SIG_DFL)
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
