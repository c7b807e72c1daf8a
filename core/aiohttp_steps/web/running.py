"""Runs the plan of a route for a request, and turns what goes wrong into answers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aiohttp import web

from aiohttp_steps.engine import resolve_inputs
from aiohttp_steps.errors import InputError, StepError, StepSkippedError
from aiohttp_steps.web.inputs import gather_inputs
from aiohttp_steps.web.responses import failure_problem, input_problem
from aiohttp_steps.web.state import REPORT, State, state_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp_steps.engine.program import Program
    from aiohttp_steps.types import Report
    from aiohttp_steps.web.handlers import Route

logger = logging.getLogger("aiohttp_steps")

# An HTTPException is a response as well: raised or returned, it ends the run.
ANSWERS = (web.StreamResponse,)


def program_for(state: State, route: Route, request: web.Request | None = None) -> Program:
    """Return the program of a route; with a request, of what plugins select for it.

    Raises:
        PlanError: there is none.
    """
    registry = state.registry
    return registry.program(
        route.view,
        wanted=route.wanted,
        inputs=state.inputs.keys() - registry.inputs.keys(),
        selected=None if request is None else registry.select(request, route.view),
        sequential=state.sequential,
    )


async def run_route(request: web.Request, state: State, route: Route) -> web.StreamResponse | None:
    """Run a route's plan and leave the report in the request.

    Returns:
        The answer, if the run gives one: a step's own, or a problem. `None`: the handler is to be called.

    Raises:
        web.HTTPException: a step raised it.
    """
    program = program_for(state, route, request)
    try:
        given = await gather_inputs(request, program.plan, state.inputs)
        inputs = resolve_inputs(program.plan, state.inputs, given)
    except InputError as error:
        return input_problem(error)
    report = await state.registry.execute(program, inputs, request=request, answers=ANSWERS)
    request[REPORT] = report
    log_errors(report)
    if report.answer is not None:
        answer: web.StreamResponse = report.answer
        if isinstance(answer, web.HTTPException):
            raise answer  # aiohttp has deprecated handlers that return one
        return answer
    failure = report.failure
    if failure is not None and failure.error is not None:
        return failure_problem(report, failure.error, debug=state.debug)
    return None


async def answer_errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Call the handler; a step's error that it lets out is answered as if the step had been required.

    Left to aiohttp, a step's `TimeoutError` would become a bare 504.
    """
    report = request[REPORT]
    try:
        return await handler(request)
    except BaseException as error:
        # BaseException, as a step's SystemExit is in its report and must not end the server from here either.
        is_of_step = any(error is known for known in report.errors.values())
        if not is_of_step and not isinstance(error, StepError):
            raise
        return failure_problem(report, error, debug=state_of(request).debug)


def log_errors(report: Report) -> None:
    """Log the exceptions that nobody declared: clients do not see them, so somebody has to."""
    for name, error in report.errors.items():
        if not isinstance(error, (StepError, StepSkippedError, web.HTTPException)):
            plugin = report.outcome(name).step.plugin
            logger.error("step %r of plugin %r failed", name, plugin, exc_info=error)
