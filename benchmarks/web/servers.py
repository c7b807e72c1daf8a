"""Starts the servers of contenders, asks them what they have used, and ends them."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from benchmarks.web.contenders import Contender

ROOT = Path(__file__).resolve().parents[2]
END_SECONDS = 10.0


class Server:
    """The process of a contender's server.

    Attributes:
        contender: whose it is.
        port: where it listens on the loopback interface; known once `wait_ready` has returned.
        loop: the package of its event loop; likewise.
    """

    def __init__(self, contender: Contender) -> None:
        self.contender = contender
        self.port = 0
        self.loop = ""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.web.server", contender.name],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            process_group=0,  # a Ctrl-C is ours; the server ends with its input
        )

    def wait_ready(self) -> None:
        """Wait until it listens.

        Raises:
            RuntimeError: it has ended instead.
        """
        ready = json.loads(self._read_line())
        self.port, self.loop = ready["port"], ready["loop"]

    def read_processor_s(self) -> float:
        """Return the seconds for which processors have worked for it until now."""
        if self._process.stdin is not None:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        return float(self._read_line())

    def url(self, work: str) -> str:
        """Return the address of a work."""
        return f"http://127.0.0.1:{self.port}{self.contender.path.format(work=work)}"

    def close(self) -> None:
        """End it, the hard way if it does not go by itself."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _read_line(self) -> str:
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            code = self._process.wait(END_SECONDS)
            message = (
                f"the server of {self.contender.name!r} has ended with exit code {code}; see its output above"
            )
            raise RuntimeError(message)
        return line


@contextlib.contextmanager
def open_servers(contenders: Iterable[Contender]) -> Iterator[dict[str, Server]]:
    """Start servers beside each other, give them by name of their contender when all listen, and end them."""
    with contextlib.ExitStack() as stack:
        servers = {}
        for contender in contenders:
            servers[contender.name] = server = Server(contender)
            stack.callback(server.close)
        for server in servers.values():
            server.wait_ready()
        yield servers
