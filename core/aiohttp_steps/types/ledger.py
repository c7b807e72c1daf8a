"""`Ledger`: what the engine writes down of a run, moment by moment, and reports read."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from aiohttp_steps.errors import RecordedError
from aiohttp_steps.types.running import Call, RunInfo
from aiohttp_steps.types.step import MISSING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp_steps.types.outcome import Status
    from aiohttp_steps.types.plan import Plan

NOTHING: dict[Any, Any] = {}
"""Stands in what is kept of a run for what it has none of; nobody writes to it."""

NEVER = -1.0
"""Stands in a `Ledger` for a moment that has not come; event loops' clocks do not go below 0."""


class Ledger:
    """What happened to each step of one run, by its position in the plan. The engine writes, `Report` reads.

    Attributes:
        plan: what runs.
        inputs: values of the inputs that the plan takes.
        values: results, `MISSING` where there is none.
        errors: why there is none, by position.
        statuses: how steps ended that did not succeed, by position.
        calls: what went through policies or a runner, by position.
        ready_at, started_at, ended_at: in the event loop's time, `NEVER` if it has not come.
        began_at, finished_at: of the run.
        failure: position of the required step that ended the run, `None` if none did.
        answer: the response that ended the run early, `None` if none did.
        cancelled: whether the run was cancelled from outside.
        flawed: whether a step gave no result of its own, or the run ended early; if not, all succeeded.
        resource_errors: errors of tear-downs by name.
    """

    __slots__ = (
        "_held",
        "_run_info",
        "answer",
        "began_at",
        "calls",
        "cancelled",
        "ended_at",
        "errors",
        "failure",
        "finished_at",
        "flawed",
        "inputs",
        "plan",
        "ready_at",
        "resource_errors",
        "started_at",
        "statuses",
        "values",
    )

    def __init__(self, plan: Plan, request: Any, inputs: Mapping[str, Any], began_at: float) -> None:
        self.plan = plan
        self._held = request
        self.inputs = inputs
        self._run_info: RunInfo | None = None
        size = len(plan.nodes)
        self.values: list[Any] = [MISSING] * size
        # Of their own from the first entry on.
        self.errors: dict[int, BaseException] = NOTHING
        self.statuses: dict[int, Status] = NOTHING
        self.calls: dict[int, Call] = NOTHING
        self.resource_errors: dict[str, BaseException] = NOTHING
        self.ready_at = [NEVER] * size
        self.started_at = [NEVER] * size
        self.ended_at = [NEVER] * size
        self.began_at = self.finished_at = began_at
        self.failure: int | None = None
        self.answer: Any = None
        self.cancelled = self.flawed = False

    @property
    def request(self) -> Any:
        """The `web.Request`, `None` without HTTP; it is not kept alive, and `None` when it is gone."""
        held = self._held
        return held() if type(held) is weakref.ref else held

    @property
    def run_info(self) -> RunInfo:
        """What ran, and for whom: the same object each time, made when somebody asks."""
        if self._run_info is None:
            self._run_info = RunInfo(self.plan, self._held, self.inputs)
        return self._run_info

    def without_values(self) -> Ledger:
        """Return a ledger of the same run, which has to be over, that keeps nothing of its data alive."""
        # Not by `__init__`, whose lists would be thrown away: each run is kept by somebody.
        kept = Ledger.__new__(Ledger)
        kept.plan = self.plan
        kept.inputs = NOTHING
        kept._held = kept._run_info = None  # noqa: SLF001 - an object of this very class
        kept.began_at, kept.finished_at = self.began_at, self.finished_at
        kept.failure, kept.cancelled, kept.answer = self.failure, self.cancelled, None
        kept.flawed = self.flawed
        # The engine is done with these.
        kept.statuses, kept.ready_at = self.statuses, self.ready_at
        kept.started_at, kept.ended_at = self.started_at, self.ended_at
        kept.values = [MISSING] * len(self.values)
        kept.errors = {index: RecordedError.of(error) for index, error in self.errors.items()}
        kept.resource_errors = NOTHING
        kept.calls = {} if self.calls else NOTHING
        for index, call in self.calls.items():
            kept.calls[index] = note = Call(call.step, None, {}, required=call.required)
            note.lock_s, note.attempts, note.shared = call.lock_s, call.attempts, call.shared
        return kept
