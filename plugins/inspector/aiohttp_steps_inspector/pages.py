"""The routes below the inspector's path: the page, its files, and what it asks for."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import hdrs, web
from aiohttp_steps.engine import read_input
from aiohttp_steps.errors import InputError, PlanError, StepsError, UnknownNameError
from aiohttp_steps.web import declared_inputs, run_for_request

from aiohttp_steps_inspector import documents
from aiohttp_steps_inspector.assets import fill_page, read_assets
from aiohttp_steps_inspector.guard import COOKIE
from aiohttp_steps_inspector.traces import merge_traces
from aiohttp_steps_inspector.values import SHOWN_CHARACTERS, read_texts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aiohttp_steps import Input, StepRegistry
    from aiohttp_steps.types import Plan

    from aiohttp_steps_inspector.inspector import Inspector

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

logger = logging.getLogger("aiohttp_steps")

HEADERS = {
    hdrs.CACHE_CONTROL: "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Of every answer: only the page's own files are loaded and run; it is not kept, framed or read by others."""

MOST_FORM_BYTES = 4_096
"""Of the form that takes the token: who sends it may be anybody."""


class Order(msgspec.Struct, forbid_unknown_fields=True):
    """A run that the page asks for.

    Attributes:
        view: what to run.
        inputs: what was typed, by name; what is not in it is left to the app or its default.
        sequential: whether to run one step after another.
        confirmed: whether the user knows that the view may write.
    """

    view: str
    inputs: dict[str, str] = {}
    sequential: bool = False
    confirmed: bool = False


