"""Checks before anything is timed that contenders answer what they are said to answer alike."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.web.servers import Server

VARYING = frozenset({"date"})
"""Headers that differ from one answer to the next of the same server."""


class Answer:
    """An answer over HTTP.

    Attributes:
        status: its status.
        headers: those that do not vary, with names in lower case.
        body: its bytes.
    """

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = {name.lower(): value for name, value in headers.items() if name.lower() not in VARYING}
        self.body = body


def fetch(server: Server, work: str) -> Answer:
    """Ask a server once."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request("GET", server.contender.path.format(work=work))
        response = connection.getresponse()
        return Answer(response.status, dict(response.getheaders()), response.read())
    finally:
        connection.close()


def compare(name: str, answer: Answer, base: Answer, *, headers: bool, document: bool) -> None:
    """Refuse an answer that is not what its base answers.

    Args:
        name: whose answer it is, for the message.
        headers: whether all headers have to be equal, and not the content type alone.
        document: whether both are documents of a view, whose times differ from one run to the next; all else
            of them, names and their order included, has to be equal.

    Raises:
        ValueError: they differ.
    """
    ours, theirs = _describe(answer, headers, document), _describe(base, headers, document)
    if answer.status != 200 or ours != theirs:
        message = f"{name} does not answer as it should: {answer.status}, {ours}, expected 200, {theirs}"
        raise ValueError(message)


def _describe(answer: Answer, headers: bool, document: bool) -> tuple[dict[str, str], str]:
    """Return what of an answer has to be equal."""
    kept = dict(answer.headers) if headers else {"content-type": answer.headers["content-type"]}
    if not document:
        return kept, answer.body.decode()
    kept.pop("content-length", None)  # times have more digits or fewer
    parsed = json.loads(answer.body)
    return kept, json.dumps({**parsed, "timing": _blank(parsed["timing"])})


def _blank(timing: dict[str, Any]) -> dict[str, Any]:
    """Keep the names of times, and how many steps the critical path has: which was last is chance."""
    path = timing["critical_path"]
    return {**dict.fromkeys(timing, "a time"), "critical_path": len(path)}
