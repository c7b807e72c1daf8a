"""What a run leaves: `Outcome` of each step, `Timing` of all, and the `Report` that holds them."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, overload

from aiohttp_steps.errors import RecordedError, StepSkippedError
from aiohttp_steps.types.running import Call, RunInfo
from aiohttp_steps.types.step import MISSING, OPTIONS_ATTRIBUTE

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence

    from aiohttp_steps.types.plan import Node, Plan
    from aiohttp_steps.types.step import Step, StepOptions

    Estimate = Callable[[Plan, Sequence[float]], dict[str, float]]

T = TypeVar("T")

NOTHING: dict[Any, Any] = {}
"""Stands in what is kept of a run for what it has none of; nobody writes to it."""

NEVER = -1.0
"""Stands in a `Ledger` for a moment that has not come; event loops' clocks do not go below 0."""


class Status(enum.StrEnum):
    """How one step ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    NOT_STARTED = "not_started"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one step ended. Times are float seconds; those with a beginning count from the start of the run.

    Attributes:
        step: the step.
        status: how it ended.
        value: its result, or its default if it gave none; `MISSING` without either.
        error: why it gave no result; `None` if it did, was cancelled or not started.
        barrier_s: how long it was held back by a tier although all it takes was there.
        queue_s: how long it waited to start once it might, for a thread say.
        run_s: how long its body ran, with all its attempts and the waits between them.
        started_s: when the body started, `None` if it never did.
        ended_s: when it ended, `None` if it never did.
        lock_s: the part of `queue_s` that it waited for exclusive keys.
        attempts: how often its body was started.
        shared: whether it waited for a run of it that another request had begun.
    """

    step: Step
    status: Status
    value: Any
    error: BaseException | None
    barrier_s: float
    queue_s: float
    run_s: float
    started_s: float | None
    ended_s: float | None
    lock_s: float = 0.0
    attempts: int = 0
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Timing:
    """Times of a run as a whole, in float seconds.

    Attributes:
        wall_s: from its start to its end.
        sum_s: all steps' own run times: what one after another would cost.
        critical_path_s: run times along the critical path: what no parallelism can save.
        critical_path: names of the steps on the longest chain of waiting, first to last.
        idle_s: sum of the times that steps were held back by tiers.
    """

    wall_s: float
    sum_s: float
    critical_path_s: float
    critical_path: tuple[str, ...]
    idle_s: float


class Ledger:
    """What happened to each step of one run, by its position in the plan. The engine writes, `Report` reads.

    Attributes:
        run_info: what ran, and for whom.
        plan: its schedule.
        values: results, `MISSING` where there is none.
        errors: why there is none.
        statuses: how a step ended, `None` for success and for what has not ended.
        calls: what went through policies or a runner, by position.
        ready_at, started_at, ended_at: in the event loop's time, `NEVER` if it has not come.
        began_at, finished_at: of the run.
        failure: position of the required step that ended the run, `None` if none did.
        answer: the response that ended the run early, `None` if none did.
        cancelled: whether the run was cancelled from outside.
        resource_errors: errors of tear-downs by name.
    """

    __slots__ = (
        "answer",
        "began_at",
        "calls",
        "cancelled",
        "ended_at",
        "errors",
        "failure",
        "finished_at",
        "plan",
        "ready_at",
        "resource_errors",
        "run_info",
        "started_at",
        "statuses",
        "values",
    )

    def __init__(self, run_info: RunInfo, began_at: float) -> None:
        self.run_info = run_info
        self.plan = run_info.plan
        size = len(self.plan.nodes)
        self.values: list[Any] = [MISSING] * size
        self.errors: list[BaseException | None] = [None] * size
        self.statuses: list[Status | None] = [None] * size
        self.calls: dict[int, Call] = {}
        self.ready_at = [NEVER] * size
        self.started_at = [NEVER] * size
        self.ended_at = [NEVER] * size
        self.began_at = self.finished_at = began_at
        self.failure: int | None = None
        self.answer: Any = None
        self.cancelled = False
        self.resource_errors: dict[str, BaseException] = {}

    def without_values(self) -> Ledger:
        """Return a ledger of the same run, which has to be over, that keeps nothing of its data alive."""
        # Not by `__init__`, whose lists would be thrown away: each run is kept by somebody.
        kept = Ledger.__new__(Ledger)
        kept.plan = self.plan
        kept.run_info = RunInfo(self.plan, None, NOTHING)
        kept.began_at, kept.finished_at = self.began_at, self.finished_at
        kept.failure, kept.cancelled, kept.answer = self.failure, self.cancelled, None
        # The engine is done with these lists.
        kept.statuses, kept.ready_at = self.statuses, self.ready_at
        kept.started_at, kept.ended_at = self.started_at, self.ended_at
        kept.values = [MISSING] * len(self.values)
        kept.errors = self.errors
        if any(self.errors):
            kept.errors = [None if error is None else RecordedError.of(error) for error in self.errors]
        kept.resource_errors = NOTHING
        kept.calls = {} if self.calls else NOTHING
        for index, call in self.calls.items():
            kept.calls[index] = note = Call(call.step, None, {}, required=call.required)
            note.lock_s, note.attempts, note.shared = call.lock_s, call.attempts, call.shared
        return kept