class Pages:
    """The routes of one application.

    Args:
        inspector: what they show.
        registry: whose views they run.
    """

    def __init__(self, inspector: Inspector, registry: StepRegistry) -> None:
        self._inspector = inspector
        self._registry = registry
        self._base = inspector.path.rpartition("/")[2]

    def add_to(self, app: web.Application) -> None:
        """Add the routes, and end live news when the application stops."""
        path, known, anybody = self._inspector.path, self._for_known, self._for_anybody
        app.router.add_get(path, anybody(self._show_page))
        app.router.add_get(f"{path}/assets/{{name}}", anybody(self._give_asset))
        app.router.add_get(f"{path}/api/state", known(self._give_state))
        app.router.add_get(f"{path}/api/events", known(self._stream), allow_head=False)
        app.router.add_get(f"{path}/api/runs/{{id}}", known(self._give_run))
        app.router.add_get(f"{path}/api/trace", known(self._give_trace))
        app.router.add_post(f"{path}/api/run", known(self._run))
        if self._inspector.guard.has_token:
            app.router.add_post(f"{path}/login", anybody(self._log_in))
        app.on_shutdown.append(self._end_streams)

    def _for_anybody(self, handler: Handler) -> Handler:
        """Answer who may see that there is an inspector."""
        guard = self._inspector.guard

        async def answer(request: web.Request) -> web.StreamResponse:
            fault = guard.refuse(request)
            response = _problem(403, fault) if fault else await handler(request)
            if not response.prepared:
                response.headers.update(HEADERS)
            return response

        return answer

    def _for_known(self, handler: Handler) -> Handler:
        """Answer who has the token; to change something the page itself has to ask for it."""
        guard = self._inspector.guard

        async def answer(request: web.Request) -> web.StreamResponse:
            if not guard.knows(request):
                response = _problem(401, "give the inspector's token as Authorization: Bearer, or log in")
                response.headers[hdrs.WWW_AUTHENTICATE] = 'Bearer realm="aiohttp-steps inspector"'
                return response
            is_change = request.method == hdrs.METH_POST
            fault = guard.refuse_change(request) if is_change else guard.refuse_origin(request)
            return _problem(403, fault) if fault else await handler(request)

        return self._for_anybody(answer)

    async def _show_page(self, request: web.Request) -> web.Response:
        is_known = self._inspector.guard.knows(request)
        if not is_known:
            page = fill_page(
                "login.html", base=self._base, message=LOGIN_WORDS[request.query_string == "wrong"]
            )
            return web.Response(text=page, content_type="text/html", status=401)
        return web.Response(text=fill_page("page.html", base=self._base), content_type="text/html")

    async def _give_asset(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        found = read_assets().get(name)
        if found is None or name.endswith(".html"):
            return _problem(404, f"the inspector has no file {name!r}")
        body, media_type = found
        return web.Response(body=body, content_type=media_type, charset="utf-8")

    async def _log_in(self, request: web.Request) -> web.Response:
        guard = self._inspector.guard
        fault = guard.refuse_origin(request)
        if fault:
            return _problem(403, fault)
        page = request.path.removesuffix("/login")
        if (request.content_length or 0) > MOST_FORM_BYTES or request.content_length is None:
            return _problem(413, "the form has one field, token")
        token = (await request.post()).get("token")
        if not isinstance(token, str) or not guard.accepts(token.strip()):
            return web.Response(status=303, headers={hdrs.LOCATION: f"{page}?wrong"})
        response = web.Response(status=303, headers={hdrs.LOCATION: page})
        response.set_cookie(
            COOKIE, guard.cookie, path=page, httponly=True, samesite="Strict", secure=request.secure
        )
        return response

    async def _give_state(self, request: web.Request) -> web.Response:
        inspector = self._inspector
        declared = declared_inputs(request)
        return _json(
            {
                "most_runs": inspector.history.most,
                "keeps_values": inspector.keep_values,
                "views": documents.describe_views(self._registry, declared, inspector.may_set),
                **documents.describe_plugins(self._registry),
            }
        )

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if self._inspector.streams.is_full:
            return _problem(503, "too many pages are open already; close some")
        return await self._inspector.streams.serve(request, self._registry, HEADERS)

    async def _give_run(self, request: web.Request) -> web.Response:
        record = self._inspector.history.find(_read_number(request.match_info["id"]))
        if record is None:
            return _problem(404, f"run {request.match_info['id']} is not kept any more, or has never been")
        return _json(documents.describe_run_fully(record))

    async def _give_trace(self, request: web.Request) -> web.Response:
        history = self._inspector.history
        number = request.query.get("run")
        records = list(history) if number is None else [history.find(_read_number(number))]
        found = [record for record in records if record is not None]
        if number is not None and not found:
            return _problem(404, f"run {number} is not kept any more, or has never been")
        name = "steps-trace.json" if number is None else f"steps-trace-{found[0].number}.json"
        response = _json(merge_traces(found))
        response.headers[hdrs.CONTENT_DISPOSITION] = f'attachment; filename="{name}"'
        return response

    async def _run(self, request: web.Request) -> web.Response:
        """Run a view as the app would, with what was typed into the page."""
        try:
            order = msgspec.json.decode(await request.read(), type=Order)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            return _problem(400, f"the body is no order of a run: {error}")
        declared = declared_inputs(request)
        try:
            plan = self._registry.plan(order.view, inputs=declared.keys() - self._registry.inputs.keys())
            if plan.writes and not order.confirmed:
                return _problem(
                    409, f"view {order.view!r} has steps that may write; confirm that it is meant"
                )
            inputs = self._read_inputs(order.inputs, plan, declared)
            return await self._run_and_describe(request, order, inputs)
        except InputError as error:
            return _problem(400, str(error), input=error.input)
        except UnknownNameError as error:
            return _problem(404, str(error))
        except PlanError as error:
            return _problem(409, str(error))

    async def _run_and_describe(
        self, request: web.Request, order: Order, inputs: dict[str, Any]
    ) -> web.Response:
        self._inspector.expect(request)
        sequential = order.sequential or None
        try:
            report = await run_for_request(request, order.view, inputs=inputs, sequential=sequential)
        # What the app provides for its own requests may not fit one of this page's.
        except Exception as error:
            if isinstance(error, StepsError):
                raise
            logger.exception("the inspector could not run view %r", order.view)
            told = documents.describe_error(error)
            return _problem(500, f"the run could not begin: {told['kind']}: {told['message']}")
        finally:
            record = self._inspector.take(request)
        texts = read_texts(report, SHOWN_CHARACTERS)
        document = documents.describe_report_fully(report, texts)
        return _json({**document, "id": record.number if record else None})

    def _read_inputs(
        self, typed: Mapping[str, str], plan: Plan, declared: Mapping[str, Input]
    ) -> dict[str, Any]:
        """Return what was typed as values.

        Raises:
            InputError: it is no value of the input, or the input is not for the page to set.
        """
        values = {}
        takes = {need.name for need in plan.inputs}
        for name, text in typed.items():
            one = declared.get(name)
            if name not in takes or one is None or not documents.is_settable(one, self._inspector.may_set):
                message = f"input {name!r} of view {plan.view!r} cannot be set from this page"
                raise InputError(message, input=name, expected="nothing")
            values[name] = read_input(one, text)
        return values

    async def _end_streams(self, _app: web.Application) -> None:
        self._inspector.streams.close()


LOGIN_WORDS = {
    False: "It shows the inside of this application to those who have its token.",
    True: "That is not the token. Look for it where the application is started.",
}


def _read_number(text: str) -> int:
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 19 else 0  # noqa: PLR2004 - 64 bits


def _json(document: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(document), content_type="application/json")


def _problem(status: int, detail: str, **facts: Any) -> web.Response:
    """Return an RFC 9457 problem."""
    document = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    body = msgspec.json.encode({**document, **facts})
    return web.Response(body=body, status=status, content_type="application/problem+json")
