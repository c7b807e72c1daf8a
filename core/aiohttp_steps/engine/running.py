"""A run as a context manager: entered, it runs; left, the resources of its steps are torn down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp_steps.plan import estimate_gains
from aiohttp_steps.types import Report

if TYPE_CHECKING:
    from types import TracebackType

    from aiohttp_steps.engine.execution import Execution
    from aiohttp_steps.engine.listeners import Listeners


class Running:
    """Runs an execution for as long as somebody uses its results.

    Args:
        deadline_s: how long the run may take, in seconds.
        listeners: who is told; `None`: nobody.
    """

    __slots__ = ("_deadline_s", "_execution", "_listeners")

    def __init__(self, execution: Execution, deadline_s: float | None, listeners: Listeners | None) -> None:
        self._execution = execution
        self._deadline_s = deadline_s
        self._listeners = listeners

    @property
    def has_resources(self) -> bool:
        """Whether there is something to be torn down when it is left."""
        return self._execution.resources is not None

    async def __aenter__(self) -> Report:
        return await self.enter()

    async def enter(self) -> Report:
        """Run, and return the report; without resources there is nothing to be left."""
        execution = self._execution
        if self._listeners is not None:
            self._listeners.tell_started(execution.run_info)
        try:
            if self._deadline_s is None:
                report = await execution.run()
            else:
                report = await execution.run_within(self._deadline_s)
        except BaseException as error:
            execution.interrupt()
            if self._listeners is not None:
                self._listeners.tell_finished(Report(execution, estimate_gains))
            if execution.resources is not None:
                await execution.resources.close(error)
            raise
        if self._listeners is not None:
            self._listeners.tell_finished(report)
        return report

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        execution = self._execution
        if execution.resources is None:
            return
        if error is None and execution.failure is not None:
            error = execution.errors[execution.failure]
        await execution.resources.close(error)
