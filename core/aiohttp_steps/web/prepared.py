"""What a route needs for each request, worked out once: its program, and where its inputs come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp_steps.engine import resolve_inputs
from aiohttp_steps.web.inputs import Wanted, gather_inputs, read_inputs

if TYPE_CHECKING:
    from aiohttp import web

    from aiohttp_steps.engine.program import Program
    from aiohttp_steps.types import Input
    from aiohttp_steps.web.handlers import Route
    from aiohttp_steps.web.state import State

SEQUENTIAL = "Steps-Sequential"
"""A request with this header runs every step alone, in debug mode: to see whether that changes anything."""


class Prepared:
    """A route made ready for requests; shared by them, and thrown away when plugins change.

    Attributes:
        program: what runs.
        takes_inputs: whether its steps take any.
        is_sequential: what the registry said of running every step alone when this was made.
    """

    __slots__ = ("_at_once", "_declared", "_wanted", "is_sequential", "program", "takes_inputs")

    def __init__(self, program: Program, declared: dict[str, Input], *, is_sequential: bool) -> None:
        self.program = program
        self.is_sequential = is_sequential
        self.takes_inputs = bool(program.plan.inputs)
        self._declared = declared
        self._wanted = [Wanted(declared[need.name]) for need in program.plan.inputs if need.name in declared]
        self._at_once = not any(one.has_to_wait for one in self._wanted)

    async def gather(self, request: web.Request) -> dict[str, Any]:
        """Return the values of all inputs of the plan for a request.

        Raises:
            InputError: one is missing or has a wrong value.
        """
        return self._resolve(await gather_inputs(request, self._wanted))

    def read(self, request: web.Request) -> dict[str, Any] | None:
        """As `gather`; `None` if there is something to wait for, such as the body.

        Raises:
            InputError: one is missing or has a wrong value.
        """
        if not self._at_once:
            return None
        return self._resolve(read_inputs(request, self._wanted))

    def _resolve(self, given: dict[str, Any]) -> dict[str, Any]:
        return resolve_inputs(self.program.plan, self._declared, given)


def prepare(state: State, route: Route, request: web.Request | None = None) -> Prepared:
    """Return what a route needs; with a request, of what plugins select for it.

    Raises:
        PlanError: its steps cannot be made a plan.
    """
    registry = state.registry
    if state.generation != registry.generation:
        state.keep_up()
    known = state.prepared.get(route)
    if (
        known is not None
        and known.is_sequential is registry.sequential
        and (request is None or not state.asks_requests)
    ):
        return known
    selected = None if request is None else registry.select(request, route.view)
    sequential = _is_sequential(state, route, request)
    key = route, selected, sequential, registry.sequential
    known = state.prepared.get(key)
    if known is None:
        program = registry.program(
            route.view,
            wanted=route.wanted,
            inputs=state.inputs.keys() - registry.inputs.keys(),
            selected=selected,
            sequential=sequential,
        )
        known = Prepared(program, state.inputs, is_sequential=registry.sequential)
        if selected is None:  # selections may be as many as requests: the registry keeps some of them
            state.prepared[key] = known
    if request is None or not state.asks_requests:
        state.prepared[route] = known
    return known


def _is_sequential(state: State, route: Route, request: web.Request | None) -> bool:
    """Ask the request, then the route, then the application, then the registry."""
    if request is not None and state.debug and SEQUENTIAL in request.headers:
        return True
    sequential = state.sequential if route.sequential is None else route.sequential
    return state.registry.sequential if sequential is None else sequential
