"""What a message is, and what the steps return; checks one line, reads no files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict, cast

import msgspec

from aiohttp_steps_chat.errors import BadMessageError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_DEPTH = 100
"""How deep a message may nest: deeper ones could be read but not be encoded again within a report."""


class Message(TypedDict):
    """One message as its line has it; further fields of the line are there too, under their own names."""

    role: str
    content: str | list[Any]
    timestamp: str


# gc=False: thousands of these hold text and numbers alone; followed, they would bring on collections of all
# that the server holds, during which nothing else runs.
class BadLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A line that holds no message.

    Attributes:
        offset: where it starts, in bytes from the start of the file. Of a line so long that the page ends
            within it: where the page ends.
        size_bytes: its length from there, without the newline.
        reason: what is wrong with it.
    """

    offset: int
    size_bytes: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TornTail:
    """The start of a line whose writer died, or is just writing: the last one, not ended, no JSON object.

    Attributes:
        offset, size_bytes: as of a `BadLine`.
    """

    offset: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A page of a session.

    Attributes:
        session_id: the session, `None` if there is none at all.
        messages: oldest first.
        next_before: give it as `before` for the next older page; `None` if this page has the oldest line.
        bad_line_count: length of `bad_lines`.
        bad_lines: the lines of this page that are no message, oldest first.
        torn: what a crash left at the end; on the newest page only, `None` if nothing.
    """

    session_id: str | None
    messages: tuple[Message, ...] = ()
    next_before: str | None = None
    bad_line_count: int = 0
    bad_lines: tuple[BadLine, ...] = ()
    torn: TornTail | None = None


class Session(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A session in the chat folder.

    Attributes:
        session_id: its name.
        size_bytes: size of its transcript.
        modified: when it was last written to, in UTC.
    """

    session_id: str
    size_bytes: int
    modified: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """A torn last line that was moved out of the transcript.

    Attributes:
        file: name of the file in the chat folder that keeps it.
        offset: where it stood in the transcript.
        size_bytes: its length.
        at: when it was moved, in UTC.
    """

    file: str
    offset: int
    size_bytes: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMessage:
    """A message that is on disk.

    Attributes:
        session_id: its session.
        message: it, as its line has it, with the timestamp that it got.
        offset: where its line starts, in bytes from the start of the file.
        size_bytes: length of its line, with the newline.
        set_aside: the torn line that stood before it, `None` if there was none.
        completed: whether the line before it was whole but for its newline, which it now has.
    """

    session_id: str
    message: Message
    offset: int
    size_bytes: int
    set_aside: SetAside | None = None
    completed: bool = False


_decoder = msgspec.json.Decoder(dict[str, Any])


def decode_object(raw: bytes) -> dict[str, Any]:
    """Return the JSON object in `raw`.

    Raises:
        BadMessageError: there is none; the message is the bare reason.
    """
    if not raw or raw.isspace():
        raise BadMessageError("blank")
    try:
        found = _decoder.decode(raw)
    except UnicodeDecodeError:
        raise BadMessageError("not UTF-8") from None
    except RecursionError:
        raise BadMessageError(f"nested deeper than {MAX_DEPTH}") from None
    except msgspec.ValidationError as error:
        raise BadMessageError(f"not a JSON object: {error}") from None
    except msgspec.DecodeError as error:
        raise BadMessageError(f"not JSON: {error}") from None
    # Most messages hold text alone, and need no closer look.
    if any(isinstance(value, dict | list) for value in found.values()) and _depth(found) > MAX_DEPTH:
        raise BadMessageError(f"nested deeper than {MAX_DEPTH}")
    return found


def check_message(found: dict[str, Any]) -> Message:
    """Return `found` as the message that it is; nothing of it is changed or dropped.

    Raises:
        BadMessageError: a field is missing or has the wrong type; the message is the bare reason.
    """
    if missing := [name for name in ("role", "content", "timestamp") if name not in found]:
        raise BadMessageError(f"no {missing[0]!r}")
    if not isinstance(found["role"], str):
        raise BadMessageError("'role' is not text")
    if not isinstance(found["content"], str | list):
        raise BadMessageError("'content' is neither text nor a list of parts")
    try:
        msgspec.convert(found["timestamp"], datetime)
    except msgspec.ValidationError:
        raise BadMessageError("'timestamp' is not an RFC 3339 date and time") from None
    return cast("Message", found)


def parse_message(raw: bytes) -> Message:
    """Return the message in a line.

    Raises:
        BadMessageError: it holds none; the message is the bare reason.
    """
    return check_message(decode_object(raw))


def encode_message(message: Mapping[str, Any], now: datetime) -> bytes:
    """Return the line for `message`, without its newline; `timestamp` is `now` if it has none.

    Raises:
        BadMessageError: it is no message, or would not come back from its line.
    """
    try:
        fields = dict(message)
        if fields.get("timestamp") is None:
            fields["timestamp"] = now
        line = msgspec.json.encode(fields)
        # What is written is what a page will show: one check for both.
        found = parse_message(line)
    except (BadMessageError, TypeError, ValueError, RecursionError) as error:
        raise BadMessageError(
            f"the message cannot be sent: {error}; give an object of JSON values with 'role' (text), "
            "'content' (text or a list of parts) and, if wanted, 'timestamp' and further fields"
        ) from error
    if msgspec.convert(found["timestamp"], datetime).tzinfo is None:
        raise BadMessageError(
            "the timestamp of the message has no time zone; end it with Z or an offset, or leave it out"
        )
    return line


def _depth(found: Any) -> int:
    depth, level = 0, [found]
    while level and depth <= MAX_DEPTH:
        depth += 1
        nested = [value for value in level if isinstance(value, dict | list)]
        level = [item for value in nested for item in (value.values() if isinstance(value, dict) else value)]
    return depth
