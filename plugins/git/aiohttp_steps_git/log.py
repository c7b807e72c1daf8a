"""The step `git_log`: the last commits, in the order of `git log`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp_steps import step
from pygit2.enums import SortMode

from aiohttp_steps_git.inputs import LOG_LIMIT
from aiohttp_steps_git.repository import open_repository

if TYPE_CHECKING:
    import pygit2


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit.

    Text that is not in the encoding which the commit names has `U+FFFD` in place of what cannot be read.

    Attributes:
        id: 40 hexadecimal digits.
        summary: the message up to its first blank line, on one line.
        author_name: who wrote the change.
        author_email: as it was configured; may be empty.
        authored_at: when, in the author's time zone; `None` if the commit has a time that no calendar has.
        parents: ids of the commits that it follows: none for a first commit, several for a merge.
    """

    id: str
    summary: str
    author_name: str
    author_email: str
    authored_at: datetime | None
    parents: tuple[str, ...]


@step(concurrency="parallel", views=["project"])
def git_log(*, project_path: Path, log_limit: int = LOG_LIMIT) -> list[Commit]:
    """Return the last `log_limit` commits that HEAD leads to, newest first; none on an unborn branch.

    The order is that of `git log`: by commit time, among the commits whose children were given.
    """
    with open_repository(project_path) as repo:
        if repo.head_is_unborn:
            return []
        # Any other sorting reads the whole history before it gives the first commit.
        walk = repo.walk(repo.head.target, SortMode.NONE)
        return [_read(commit) for commit in islice(walk, log_limit)]


def _read(commit: pygit2.Commit) -> Commit:
    author, encoding = commit.author, commit.message_encoding
    return Commit(
        id=str(commit.id),
        summary=_summarize(_decode(commit.raw_message, encoding)),
        author_name=_decode(author.raw_name, encoding),
        author_email=_decode(author.raw_email, encoding),
        authored_at=_to_datetime(author.time, author.offset),
        parents=tuple(map(str, commit.parent_ids)),
    )


def _decode(text: bytes, encoding: str | None) -> str:
    try:
        decoded = text.decode(encoding or "utf-8", errors="replace")
    except (LookupError, UnicodeError):
        decoded = text.decode(errors="replace")
    # Some codecs (UTF-7) make lone surrogates, which JSON cannot carry.
    return decoded.encode(errors="replace").decode()


def _summarize(message: str) -> str:
    lines: list[str] = []
    for line in message.split("\n"):
        text = line.rstrip(" \t\r")
        if text:
            lines.append(text)
        elif lines:
            break
    return " ".join(lines)


def _to_datetime(seconds: int, offset_minutes: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, timezone(timedelta(minutes=offset_minutes)))
    except (OverflowError, ValueError, OSError):  # out of all calendars
        return None
