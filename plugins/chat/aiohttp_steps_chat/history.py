"""Pages of a transcript: reads lines from the end, sorts messages from bad lines, makes the cursor."""

from __future__ import annotations

import os
import re
from functools import partial
from typing import TYPE_CHECKING

from aiohttp_steps_chat.errors import (
    BadCursorError,
    BadLimitError,
    BadMessageError,
    SessionNotFoundError,
    reading,
)
from aiohttp_steps_chat.messages import BadLine, History, Message, TornTail, check_message, decode_object
from aiohttp_steps_chat.pace import Pace
from aiohttp_steps_chat.sessions import SUFFIX, check_session_id, opened, scan_sessions
from aiohttp_steps_chat.tail import DEFAULT_BOUNDS, Bounds, Line, ShrunkError, lines_from_end, read_exactly

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_LIMIT = 1000
MAX_BAD_LINES = 1000
"""A page ends after so many bad lines, however few messages it has."""

_CURSOR = re.compile(r"(?P<session_id>[^@]+)@(?P<offset>[0-9]{1,18})")
_TRIES = 3


def read_history(
    folder: Path, session_id: str | None, limit: int, before: str | None, bounds: Bounds = DEFAULT_BOUNDS
) -> History:
    """Return a page; blocks while it reads, and runs in one thread from opening to closing.

    Args:
        folder: the chat folder.
        session_id: `None` for the session of `before`, or else the newest one.
        limit: the most messages, 1 to 1000.
        before: `next_before` of a page, `None` for the newest page.
        bounds: how much to read.

    Raises:
        StepError: as `chat_history` says.
    """
    if limit not in range(1, MAX_LIMIT + 1):
        raise BadLimitError(f"limit is {limit!r}; give a whole number from 1 to {MAX_LIMIT}")
    if session_id is not None:
        check_session_id(session_id)
    end = None
    if before is not None:
        session_id, end = _parse_cursor(before, session_id)
    if session_id is None:
        sessions = scan_sessions(folder)
        if not sessions:
            return History(session_id=None)
        session_id = sessions[0].session_id
    with reading(f"session {session_id!r}"):
        try:
            with opened(folder, session_id + SUFFIX) as descriptor:
                return _read_page(descriptor, session_id, limit, end, bounds)
        except FileNotFoundError:
            raise SessionNotFoundError(
                f"there is no session {session_id!r}; chat_sessions lists those that are there"
            ) from None


def _parse_cursor(before: object, session_id: str | None) -> tuple[str, int]:
    match = _CURSOR.fullmatch(before) if isinstance(before, str) else None
    if match is None:
        raise BadCursorError(
            "before is no cursor; give next_before of a page, or leave it out for the newest page"
        )
    owner = check_session_id(match["session_id"])
    if session_id not in (None, owner):
        raise BadCursorError(
            f"before is a cursor of session {owner!r}, not of {session_id!r}; "
            "leave it out for the newest page"
        )
    return owner, int(match["offset"])


def _read_page(descriptor: int, session_id: str, limit: int, end: int | None, bounds: Bounds) -> History:
    for _ in range(_TRIES):
        start = os.fstat(descriptor).st_size if end is None else end
        page = _Page(session_id, newest=end is None)
        try:
            page.fill(lines_from_end(partial(read_exactly, descriptor), start, bounds), limit)
        except ShrunkError:
            # A sender took a torn tail away below our feet: look again from the new end. Or a cursor is
            # beyond the end, and stays there.
            continue
        return page.result()
    raise BadCursorError(
        f"session {session_id!r} is shorter than the page wants: it was cut or replaced; "
        "start again from the newest page, without before"
    )


class _Page:
    """Sorts the lines of one page, the newest first."""

    def __init__(self, session_id: str, *, newest: bool) -> None:
        self._session_id = session_id
        self._newest = newest
        self._start = 0
        self._messages: list[Message] = []
        self._bad: list[BadLine] = []
        self._torn: TornTail | None = None

    def fill(self, lines: Iterator[Line], limit: int) -> None:
        pace = Pace()
        fragment = next(lines)
        self._start = fragment.start
        # Before a cursor it is the start of a line that a newer page has, or has given up on.
        if self._newest and fragment.end > fragment.start:
            self._add(fragment, ended=False)
        # The check comes first: asking for a line too many may read a block too many.
        while len(self._messages) < limit and len(self._bad) < MAX_BAD_LINES and (line := next(lines, None)):
            self._start = line.start
            self._add(line, ended=True)
            pace.keep()

    def _add(self, line: Line, *, ended: bool) -> None:
        size_bytes = line.end - line.start
        try:
            if line.raw is None:
                raise BadMessageError("too long to be a message")  # noqa: TRY301 - one way to tell of a bad line
            found = decode_object(line.raw)
            ended = True  # a whole object, which lacks its newline at most
            self._messages.append(check_message(found))
        except BadMessageError as error:
            if ended:
                self._bad.append(BadLine(offset=line.start, size_bytes=size_bytes, reason=str(error)))
            else:
                self._torn = TornTail(offset=line.start, size_bytes=size_bytes)

    def result(self) -> History:
        return History(
            session_id=self._session_id,
            messages=tuple(reversed(self._messages)),
            next_before=f"{self._session_id}@{self._start}" if self._start else None,
            bad_line_count=len(self._bad),
            bad_lines=tuple(reversed(self._bad)),
            torn=self._torn,
        )
