"""What an application and a request carry: the keys, and what stands behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from aiohttp_steps.engine import convert_input
from aiohttp_steps.errors import DefinitionError, InputError, StepsError
from aiohttp_steps.types import MISSING, Input, Report
from aiohttp_steps.web.departure import Departures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp_steps.engine import StepRegistry
    from aiohttp_steps.web.handlers import Route
    from aiohttp_steps.web.prepared import Prepared

REPORT = web.RequestKey("REPORT", Report)
"""Where a handler finds the report of its request's run: `request[REPORT]`."""

NO_PLAN = web.RequestKey("NO_PLAN", bool)
"""Set on requests whose marked handler is called although nothing was run, and may be."""


class State:
    """What `setup` leaves on an application.

    Attributes:
        registry: whose steps run.
        debug: whether clients may read messages of unexpected exceptions.
        server_timing: whether responses tell the steps' times.
        handler_cancellation: whether aiohttp cancels the request of a client that leaves; `None` if that is
            not known.
        turned_on_cancellation: whether that is so because of `setup`.
        cancel_on_disconnect, shutdown_timeout_s: as given to `setup`.
        prepared: routes made ready, by whatever tells them apart.
        view_routes: routes of the views that `/views` has been asked for.
        asks_requests: whether it depends on a request what runs for it.
        generation: of the plugins that both are of; see `keep_up`.
        departures: the requests whose steps must not be torn.
    """

    def __init__(
        self,
        registry: StepRegistry,
        own_inputs: Mapping[str, Input],
        *,
        debug: bool | None,
        server_timing: bool | None,
        sequential: bool | None,
    ) -> None:
        self.registry = registry
        self.debug = bool(debug)
        self.server_timing = bool(server_timing)
        self.sequential = sequential
        self.handler_cancellation: bool | None = None
        self.turned_on_cancellation = False
        self.cancel_on_disconnect = True
        self.shutdown_timeout_s = 10.0
        self.departures = Departures()
        self._asked = debug, server_timing
        self._own_inputs = own_inputs
        self._inputs: dict[str, Input] = {}
        self.prepared: dict[Any, Prepared] = {}
        self.view_routes: dict[str, Route] = {}
        self.asks_requests = True
        self.generation = -1

    def start(self, *, loop_debug: bool) -> None:
        """Work out what was left to the event loop's debug mode, and look at the inputs.

        Raises:
            DefinitionError: what the app or a plugin says of an input is wrong.
        """
        debug, server_timing = self._asked
        self.debug = loop_debug if debug is None else debug
        self.server_timing = self.debug if server_timing is None else server_timing
        self.generation = -1
        self.keep_up()  # no client could mend what is wrong with them

    @property
    def inputs(self) -> dict[str, Input]:
        """All declared inputs by name; what the app says of one wins over what a plugin says."""
        self.keep_up()
        return self._inputs

    def keep_up(self) -> None:
        """Forget, after a change of plugins, what was worked out of them.

        Raises:
            DefinitionError: what the app or a plugin says of an input is wrong.
        """
        registry = self.registry
        if self.generation == registry.generation:
            return
        generation, declared = registry.generation, registry.inputs
        own = {name: _adopt(given, declared.get(name)) for name, given in self._own_inputs.items()}
        self._inputs = {**declared, **own}
        self.prepared = {}
        self.view_routes = {}
        self.asks_requests = self.debug or registry.is_selective
        self.generation = generation


STATE = web.AppKey("aiohttp_steps", State)


def state_of(request: web.Request) -> State:
    """Return the state of the innermost application on the request's way that has one.

    Raises:
        StepsError: none has.
    """
    for app in reversed(request.match_info.apps):
        if STATE in app:
            return app[STATE]
    message = (
        f"{request.method} {request.path} needs steps, but no application on its way has any; "
        "call aiohttp_steps.setup(app, registry) before the application starts"
    )
    raise StepsError(message)


def _adopt(given: Input, declared: Input | None) -> Input:
    """Give an input that the app pinned to a bare value the type and help that its plugin declares.

    Raises:
        DefinitionError: the value does not fit that type.
    """
    if declared is None or given.type is not Any:
        return given
    value = given.default
    if value is not MISSING:
        try:
            value = convert_input(declared, value)
        except InputError as error:
            raise DefinitionError(f"setup pins a wrong value: {error}", step=given.name) from error
    return Input(
        given.name,
        declared.type,
        default=value,
        provide=given.provide,
        help=declared.help,
    )