class Report:
    """The outcomes of one run, in plan order.

    `report["git_branch"]` is the value, or raises the step's error; `report[git_branch]`, with the function
    itself, is typed with what it returns. Iterating gives the names.

    Everything but the values is worked out when it is asked for: a request that looks at none pays for none.
    """

    def __init__(self, ledger: Ledger, estimate: Estimate) -> None:
        self._ledger = ledger
        self._estimate = estimate

    @property
    def run(self) -> RunInfo:
        """What ran, and for whom."""
        return self._ledger.run_info

    @property
    def plan(self) -> Plan:
        """The schedule that was followed."""
        return self._ledger.plan

    @property
    def view(self) -> str | None:
        """The view that ran, `None` for a handler without one."""
        return self._ledger.plan.view

    @property
    def began_at(self) -> float:
        """When the run began, in the event loop's time: what `Outcome.started_s` and `ended_s` count from."""
        return self._ledger.began_at

    @property
    def answer(self) -> Any:
        """The response with which a step ended the run, `None` if none did."""
        return self._ledger.answer

    @property
    def failure(self) -> Outcome | None:
        """The outcome of the required step whose failure ended the run, `None` if none did."""
        index = self._ledger.failure
        return None if index is None else self.outcomes[index]

    @property
    def completed(self) -> bool:
        """Whether every step of the plan succeeded."""
        ledger = self._ledger
        return not any(ledger.statuses) and NEVER not in ledger.ended_at

    @property
    def cancelled(self) -> bool:
        """Whether the run was cancelled from outside; then only `steps_run_finished` sees its report."""
        return self._ledger.cancelled

    @cached_property
    def outcomes(self) -> tuple[Outcome, ...]:
        """How each step ended, in plan order."""
        return tuple(_outcome_of(self._ledger, node) for node in self._ledger.plan.nodes)

    @property
    def values(self) -> dict[str, Any]:
        """What steps gave, or their defaults, by name, in plan order; without those that have neither."""
        plan, values = self._ledger.plan, self._ledger.values
        return {
            node.step.name: value
            for node, value in zip(plan.nodes, values, strict=True)
            if value is not MISSING
        }

    @property
    def errors(self) -> dict[str, BaseException]:
        """Why steps gave no result, by name, in plan order; also of those whose default stands in."""
        plan, errors = self._ledger.plan, self._ledger.errors
        return {node.step.name: error for node in plan.nodes if (error := errors[node.index]) is not None}

    @cached_property
    def timing(self) -> Timing:
        """Times of the run as a whole."""
        return _timing_of(self._ledger)

    @cached_property
    def what_if(self) -> dict[str, float]:
        """What parallelism brings, in seconds, by name of the step, in plan order; gates are left out.

        For a parallel step: what the run would take longer were the step sequential. For any other: what the
        run would gain were it parallel. Each is an estimate by itself, for a run by the laws of the plan in
        which every step takes the time that it took here; gains of several steps do not add up.
        """
        return self._estimate(self.plan, [outcome.queue_s + outcome.run_s for outcome in self.outcomes])

    def without_values(self) -> Report:
        """Return a report of the same run for keeping: it has all times and statuses, and no data.

        Without values, inputs, request and answer; each error is a `RecordedError` without traceback. Cheap
        enough for each request. Only once the run is over, as in `steps_run_finished`.
        """
        return Report(self._ledger.without_values(), self._estimate)

    def outcome(self, key: str | Callable[..., Any]) -> Outcome:
        """Return how one step ended.

        Raises:
            KeyError: it was not part of this run.
        """
        return self.outcomes[self._position(key)]

    @overload
    def __getitem__(self, key: str) -> Any: ...
    @overload
    def __getitem__(self, key: Callable[..., Coroutine[Any, Any, T]]) -> T: ...
    @overload
    def __getitem__(self, key: Callable[..., T]) -> T: ...
    def __getitem__(self, key: str | Callable[..., Any]) -> Any:
        """Return a step's value, or its default if it failed.

        Raises:
            KeyError: it was not part of this run.
            BaseException: what the step raised; `StepSkippedError` if it was cancelled or not started.
        """
        position = self._position(key)
        ledger = self._ledger
        value = ledger.values[position]
        if value is not MISSING:
            return value
        error = ledger.errors[position]
        if error is not None:
            raise error
        # Cancelled or never started: the run ended first.
        failure = ledger.failure
        because_of = "the run" if failure is None else ledger.plan.nodes[failure].step.name
        raise StepSkippedError(because_of)

    def __contains__(self, key: object) -> bool:
        """Tell whether a step was part of this run, however it ended."""
        return _name_of(key) in self._ledger.plan.index

    def __iter__(self) -> Iterator[str]:
        return iter(node.step.name for node in self._ledger.plan.nodes)

    def __len__(self) -> int:
        return len(self._ledger.plan.nodes)

    @property
    def resource_errors(self) -> dict[str, BaseException]:
        """Errors of tear-downs by name of the generator step; empty until the run has been left."""
        return self._ledger.resource_errors

    def raise_for_failure(self) -> None:
        """Raise the error of the required step that ended the run, if one did.

        Raises:
            BaseException: what that step raised.
        """
        index = self._ledger.failure
        if index is not None:
            raise self._ledger.errors[index] or StepSkippedError(self._ledger.plan.nodes[index].step.name)

    def _position(self, key: str | Callable[..., Any]) -> int:
        name = _name_of(key)
        try:
            return self._ledger.plan.index[name]
        except KeyError:
            known = ", ".join(self) or "none"
            message = f"step {name!r} was not part of this run of view {self.view!r}; its steps: {known}"
            raise KeyError(message) from None

    def __repr__(self) -> str:
        return f"<Report of view {self.view!r}: {len(self)} steps, completed={self.completed}>"


