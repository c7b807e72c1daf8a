"""How steps and runs end, for those who ask: `Outcome`, its `Status`, and the `Timing` of a run."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from aiohttp_steps.types.step import Step


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


class Timing(NamedTuple):
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
