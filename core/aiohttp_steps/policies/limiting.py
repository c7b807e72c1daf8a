"""Policy `limit`, and the limits of runners and registry: so many at once, so many waiting, no more."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from aiohttp_steps.policies.slots import Slots

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohttp_steps.policies.ordering import Order
    from aiohttp_steps.types import Call, Step, StepCall, StepMiddleware

ORDERS = ("path", "arrival")

POOLS = frozenset({"thread"})
"""Runners that have a limit of their own and ask for ranks."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a registry takes on at once.

    Attributes:
        steps: most steps under way in all, `None` for no limit.
        runners: most steps under way by name of runner: `{"thread": 8}`.
        waiting: most that wait for one limit; beyond it optional steps are shed first, and required ones only
            if no optional one is left to make room.
        order: who is next among those that wait for a limit or a thread. `"path"`: steps of the run that
            began first, and of these the one with the longest path of steps still to come, by the times that
            earlier runs took. `"arrival"`: first come, first served.

    Raises:
        ValueError: there is no such order.
    """

    steps: int | None = None
    runners: Mapping[str, int] = field(default_factory=dict)
    waiting: int = 100
    order: Literal["path", "arrival"] = "path"

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            message = f"there is no order={self.order!r}; the orders are: {', '.join(map(repr, ORDERS))}"
            raise ValueError(message)


class Limiter:
    """The limits of a registry and of the steps in it; they outlive changes of plugins.

    Args:
        order: of those that wait; `None`: first come, first served.
    """

    def __init__(self, limits: Limits, order: Order | None) -> None:
        self._limits = limits
        self._order = order
        self._slots: dict[str, Slots] = {}

    def limit_number(self, step: Step) -> StepMiddleware | None:
        """Return what keeps `step` within all limits that apply to it, `None` if none does.

        Slots are taken in a fixed order, the step's own first, so that a step that waits for its own limit
        takes no place of the others, and none waits for one that waits for it.
        """
        wanted = [
            (f"step {step.name!r}", step.options.limit),
            (f"runner {step.runner!r}", self._limits.runners.get(step.runner)),
            ("all steps", self._limits.steps),
        ]
        slots = [self._find(name, size) for name, size in wanted if size is not None]
        if not slots:
            return None

        def wrap(call_next: StepCall) -> StepCall:
            async def call_with_slots(call: Call) -> Any:
                held = 0
                try:
                    for each in slots:
                        await each.acquire(call)
                        held += 1
                    return await call_next(call)
                finally:
                    for each in slots[:held]:
                        each.release(call)

            return call_with_slots

        return wrap

    def name_shared(self, step: Step) -> str | None:
        """Name what `step` may have to wait for that other steps take too, `None` if nothing."""
        if self._limits.steps is not None:
            return "all steps"
        return step.runner if step.runner in self._limits.runners or step.runner in POOLS else None

    @property
    def slots(self) -> Sequence[Slots]:
        """All limits that are in use."""
        return tuple(self._slots.values())

    def _find(self, name: str, size: int) -> Slots:
        slots = self._slots.get(name)
        if slots is None or slots.size != size:
            slots = self._slots[name] = Slots(name, size, self._limits.waiting, self._order)
        return slots
