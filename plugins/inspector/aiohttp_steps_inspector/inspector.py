"""`Inspector`: the plugin that listens to runs and gives applications the page."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from aiohttp_steps import hookimpl

from aiohttp_steps_inspector.guard import Guard
from aiohttp_steps_inspector.history import History
from aiohttp_steps_inspector.pages import Pages
from aiohttp_steps_inspector.streams import Streams
from aiohttp_steps_inspector.tally import Tally
from aiohttp_steps_inspector.values import KEPT_CHARACTERS, read_texts

if TYPE_CHECKING:
    from collections.abc import Collection

    from aiohttp import web
    from aiohttp_steps import StepRegistry
    from aiohttp_steps.types import Report

    from aiohttp_steps_inspector.history import Record
    from aiohttp_steps_inspector.values import Texts

logger = logging.getLogger("aiohttp_steps")

DEFAULT_PATH = "/_steps"
DEFAULT_RUNS = 200

BATCH = 50
"""Runs that wait to be counted together; whoever looks counts them first."""


class Inspector:
    """A plugin that keeps the times of the last runs, and shows them on a page of the application.

    Register it before `aiohttp_steps.setup` is called; each application of its registry gets the page.

    Args:
        runs: how many runs are kept.
        token: what clients have to know, as `Authorization: Bearer` or by the page's own form. `None`: only
            clients on this machine are answered.
        keep_values: whether inputs and values are kept with their runs, as text of at most 2,000 characters
            each. Else nothing of them is.
        path: of the page.
        may_set: names of inputs that the page may set although no request may.

    Raises:
        ValueError: one of them makes no sense.
    """

    def __init__(
        self,
        *,
        runs: int = DEFAULT_RUNS,
        token: str | None = None,
        keep_values: bool = False,
        path: str = DEFAULT_PATH,
        may_set: Collection[str] = (),
    ) -> None:
        fault = _find_fault(runs, token, path)
        if fault:
            message = f"Inspector: {fault}"
            raise ValueError(message)
        self.path = path
        self.keep_values = keep_values
        self.may_set = frozenset(may_set)
        self.guard = Guard(token)
        self._history = History(runs)
        self._tally = Tally()
        self._fresh: list[tuple[Report, float, Texts | None]] = []
        self.streams = Streams(self)
        self._asked: dict[int, Record | None] = {}  # by identity: aiohttp's requests cannot be hashed

    @property
    def history(self) -> History:
        """The last runs."""
        self._take_in()
        return self._history

    @property
    def tally(self) -> Tally:
        """The counts of all runs."""
        self._take_in()
        return self._tally

    @hookimpl
    def steps_app_setup(self, app: web.Application, registry: StepRegistry) -> None:
        """Add the page."""
        Pages(self, registry).add_to(app)
        who = "clients with its token" if self.guard.has_token else "clients on this machine"
        logger.info("the inspector is at %s, for %s", self.path, who)

    @hookimpl
    def steps_run_finished(self, report: Report) -> None:
        """Keep the times of a run."""
        texts = read_texts(report, KEPT_CHARACTERS) if self.keep_values else None
        fresh = self._fresh
        fresh.append((report.without_values(), time.time(), texts))
        if len(fresh) >= BATCH:
            self._take_in()
        if self._asked and id(report.run.request) in self._asked:
            self._asked[id(report.run.request)] = self.history.last
        if self.streams.is_any:
            self.streams.tell()

    @hookimpl(optionalhook=True)
    def step_stalled(self, stall: Any) -> None:
        """Count a stall of the event loop that another plugin has noticed."""
        self.tally.add_stall(stall)
        self.streams.tell()

    def _take_in(self) -> None:
        """Count the runs since the last time: many in a row cost each less than one between requests."""
        fresh = self._fresh
        if fresh:
            self._fresh = []
            for report, ended_at, texts in fresh:
                self._history.add(report, ended_at, texts)
                self._tally.add(report)

    def expect(self, request: web.Request) -> None:
        """Remember which run is going to be this request's."""
        self._asked[id(request)] = None

    def take(self, request: web.Request) -> Record | None:
        """Return the run of a request that was expected, and forget that."""
        return self._asked.pop(id(request), None)


def _find_fault(runs: int, token: str | None, path: str) -> str | None:
    if runs < 1:
        return f"runs={runs} keeps nothing; give 1 or more"
    if token is not None and not token.strip():
        return "token is empty, so that everybody would know it; give a long random one, or None"
    if not path.startswith("/") or path.endswith("/") or "{" in path:
        return f"path={path!r} is no path for a page; give one like {DEFAULT_PATH!r}"
    return None
