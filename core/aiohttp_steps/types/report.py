"""`Report`: the outcomes of one run, as handlers, plugins and tests read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from aiohttp_steps.errors import StepSkippedError
from aiohttp_steps.types.ledger import NEVER
from aiohttp_steps.types.step import MISSING, OPTIONS_ATTRIBUTE
from aiohttp_steps.types.timing import work_out_outcome, work_out_timing

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Sequence

    from aiohttp_steps.types.ledger import Ledger
    from aiohttp_steps.types.outcome import Outcome, Timing
    from aiohttp_steps.types.plan import Plan
    from aiohttp_steps.types.running import RunInfo
    from aiohttp_steps.types.step import StepOptions

    Estimate = Callable[[Plan, Sequence[float]], dict[str, float]]

T = TypeVar("T")


class Report:
    """The outcomes of one run, in plan order.

    `report["git_branch"]` is the value, or raises the step's error; `report[git_branch]`, with the function
    itself, is typed with what it returns. Iterating gives the names.

    Everything but the values is worked out when it is asked for: a request that looks at none pays for none.
    """

    # Not `cached_property`, which locks on Python 3.11: each request makes a report.
    __slots__ = ("__weakref__", "_estimate", "_ledger", "_outcomes", "_timing", "_what_if")

    def __init__(self, ledger: Ledger, estimate: Estimate) -> None:
        self._ledger = ledger
        self._estimate = estimate
        self._outcomes: tuple[Outcome, ...] | None = None
        self._timing: Timing | None = None
        self._what_if: dict[str, float] | None = None

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
        return not ledger.flawed or (not ledger.statuses and NEVER not in ledger.ended_at)

    @property
    def cancelled(self) -> bool:
        """Whether the run was cancelled from outside; then only `steps_run_finished` sees its report."""
        return self._ledger.cancelled

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """How each step ended, in plan order."""
        if self._outcomes is None:
            self._outcomes = tuple([work_out_outcome(self._ledger, node) for node in self._ledger.plan.nodes])
        return self._outcomes

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
    def data(self) -> dict[str, Any]:
        """What the JSON answer holds: values of the steps that joined the view, or that the handler takes.

        By name, in plan order, with `None` for one without a value.
        """
        values = self._ledger.values
        return {
            name: None if (value := values[index]) is MISSING else value
            for name, index in self._ledger.plan.shown
        }

    @property
    def errors(self) -> dict[str, BaseException]:
        """Why steps gave no result, by name, in plan order; also of those whose default stands in."""
        plan, errors = self._ledger.plan, self._ledger.errors
        return {node.step.name: error for node in plan.nodes if (error := errors.get(node.index)) is not None}

    @property
    def run_times_s(self) -> dict[str, float]:
        """How long the bodies of the steps that succeeded ran, in seconds, by name, in plan order.

        Without those that waited for the run of another request. Cheaper than `outcomes`, which say the same.
        """
        ledger = self._ledger
        started_at, ended_at, statuses, calls = (
            ledger.started_at,
            ledger.ended_at,
            ledger.statuses,
            ledger.calls,
        )
        return {
            node.step.name: ended_at[index] - started_at[index]
            for index, node in enumerate(ledger.plan.nodes)
            if NEVER not in (started_at[index], ended_at[index])
            and index not in statuses
            and not (index in calls and calls[index].shared)
        }

    @property
    def timing(self) -> Timing:
        """Times of the run as a whole."""
        if self._timing is None:
            self._timing = work_out_timing(self._ledger)
        return self._timing

    @property
    def what_if(self) -> dict[str, float]:
        """What parallelism brings, in seconds, by name of the step, in plan order; gates are left out.

        For a parallel step: what the run would take longer were the step sequential. For any other: what the
        run would gain were it parallel. Each is an estimate by itself, for a run by the laws of the plan in
        which every step takes the time that it took here; gains of several steps do not add up.
        """
        if self._what_if is None:
            took_s = [outcome.queue_s + outcome.run_s for outcome in self.outcomes]
            self._what_if = self._estimate(self.plan, took_s)
        return self._what_if

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
        error = ledger.errors.get(position)
        if error is not None:
            raise error
        # Cancelled or never started: the run ended first.
        failure = ledger.failure
        because_of = "the run" if failure is None else ledger.plan.nodes[failure].step.name
        raise StepSkippedError(because_of)

    def get(self, key: str | Callable[..., Any], default: Any = None) -> Any:
        """Return a step's value, or its default if it failed; `default` where there is neither."""
        position = self._ledger.plan.index.get(key if isinstance(key, str) else _name_of(key))
        if position is None:
            return default
        value = self._ledger.values[position]
        return default if value is MISSING else value

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
            raise self._ledger.errors.get(index) or StepSkippedError(self._ledger.plan.nodes[index].step.name)

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