def _name_of(key: object) -> str:
    if isinstance(key, str):
        return key
    options: StepOptions | None = getattr(key, OPTIONS_ATTRIBUTE, None)
    return (options.name if options else None) or str(getattr(key, "__name__", ""))


def _outcome_of(ledger: Ledger, node: Node) -> Outcome:
    index, began = node.index, ledger.began_at
    ready, started, ended = ledger.ready_at[index], ledger.started_at[index], ledger.ended_at[index]
    has_started, has_ended = started != NEVER, ended != NEVER
    was_ready = ready != NEVER and has_ended
    call = ledger.calls.get(index)
    return Outcome(
        step=node.step,
        status=ledger.statuses[index] or (Status.SUCCEEDED if has_ended else Status.NOT_STARTED),
        value=ledger.values[index],
        error=ledger.errors[index],
        barrier_s=_idle_of(ledger, node),
        queue_s=max(0.0, (started if has_started else ended) - ready) if was_ready else 0.0,
        lock_s=call.lock_s if call else 0.0,
        run_s=ended - started if has_started and has_ended else 0.0,
        attempts=call.attempts if call else int(has_started),
        shared=call.shared if call else False,
        started_s=started - began if has_started else None,
        ended_s=ended - began if has_ended else None,
    )


def _timing_of(ledger: Ledger) -> Timing:
    # From the moments alone: an `Outcome` for each step would cost as much as running them.
    began, ended_at = ledger.began_at, ledger.ended_at
    idle_s = [_idle_of(ledger, node) for node in ledger.plan.nodes]
    run_s = [
        ended - started if NEVER not in (started, ended) else 0.0
        for started, ended in zip(ledger.started_at, ended_at, strict=True)
    ]
    path = _critical_path(ledger, idle_s)
    return Timing(
        wall_s=ledger.finished_at - began,
        sum_s=sum(run_s),
        critical_path_s=sum(run_s[index] for index in path),
        critical_path=tuple(ledger.plan.nodes[index].step.name for index in path),
        idle_s=sum(idle_s),
    )


def _idle_of(ledger: Ledger, node: Node) -> float:
    """Return how long a step was held back although all it takes was there."""
    ready = ledger.ready_at[node.index]
    if ready == NEVER or ledger.ended_at[node.index] == NEVER:
        return 0.0
    inputs_at = ledger.began_at
    for edge in node.edges:
        inputs_at = max(inputs_at, ledger.ended_at[edge.source])
    return max(0.0, ready - inputs_at)


def _critical_path(ledger: Ledger, idle_s: list[float]) -> list[int]:
    """Walk back from the step that ended last, each time to the one whose end let it start."""
    plan, started_at, ended_at = ledger.plan, ledger.started_at, ledger.ended_at

    def last_of(indexes: Iterable[int]) -> int | None:
        last, last_at = None, NEVER
        for index in indexes:
            at = ended_at[index]
            # On a tie the earlier in the plan, so that the path does not depend on chance.
            is_later = last is None or at > last_at or (at == last_at and index < last)
            if is_later and started_at[index] != NEVER:
                last, last_at = index, at
        return last

    path: list[int] = []
    here = last_of(range(len(plan.nodes)))
    while here is not None:
        path.append(here)
        node = plan.nodes[here]
        blockers = [edge.source for edge in node.edges]
        if node.tier and (idle_s[here] or not blockers):
            blockers += [before.index for before in plan.tiers[node.tier - 1].nodes]
        here = last_of(blockers)
    return path[::-1]
