"""All errors that the chat steps raise.

```
StepError
├── BadSessionIdError           no name of a session, or not a plain file of the folder   400
├── BadLimitError               a page of no or too many messages                         400
├── BadCursorError              `before` is not from a page of this session               400
├── BadMessageError             not a message: role, content, timestamp                   400
├── MessageTooLongError         a line that no page could show            (.limit_bytes)  413
├── SessionNotFoundError        there is no such session                                  404
├── SessionUnreadableError      the system refuses to read                                500
├── SessionBusyError            another process holds the session         (.waited_s)     503
└── NotSavedError               the system refuses to write; nothing of the message stays 500
    └── StorageFullError        because there is no room                                  507
```

Messages reach clients: they name the session, never a path outside the chat folder.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aiohttp_steps import StepError

if TYPE_CHECKING:
    from collections.abc import Iterator

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class BadSessionIdError(StepError):
    """The session id is no plain name, or the name is not a regular file of the chat folder."""

    type = "bad_session_id"
    status = 400


class BadLimitError(StepError):
    """`limit` is not from 1 to 1000."""

    type = "bad_limit"
    status = 400


class BadCursorError(StepError):
    """`before` does not come from a page of this session as it is now."""

    type = "bad_cursor"
    status = 400


class BadMessageError(StepError):
    """A message lacks a field, or a field has the wrong type."""

    type = "bad_message"
    status = 400


class MessageTooLongError(StepError):
    """A message is longer than the longest line that a page shows.

    Attributes:
        limit_bytes: the most bytes that a message may take as JSON.
    """

    type = "message_too_long"
    status = 413

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"the message takes {size_bytes} bytes as JSON and may take {limit_bytes}; "
            "shorten it, or send a reference to what it carries"
        )
        self.limit_bytes = limit_bytes


class SessionNotFoundError(StepError):
    """There is no session of this name."""

    type = "session_not_found"
    status = 404


class SessionUnreadableError(StepError):
    """The operating system refused to read a session, or the chat folder."""

    type = "session_unreadable"


class SessionBusyError(StepError):
    """Another sender held the session for too long.

    Attributes:
        waited_s: how long this one waited, in seconds.
    """

    type = "session_busy"
    status = 503

    def __init__(self, session_id: str, waited_s: float) -> None:
        super().__init__(
            f"session {session_id!r} was held by another sender for {waited_s:g} s; "
            "nothing was written: try again"
        )
        self.waited_s = waited_s


class NotSavedError(StepError):
    """The operating system refused to write; nothing of the message is in the session."""

    type = "not_saved"


class StorageFullError(NotSavedError):
    """There is no room for the message: disk full, quota or file size limit."""

    type = "storage_full"
    status = 507


def not_regular(session_id: str) -> BadSessionIdError:
    """Make the error for a session whose name is taken by a link, a folder or a device."""
    return BadSessionIdError(
        f"session {session_id!r} is not a regular file of the chat folder; "
        "links, folders and devices are refused: use another session_id, or remove it"
    )


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn an `OSError` of the block into a `SessionUnreadableError` that names `what`, without its path."""
    try:
        yield
    except OSError as error:
        raise SessionUnreadableError(
            f"{what} cannot be read: {_reason(error)}; check the rights on the chat folder and its disk"
        ) from error


@contextmanager
def writing(session_id: str) -> Iterator[None]:
    """Turn an `OSError` of the block into a `NotSavedError`; the block undoes what it wrote."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFullError(
                f"the message to session {session_id!r} was not saved: {_reason(error)}; "
                "make room, then send it again"
            ) from error
        raise NotSavedError(
            f"the message to session {session_id!r} was not saved: {_reason(error)}; "
            "check the rights on the chat folder and its disk"
        ) from error


def _reason(error: OSError) -> str:
    # str(error) would name the path.
    return os.strerror(error.errno).lower() if error.errno else type(error).__name__
