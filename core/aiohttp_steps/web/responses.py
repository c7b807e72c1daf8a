"""From reports and errors to responses and headers: the contract on the wire."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec
from aiohttp import hdrs, web
from multidict import istr

from aiohttp_steps.engine import StepEncodingError, describe_error, encode_report
from aiohttp_steps.errors import InputError, StepError, StepShedError, StepSkippedError
from aiohttp_steps.web.state import STATE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp_steps.types import Report

_KNOWN_STATUSES = frozenset(HTTPStatus)

COMPLETED = istr("Steps-Completed")
SERVER_TIMING = "Server-Timing"

MOST_TIMING_BYTES = 2048
"""Proxies refuse responses whose headers grow: Joomla met 502 (joomla#37087)."""


def json_response(
    report: Report,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    debug: bool | None = None,
) -> web.Response:
    """Return a report as a JSON response.

    Args:
        debug: whether messages of unexpected exceptions are told; `None`: as the application says.

    Raises:
        StepEncodingError: the value of a required step cannot be said in JSON.
    """
    if debug is None:
        request = (
            None if report.completed else report.run.request
        )  # where nothing failed there are no messages
        state = request.config_dict.get(STATE) if request is not None else None
        debug = state is not None and state.debug
    body, completed = encode_report(report, debug=debug)
    response = web.Response(body=body, status=status, headers=headers, content_type="application/json")
    response.headers[COMPLETED] = "true" if completed else "false"
    return response


def problem(
    status: int, detail: str, *, headers: Mapping[str, str] | None = None, **facts: Any
) -> web.Response:
    """Return an RFC 9457 problem.

    Args:
        facts: further members, those that are `None` left out.
    """
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase if status in _KNOWN_STATUSES else "Error",
        "status": status,
        "detail": detail,
        **{name: fact for name, fact in facts.items() if fact is not None},
    }
    body = msgspec.json.encode(document)
    return web.Response(body=body, status=status, content_type="application/problem+json", headers=headers)


def input_problem(error: InputError) -> web.Response:
    """Return the answer to a bad input."""
    return problem(400, str(error), input=error.input, expected=error.expected)


def failure_problem(report: Report, error: BaseException, *, debug: bool) -> web.Response:
    """Return the answer to the failure of a required step.

    Raises:
        web.HTTPException: the step's own.
    """
    cause = error
    while isinstance(cause, StepSkippedError) and cause.__cause__ is not None:
        cause = cause.__cause__
    if isinstance(cause, web.HTTPException):
        raise cause
    failed = (name for name, known in report.errors.items() if known is cause)
    name = cause.step if isinstance(cause, StepEncodingError) else next(failed, None)
    described = describe_error(cause, debug=debug)
    headers: dict[str, str] = {COMPLETED: _flag(False)}
    if isinstance(cause, StepShedError):
        headers[hdrs.RETRY_AFTER] = str(cause.retry_after_s)
    return problem(
        cause.status if isinstance(cause, StepError) else 500,
        described["message"],
        headers=headers,
        step=name,
        plugin=report.outcome(name).step.plugin if name else None,
        error=described["type"],
    )


def add_headers(report: Report, response: web.StreamResponse, *, server_timing: bool) -> None:
    """Tell in a response's headers how its run went."""
    response.headers.setdefault(COMPLETED, "true" if report.completed else "false")
    if server_timing:
        theirs = ", ".join(response.headers.getall(SERVER_TIMING, []))
        ours = format_server_timing(report, MOST_TIMING_BYTES - len(theirs) - len(", "))
        response.headers[SERVER_TIMING] = ", ".join(filter(None, (theirs, ours)))


def format_server_timing(report: Report, most_bytes: int = MOST_TIMING_BYTES) -> str:
    """Return the times of all steps, in plan order, and the total: `git_status;dur=19.2;desc="parallel"`.

    A step that did not run has no duration, which 0 would be, but says so: `desc="parallel (skipped)"`.
    Durations in milliseconds: https://www.w3.org/TR/server-timing/

    Args:
        most_bytes: where it is cut, between entries; the total is the last to go.
    """
    total = f"total;dur={report.timing.wall_s * 1000:.1f}"
    room = most_bytes - len(total)
    if room < 0:
        return ""
    entries = []
    for outcome in report.outcomes:
        # A step's name may be any identifier, a header's token only ASCII.
        name, kind = quote(outcome.step.name, safe=""), outcome.step.kind
        if outcome.started_s is None:
            entry = f'{name};desc="{kind} ({outcome.status.value})"'
        else:
            entry = f'{name};dur={outcome.run_s * 1000:.1f};desc="{kind}"'
        room -= len(entry) + len(", ")
        if room < 0:
            break
        entries.append(entry)
    return ", ".join([*entries, total])


def method_not_allowed(view: str) -> web.Response:
    """Return the answer to a GET that would write."""
    detail = (
        f"view {view!r} has steps that may write, so GET does not run it; "
        "send POST with a JSON body of inputs"
    )
    return problem(405, detail, headers={hdrs.ALLOW: hdrs.METH_POST})


def _flag(completed: bool) -> str:
    return "true" if completed else "false"
