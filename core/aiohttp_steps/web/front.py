"""The front page of `serve`: its files, and the headers that keep it to itself."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from aiohttp import ETag, hdrs, web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

TYPES = {
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
}

# Scripts and styles are files of ours and no text in a page, the page asks nobody but this server, and no
# text can be made markup: what stands in a repository may be written by anybody.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)

HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    hdrs.CACHE_CONTROL: "no-cache",
    hdrs.VARY: hdrs.ACCEPT,
}


def add_front(app: web.Application) -> None:
    """Add the page with all views side by side at `/`, and its files below `/front`.

    Who does not ask for HTML, as programs do not, is led to the list of views at `/views`.
    """
    from importlib.resources import files  # noqa: PLC0415 - applications of other people have no such page

    for file in (files("aiohttp_steps.web") / "front").iterdir():
        name, _, suffix = file.name.rpartition(".")
        if suffix not in TYPES:
            continue
        answer = _make_handler(file.read_bytes(), TYPES[suffix])
        if name == "index":
            app.router.add_get("/", _lead_programs(answer))
        else:
            app.router.add_get(f"/front/{file.name}", answer)
        if name == "icon":
            app.router.add_get("/favicon.ico", answer)  # browsers ask for it beside JSON, too


def _make_handler(body: bytes, content_type: str) -> Handler:
    """Return a handler that answers with a file, or with 304 to who has it."""
    tag = hashlib.sha256(body).hexdigest()[:32]

    async def answer(request: web.Request) -> web.StreamResponse:
        if any(known.value in {tag, "*"} for known in request.if_none_match or ()):
            response = web.Response(status=304, headers=HEADERS)
        else:
            response = web.Response(body=body, content_type=content_type, charset="utf-8", headers=HEADERS)
        response.etag = ETag(tag)
        return response

    return answer


def _lead_programs(answer: Handler) -> Handler:
    async def answer_or_lead(request: web.Request) -> web.StreamResponse:
        if "text/html" not in request.headers.get(hdrs.ACCEPT, "").lower():
            raise web.HTTPFound("/views", headers={hdrs.VARY: hdrs.ACCEPT})
        return await answer(request)

    return answer_or_lead
