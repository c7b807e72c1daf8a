"""`StepRegistry`: plugins, their plans, and runs of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp_steps.engine.execution import Execution
from aiohttp_steps.engine.hooks import HookCall, complete_arguments, find_declaration
from aiohttp_steps.engine.inputs import convert_input, resolve_inputs
from aiohttp_steps.engine.listeners import Listeners
from aiohttp_steps.engine.program import Program, build_program
from aiohttp_steps.engine.running import Running
from aiohttp_steps.errors import PlanError
from aiohttp_steps.plan import compile_plan
from aiohttp_steps.policies import BuiltinPolicies, Limits, ProcessLocks
from aiohttp_steps.registry import PluginRegistry
from aiohttp_steps.runners import BuiltinRunners
from aiohttp_steps.types import Dependency, Report

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from pluggy import HookImpl

    from aiohttp_steps.types import Locks, Plan, Step

PROCESS_LOCKS = ProcessLocks()
"""Shared by all registries: a key means the same in every application of the process."""

MOST_PROGRAMS = 1024
"""Programs kept; a `steps_select` that never chooses the same twice must not fill the memory."""


class StepRegistry(PluginRegistry):
    """Holds step plugins, compiles their steps into plans, and runs these.

    Several tasks of one event loop may run views at once; several event loops may use it one after another.
    As an async context manager it closes itself.

    Args:
        threads: most threads for plain `def` steps; `None`: number of processors plus 4, at most 32.
        processes: most worker processes for steps with `runner="process"`; `None`: number of processors.
        limits: how many steps are under way and wait at once; `None`: as many as come.
        sequential: run every step alone, in the same order: the flag to go back with.

    Attributes:
        locks: what keeps exclusive steps apart; the process's own unless replaced.
    """

    def __init__(
        self,
        *,
        threads: int | None = None,
        processes: int | None = None,
        limits: Limits | None = None,
        sequential: bool = False,
    ) -> None:
        super().__init__()
        self.sequential = sequential
        self.locks: Locks = PROCESS_LOCKS
        self._policies = BuiltinPolicies(lambda: self.locks, limits or Limits())
        self.register(BuiltinRunners(threads, processes, self._policies.rank), "builtin_runners")
        self.register(self._policies, "builtin_policies")

    def plan(
        self,
        view: str | None = None,
        *,
        wanted: Sequence[Dependency | str] = (),
        inputs: Collection[str] = (),
        sequential: bool | None = None,
    ) -> Plan:
        """Compile, or take from the cache, the plan of a view.

        Args:
            view: the view; `None` if only `wanted` counts.
            wanted: steps or inputs to have besides; a name is required.
            inputs: names of inputs that will be given, besides the declared ones.
            sequential: every step in a tier of its own; `None`: as the registry says.

        Raises:
            PlanError: there is no such plan; a subclass says why.
            DefinitionError: a declaration of a plugin is wrong.
        """
        return self.program(view, wanted=wanted, inputs=inputs, sequential=sequential).plan

    def program(
        self,
        view: str | None = None,
        *,
        wanted: Sequence[Dependency | str] = (),
        inputs: Collection[str] = (),
        selected: frozenset[Step] | None = None,
        sequential: bool | None = None,
    ) -> Program:
        """Compile, or take from the cache, a plan bound to runners and policies. As `plan`.

        Args:
            selected: the steps of the view to run; `None`: all that joined it.
        """
        sequential = self.sequential if sequential is None else sequential
        names = frozenset(inputs)
        key = (view, tuple(wanted), names, selected, sequential)
        programs: dict[Any, Program] = self._derive("programs", dict)
        program = programs.get(key)
        if program is None:
            plan = compile_plan(
                self.steps,
                view=view,
                wanted=[
                    Dependency(want, required=True) if isinstance(want, str) else want for want in wanted
                ],
                inputs=names | self.inputs.keys(),
                selected=selected,
                sequential=sequential,
            )
            paths = self._policies.follow(plan)
            program = build_program(
                plan,
                self.runners,
                self._derive("wrappers", self._collect_wrappers),
                listeners=self._derive("listeners", self._collect_listeners) or None,
                paths=paths,
            )
            if len(programs) >= MOST_PROGRAMS:
                programs.clear()
            programs[key] = program
        return program

    async def run(
        self,
        view: str | None = None,
        *,
        inputs: Mapping[str, Any] | None = None,
        wanted: Sequence[Dependency | str] = (),
        request: Any = None,
        sequential: bool | None = None,
        deadline_s: float | None = None,
    ) -> Report:
        """Run a view without HTTP.

        A step that fails, even a required one, raises nothing here: the report tells, and
        `Report.raise_for_failure` raises.

        Args:
            view: the view; `None` if only `wanted` counts.
            inputs: values of inputs by name; those of declared inputs are converted to their types.
            wanted: names of steps to run besides those of the view.
            request: what steps that take `request` get.
            sequential: run every step alone; `None`: as the registry says.
            deadline_s: how long the run may take, in seconds; `None`: no limit.

        Raises:
            InputError: an input is missing or has a wrong value.
            PlanError: there is no plan for it, or a step needs a request and there is none.
            asyncio.CancelledError: it was cancelled; nothing of it is left running.
        """
        given = dict(inputs or {})
        declared = self.inputs
        for name in given.keys() & declared.keys():
            given[name] = convert_input(declared[name], given[name])
        extra = given.keys() - declared.keys()
        selected = self.select(request, view)
        program = self.program(view, wanted=wanted, inputs=extra, selected=selected, sequential=sequential)
        _refuse_without_request(program.plan, request)
        values = resolve_inputs(program.plan, declared, given)
        return await self.execute(program, values, request=request, deadline_s=deadline_s)

    def execute(
        self,
        program: Program,
        inputs: Mapping[str, Any],
        *,
        request: Any = None,
        answers: tuple[type, ...] = (),
        deadline_s: float | None = None,
        watch: Callable[[Execution], None] | None = None,
    ) -> Coroutine[Any, Any, Report]:
        """Run a program with inputs that are complete and converted, and tear its resources down.

        The run begins with the call; what is returned has to be awaited at once.

        Args:
            answers: types of results and errors that end the run: its answer.
            deadline_s: how long the run may take, in seconds; what has not ended by then has timed out.
            watch: given the execution before it starts, for who may have to leave it.
        """
        if program.is_unattended and deadline_s is None:
            execution = Execution(program, request, inputs, answers)
            if watch is not None:
                watch(execution)
            return execution.run()
        return _run_and_leave(
            self.running(
                program, inputs, request=request, answers=answers, deadline_s=deadline_s, watch=watch
            )
        )

    def running(
        self,
        program: Program,
        inputs: Mapping[str, Any],
        *,
        request: Any = None,
        answers: tuple[type, ...] = (),
        deadline_s: float | None = None,
        watch: Callable[[Execution], None] | None = None,
    ) -> Running:
        """Return what runs a program when it is entered, and gives the report; left, it tears resources down.

        Arguments as for `execute`.
        """
        execution = Execution(program, request, inputs, answers)
        if watch is not None:
            watch(execution)
        return Running(execution, deadline_s, program.listeners)

    @property
    def is_selective(self) -> bool:
        """Whether some plugin selects steps for requests: `steps_select`."""
        return bool(self._derive("selectors", self._collect_selectors))

    def select(self, request: Any, view: str | None) -> frozenset[Step] | None:
        """Ask the plugins which of a view's steps to run; `None`: all, which is the answer without any."""
        selectors = self._derive("selectors", self._collect_selectors)
        if view is None or not selectors:
            return None
        kept = [step for step in self.steps if view in step.options.views]
        for implementation in selectors:
            chosen = _ask(implementation, request=request, view=view, steps=tuple(kept))
            if chosen is not None:
                wanted = set(chosen)
                kept = [step for step in kept if step in wanted or step.kind == "gate"]
        return frozenset(kept)

    async def call_hook(self, name: str, /, **arguments: Any) -> Any:
        """Call a hook that the application has declared itself, and await what its implementations give.

        For hookspecs that were added with `registry.plugin_manager.add_hookspecs(...)`. Implementations are
        `async def` or `def`; how one may overlap others it says with `@concurrency`. They begin in pluggy's
        order: last registered first, `tryfirst` and `trylast` before and behind. A `def` runs in the event
        loop, as pluggy would call it, unless `@concurrency` names a runner; an awaitable result is awaited.

        A sequential implementation runs alone. Parallel ones that stand next to each other in that order
        run together, each with a copy of the context. Wrappers, sync or async generators of pluggy's new or
        old style, surround the awaited result, and run in this task as do sequential implementations.

        Several tasks may call hooks at once.

        Args:
            name: of the hook.
            arguments: of the hook; each implementation gets those that it takes. One of the hookspec's that
                is missing is a warning; for an implementation that takes it, a failure.

        Returns:
            The results that are not `None`, in pluggy's order and not that of finishing; for a `firstresult`
            hook the first of them, `None` if there is none, and what runs behind it is cancelled and awaited.
            What a wrapper returns takes their place. Any type, as with pluggy.

        Raises:
            HookError: the hook is not declared, or is historic.
            DefinitionError, PlanError: an implementation's runner is not known or cannot run it.
            BaseException: what an implementation or wrapper raised, as it is; nothing behind it is begun,
                but parallel ones that run already are awaited.
            ExceptionGroup: several parallel ones failed, or several of a hook marked `collect_errors`: all
                their errors in pluggy's order.
            HookExitError: in place of a `SystemExit`.
            asyncio.CancelledError: it was cancelled; wrappers have been left and nothing is left running.
        """
        declaration = find_declaration(name, self._manager.declared)
        call = HookCall(
            declaration,
            *self._manager.call_order(name),
            complete_arguments(declaration, arguments),
            runners=self.runners,
            locks=lambda: self.locks,
            sequential=self.sequential,
        )
        return await call.run()

    @property
    def times_s(self) -> Mapping[str, float]:
        """What steps take, in seconds, by name, as learned from runs: what decides who waits for whom.

        Only of plans whose steps had to wait for a limit of the registry or for a thread; an exponentially
        weighted mean of the times without waiting. Empty with `Limits(order="arrival")`.
        """
        return self._policies.times_s

    def left_behind(self) -> tuple[str, ...]:
        """Return names of the steps whose bodies outlived their timeout and still run in threads."""
        return tuple(name for runner in self.runners.values() for name in runner.left_behind())

    async def open(self) -> None:
        """Get runners ready for the plans that are compiled: start worker processes, say. Optional."""
        for runner in self.runners.values():
            await runner.open()

    async def close(self) -> None:
        """Release threads and whatever else runners hold. The registry may be used again afterwards."""
        for runner in self.runners.values():
            await runner.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _collect_wrappers(self) -> list[Callable[[Step], Any]]:
        found = self.implementations("step_middleware")

        def asks(implementation: HookImpl) -> Callable[[Step], Any]:
            return lambda step: _ask(implementation, step=step)

        return [asks(implementation) for implementation in found]

    def _collect_selectors(self) -> list[HookImpl]:
        return self.implementations("steps_select")

    def _collect_listeners(self) -> Listeners:
        return Listeners(*map(self.implementations, ("steps_run_started", "steps_run_finished")))


async def _run_and_leave(running: Running) -> Report:
    async with running as report:
        return report


def _ask(implementation: HookImpl, **arguments: Any) -> Any:
    """Call one implementation with those of the hook's arguments that it takes."""
    function: Callable[..., Any] = implementation.function
    return function(**{name: arguments[name] for name in implementation.argnames})


def _refuse_without_request(plan: Plan, request: Any) -> None:
    for step in plan.steps:
        if request is None and step.takes_request is True:
            fault = "takes the request, but there is none; run it over HTTP, or pass request="
            raise PlanError(
                fault, plugin=step.plugin, step=step.name, location=str(step.location), view=plan.view
            )
