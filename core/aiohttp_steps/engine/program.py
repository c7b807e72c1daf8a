"""A plan made ready to run: each step bound to its runner and wrapped in its policies."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from aiohttp_steps.errors import PlanError
from aiohttp_steps.plan import nearest
from aiohttp_steps.runners.loop import as_plain, is_native
from aiohttp_steps.types import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aiohttp_steps.engine.listeners import Listeners
    from aiohttp_steps.policies import Paths
    from aiohttp_steps.types import (
        Node,
        OnDisconnect,
        Plan,
        Runner,
        Step,
        StepCall,
        StepMiddleware,
        TierKind,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """What the engine looks up for one step, without a further hop.

    Attributes:
        function: for the engine to await or call itself, if no policy and no runner stands between.
        call: executes the step otherwise.
        is_plain: whether `function` is a plain one, of runner `inline`.
        takes_steps: parameters with positions in the plan of the steps whose results they take.
        takes_inputs: parameters with names of the inputs that they take.
        needs: names of the parameters without which it is skipped.
        is_bare: whether it takes neither request nor arguments.
        successors: positions of the steps of its stage that wait for it, in the order in which they start.
        on_disconnect: what becomes of it when nobody waits for the run any more.
    """

    index: int
    step: Step
    function: Callable[..., Any]
    call: StepCall | None
    is_plain: bool
    takes_steps: tuple[tuple[str, int], ...]
    takes_inputs: tuple[tuple[str, str], ...]
    needs: frozenset[str]
    takes_request: bool
    is_bare: bool
    successors: list[int]
    waits_for: int
    required: bool
    default: Any
    on_disconnect: OnDisconnect


@dataclass(slots=True, eq=False)
class Stage:
    """A tier, ready to run; shared by all runs, and never changed but for `waits` and the order of `roots`.

    Attributes:
        alone: its body, if it has only one: the request's own task awaits it.
        members: its bodies, in plan order.
        roots: those that wait for nothing in the tier, in the order in which they start.
        size: how many bodies it has.
        waits_for: for each body that waits for others of its tier, how many; each run counts down a copy.
        keeps: whether it has a body that is not to be torn when nobody waits for the run any more.
        is_plain: whether all its bodies are plain functions that the engine calls, so that none can wait.
        is_chain: whether each of several bodies waits for the one before it.
        waits: whether one of its bodies is known to wait for something, or has been seen to while others were
            ready. Tasks for all then start in the same turn of the loop, at the price of tasks for those that
            do not wait.
    """

    kind: TierKind
    alone: Body | None
    members: tuple[Body, ...]
    roots: list[Body]
    size: int
    waits_for: dict[int, int]
    keeps: bool
    waits: bool
    is_plain: bool
    is_chain: bool


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A plan and what runs it; shared by all its runs, and immutable but for the order in which steps start.

    Attributes:
        keeps: whether some body, or the tear-down of a resource, is not to be torn when nobody waits for the
            run any more.
        has_resources: whether some step is a generator, to be left after the handler.
        listeners: who is told of the beginning and end of runs; `None`: nobody.
        paths: learns from runs in which order steps start; `None`: their order makes no difference.
        is_unattended: whether neither resources nor listeners wait for the end of a run.
    """

    plan: Plan
    bodies: tuple[Body, ...]
    stages: tuple[Stage, ...]
    keeps: bool
    has_resources: bool
    listeners: Listeners | None
    paths: Paths | None
    is_unattended: bool

    @property
    def is_observed(self) -> bool:
        """Whether some plugin listens to the beginning or end of runs."""
        return self.listeners is not None


def build_program(
    plan: Plan,
    runners: Mapping[str, Runner],
    wrappers: Sequence[Callable[[Step], StepMiddleware | None]],
    *,
    listeners: Listeners | None = None,
    paths: Paths | None = None,
) -> Program:
    """Bind the steps of a plan.

    Args:
        runners: by name.
        wrappers: asked in turn for a middleware of each step; the first one's is the outermost.
        listeners: told of its runs.
        paths: of this plan; sorts, as it learns, what is ready to start.

    Raises:
        PlanError: a step's runner is not known, or cannot run it.
    """
    bodies = tuple(_build_body(node, runners, wrappers) for node in plan.nodes)
    stages = []
    for tier in plan.tiers:
        members = tuple(bodies[node.index] for node in tier.nodes)
        stages.append(
            Stage(
                kind=tier.kind,
                alone=members[0] if len(members) == 1 else None,
                members=members,
                roots=[body for body in members if not body.waits_for],
                size=len(members),
                waits_for={body.index: body.waits_for for body in members if body.waits_for},
                keeps=any(body.on_disconnect != "cancel" for body in members),
                waits=any(body.call is not None for body in members),
                is_plain=all(body.is_plain for body in members),
                is_chain=len(members) > 1
                and all(after.index in body.successors for body, after in pairwise(members)),
            )
        )
    if paths is not None:
        paths.keep_sorted([stage.roots for stage in stages], lambda body: body.index)
        paths.keep_sorted([body.successors for body in bodies], int)
    has_resources = any(step.is_resource for step in plan.steps)
    return Program(
        plan=plan,
        bodies=bodies,
        stages=tuple(stages),
        keeps=has_resources or any(stage.keeps for stage in stages),
        has_resources=has_resources,
        listeners=listeners,
        paths=paths,
        is_unattended=not has_resources and listeners is None,
    )


def _build_body(
    node: Node, runners: Mapping[str, Runner], wrappers: Sequence[Callable[[Step], StepMiddleware | None]]
) -> Body:
    step = node.step
    runner = runners.get(step.runner)
    if runner is None:
        near = nearest(step.runner, runners)
        hint = f"did you mean {near!r}?" if near else "install the plugin that brings it."
        fault = f"runner={step.runner!r} is not known; {hint} The runners are: {', '.join(runners)}"
        raise PlanError(fault, plugin=step.plugin, step=step.name, location=str(step.location))
    call = bound = runner.bind(step)
    for wrapper in reversed(wrappers):
        middleware = wrapper(step)
        if middleware is not None:
            call = middleware(call)
    # Nothing between engine and step: the engine awaits or calls the function itself.
    is_direct = call is bound and not step.is_resource
    is_plain = is_direct and step.runner == "inline"
    is_direct = is_plain or (is_direct and step.runner == "loop" and is_native(step.function))
    takes_request = bool(step.takes_request)
    return Body(
        index=node.index,
        step=step,
        function=as_plain(step.function) if is_plain else step.function,
        call=None if is_direct else call,
        is_plain=is_plain,
        takes_steps=tuple(
            (one.parameter, one.source) for one in node.bindings if isinstance(one.source, int)
        ),
        takes_inputs=tuple(
            (one.parameter, one.source) for one in node.bindings if isinstance(one.source, str)
        ),
        needs=frozenset(binding.parameter for binding in node.bindings if binding.required),
        takes_request=takes_request,
        is_bare=not node.bindings and not takes_request,
        successors=list(node.successors),
        waits_for=node.waits_for,
        required=node.required,
        default=step.options.default if step.has_default else MISSING,
        on_disconnect=step.options.on_disconnect,
    )
