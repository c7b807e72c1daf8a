"""The contracts of what runs steps: runners, step middlewares, and the `Call` that they hand on."""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from aiohttp_steps.types.plan import Plan
    from aiohttp_steps.types.step import Step


class RunInfo:
    """What one run is about; a new object for each, so that plugins may keep a note per run.

    Attributes:
        plan: what runs.
        inputs: values of the inputs that the plan takes.
    """

    # Not a frozen dataclass: making one of those costs as much as running two steps.
    __slots__ = ("__weakref__", "_held", "inputs", "plan")

    def __init__(self, plan: Plan, request: Any, inputs: Mapping[str, Any]) -> None:
        self.plan = plan
        self._held = request
        self.inputs = inputs

    @property
    def request(self) -> Any:
        """The `web.Request`, `None` without HTTP, and when the request is over and gone."""
        return self._held() if type(self._held) is weakref.ref else self._held


class Call:
    """One execution of one step, handed from the engine through step middlewares to the runner.

    Attributes:
        step: what is executed.
        request: the `web.Request`, `None` without HTTP.
        arguments: values of the keyword-only parameters.
        values: the same, and what exclusive keys are made of.
        required: whether its failure ends the run.
        shared: whether it waited for a run that another request had begun.
        joined: the call that began that run, in whose context the body runs; `None` if `shared` is false.
            Calls can be keys of weak mappings, so that plugins may keep a note per call.
        contexts: what a runner in another process enters around the body there: functions without arguments
            that can be pickled and return context managers, the outermost first. For what a context
            variable would carry here, such as the parent of a trace.
        lock_s: how long it waited for exclusive keys, in seconds.
        attempts: how often the body was started.
        started_at: when the body started, in the event loop's time; `None` while it waits.
        on_start: called in the event loop as soon as it is known that the body has started. A step
            middleware may set it before it calls the next.
        leave: for a generator step, its tear-down, set by the runner; takes the error to be raised at its
            yield, or `None`.
        is_expired: tells a runner that is cancelled whether the call's own time is up; then it need not
            wait for work that cannot be stopped, such as a thread's.
        plan: of the run it belongs to; `None` for an implementation of a host's hook.
        run_began_at: when that run began, in the event loop's time.
    """

    __slots__ = (
        "__weakref__",
        "arguments",
        "attempts",
        "contexts",
        "is_expired",
        "joined",
        "leave",
        "lock_s",
        "on_start",
        "plan",
        "request",
        "required",
        "run_began_at",
        "shared",
        "started_at",
        "step",
        "values",
    )

    def __init__(
        self,
        step: Step,
        request: Any,
        values: dict[str, Any],
        *,
        required: bool = True,
        plan: Plan | None = None,
        run_began_at: float = 0.0,
    ) -> None:
        self.step = step
        self.required = required
        self.plan = plan
        self.run_began_at = run_began_at
        self.contexts: tuple[Callable[[], AbstractContextManager[Any]], ...] = ()
        self.attempts = 0
        self.shared = False
        self.joined: Call | None = None
        self.request = request
        self.values = values
        self.arguments = values
        if step.kind == "exclusive":  # its key may need more than its function takes
            self.arguments = {d.name: values[d.name] for d in step.dependencies if d.name in values}
        self.lock_s = 0.0
        self.started_at: float | None = None
        self.on_start: Callable[[], None] | None = None
        self.leave: Callable[[BaseException | None], Awaitable[None]] | None = None
        self.is_expired: Callable[[], bool] = _never

    def mark_started(self, at: float) -> None:
        """Note that the body started at `at`, in the event loop's time; runners call it, in the loop.

        Of several attempts the first counts: a wait between them is part of the run.
        """
        self.attempts += 1
        if self.started_at is not None:
            return
        self.started_at = at
        if self.on_start is not None:
            self.on_start()

    @property
    def positional(self) -> tuple[Any, ...]:
        """The positional arguments: the request, if the step takes it and there is one."""
        takes_request = self.step.takes_request
        return (self.request,) if takes_request and self.request is not None else ()


def _never() -> bool:
    return False


StepCall = Callable[[Call], Awaitable[Any]]
"""Executes a step and returns its value, or raises its error."""

StepMiddleware = Callable[[StepCall], StepCall]
"""Wraps a `StepCall` in another; applied once, when the plan is compiled."""

Rank = tuple[float, float, int]
"""Place among the calls that wait for one thing: the least is served first."""

FIRST_COME: Rank = (0.0, 0.0, 0)
"""Rank of all that wait where the order is that of coming."""

RankCall = Callable[[Call], Rank]
"""Gives a call its rank; asked only if the call has to wait."""


class Runner(Protocol):
    """Where the bodies of steps run. One object serves all steps, requests and event loops of a registry."""

    @property
    def name(self) -> str:
        """What steps call it by: `@step(runner=NAME)`."""

    def bind(self, step: Step) -> StepCall:
        """Return what executes `step`; called once per plan, when it is compiled.

        Raises:
            PlanError: the runner cannot run this step.
        """

    async def open(self) -> None:
        """Get ready for the steps that are bound; called when an application starts."""

    async def close(self) -> None:
        """Release what it holds. It may be used again afterwards."""

    def left_behind(self) -> tuple[str, ...]:
        """Return names of the steps whose bodies still run although nobody waits for them any more."""
