"""Runs the plan of a route for a request, and turns what goes wrong into answers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.payload import Payload

from aiohttp_steps.engine import resolve_inputs
from aiohttp_steps.errors import InputError, StepError, StepSkippedError
from aiohttp_steps.web.departure import Departure
from aiohttp_steps.web.inputs import gather_own_inputs
from aiohttp_steps.web.prepared import prepare
from aiohttp_steps.web.responses import failure_problem, input_problem
from aiohttp_steps.web.state import REPORT, State, state_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import Any

    from aiohttp_steps.engine.program import Program
    from aiohttp_steps.types import Input, Report
    from aiohttp_steps.web.handlers import Route

logger = logging.getLogger("aiohttp_steps")

# An HTTPException is a response as well: raised or returned, it ends the run.
ANSWERS = (web.StreamResponse,)


async def answer_route(
    request: web.Request,
    state: State,
    route: Route,
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> web.StreamResponse:
    """Run a route's plan, then call its handler; a client that leaves tears no step that is to be finished.

    Raises:
        web.HTTPException: a step or the handler raised it.
        asyncio.CancelledError: the client has left.
    """
    prepared = prepare(state, route, request)
    try:
        inputs = prepared.read(request) if prepared.takes_inputs else {}
        if inputs is None:
            inputs = await prepared.gather(request)
    except InputError as error:
        return input_problem(error)
    program = prepared.program
    if program.keeps:
        return await _answer_departing(request, state, route, (program, inputs), handler)
    # Nothing is to be kept from being torn, so that the request's own task does it all.
    report = await state.registry.execute(
        program, inputs, request=request, answers=ANSWERS, deadline_s=route.deadline_s
    )
    answer = _settle(request, state, report)
    if answer is not None:
        return answer
    try:
        return await handler(request)
    except BaseException as error:
        answer = _answer_error(state, report, error)
        if answer is None:
            raise
        return answer


async def _answer_departing(
    request: web.Request,
    state: State,
    route: Route,
    prepared: tuple[Program, dict[str, Any]],
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> web.StreamResponse:
    """As `answer_route`, for a plan with steps or tear-downs that must not be torn when the client leaves."""
    program, inputs = prepared
    departure = Departure()
    running = state.registry.running(
        program,
        inputs,
        request=request,
        answers=ANSWERS,
        deadline_s=route.deadline_s,
        watch=departure.watch,
    )

    async def work() -> web.StreamResponse:
        async with running as report:
            response = _settle(request, state, report)
            if response is None:
                try:
                    response = await handler(request)
                except BaseException as error:
                    response = _answer_error(state, report, error)
                    if response is None:
                        raise
            if running.has_resources:
                await _write_lazy(request, response)
            return response

    return await (work() if state.handler_cancellation is False else state.departures.run(departure, work))


def _settle(request: web.Request, state: State, report: Report) -> web.StreamResponse | None:
    """Leave the report in the request, and return the answer that the run itself gives, if it does.

    Raises:
        web.HTTPException: a step raised it.
    """
    request[REPORT] = report
    completed = report.completed
    if not completed:
        log_errors(report)
    return _answer_of(report, state) if not completed or report.answer is not None else None


def _answer_error(state: State, report: Report, error: BaseException) -> web.StreamResponse | None:
    """Answer an error that the handler lets out, if it is of a step, as if the step had been required.

    Left to aiohttp, a step's `TimeoutError` would become a bare 504.

    Raises:
        web.HTTPException: a step's own.
    """
    # BaseException, as a step's SystemExit is in its report and must not end the server from here either.
    is_of_step = any(error is known for known in report.errors.values())
    if not is_of_step and not isinstance(error, StepError):
        return None
    return failure_problem(report, error, debug=state.debug)


def declared_inputs(request: web.Request) -> dict[str, Input]:
    """Return all declared inputs by name; what the app says of one wins over what a plugin says."""
    return dict(state_of(request).inputs)


async def run_for_request(
    request: web.Request,
    view: str,
    *,
    inputs: Mapping[str, Any] | None = None,
    sequential: bool | None = None,
) -> Report:
    """Run a view from within a handler that is not marked with it, as the application would run it.

    Steps get the request, and the inputs that the app provides. What the request carries gives no inputs: it
    is meant for the handler. A client that leaves is treated as `on_disconnect` says. Resources are torn down
    before this returns.

    Args:
        inputs: values by name; those of declared inputs are converted to their types. They win over what the
            app provides: it is the caller who says which of them somebody else may set.
        sequential: run every step alone; `None`: as the application says.

    Raises:
        InputError: an input is missing or has a wrong value.
        PlanError: there is no plan for the view.
        StepsError: the application has no steps.
        asyncio.CancelledError: the client has left.
    """
    state = state_of(request)
    given = dict(inputs or {})
    registry = state.registry
    program = registry.program(
        view,
        inputs=(state.inputs.keys() | given.keys()) - registry.inputs.keys(),
        selected=registry.select(request, view),
        sequential=state.sequential if sequential is None else sequential,
    )
    values = await gather_own_inputs(request, program.plan, state.inputs, given)
    values = resolve_inputs(program.plan, state.inputs, values)
    departure = Departure()

    async def work() -> Report:
        report = await registry.execute(
            program,
            values,
            request=request,
            answers=ANSWERS,
            watch=departure.watch if program.keeps else None,
        )
        log_errors(report)
        return report

    if state.handler_cancellation is not False and program.keeps:
        return await state.departures.run(departure, work)
    return await work()


def _answer_of(report: Report, state: State) -> web.StreamResponse | None:
    """Return the answer that the run itself gives: a step's own, or a problem; `None`: the handler's turn.

    Raises:
        web.HTTPException: a step raised it.
    """
    if report.answer is not None:
        answer: web.StreamResponse = report.answer
        if isinstance(answer, web.HTTPException):
            raise answer  # aiohttp has deprecated handlers that return one
        return answer
    failure = report.failure
    if failure is not None and failure.error is not None:
        return failure_problem(report, failure.error, debug=state.debug)
    return None


async def _write_lazy(request: web.Request, response: web.StreamResponse) -> None:
    """Write a response whose body is still to be produced, while the resources of steps are there for it.

    aiohttp would write it after all middlewares; those outside of this one cannot change its headers any
    more, but `on_response_prepare` can.
    """
    if response.prepared or (isinstance(response, web.Response) and not isinstance(response.body, Payload)):
        return
    await response.prepare(request)
    await response.write_eof()


def log_errors(report: Report) -> None:
    """Log the exceptions that nobody declared: clients do not see them, so somebody has to."""
    for name, error in report.errors.items():
        if not isinstance(error, (StepError, StepSkippedError, web.HTTPException)):
            plugin = report.outcome(name).step.plugin
            logger.error("step %r of plugin %r failed", name, plugin, exc_info=error)
