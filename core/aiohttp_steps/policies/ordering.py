"""Who goes first among those that wait: runs as they began, and within a run the longest remaining path.

A path's length is learned from what steps took in earlier runs. Owns that record and the order, not the
waiting: slots and threads ask for a rank when a call has to wait, and not before.
"""

from __future__ import annotations

import asyncio
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from aiohttp_steps.types import Call, Plan, Rank, Report, Step, Tier

WEIGHT = 0.2
"""Of a new time in the mean: what a step took five runs ago still counts a third."""

TOLERANCE = 0.1
"""Part of a time by which it may change before paths are worked out anew."""


class Order:
    """The order among the waiting calls of one registry, and what it has learned."""

    def __init__(self) -> None:
        self._times_s: dict[str, float] = {}
        # Paths know nothing of their plans, which would keep these alive.
        self._paths: WeakKeyDictionary[Plan, Paths] = WeakKeyDictionary()

    @property
    def times_s(self) -> Mapping[str, float]:
        """What steps take, in seconds, by name: an exponentially weighted mean."""
        return MappingProxyType(self._times_s)

    def follow(self, plan: Plan, name_shared: Callable[[Step], str | None]) -> Paths | None:
        """Return the paths of a plan, `None` if no two steps of one run can wait for the same thing at once.

        Args:
            name_shared: names what a step may have to wait for that others take too, `None` if nothing.
        """
        if not any(_compete(tier, name_shared) for tier in plan.tiers):
            return None
        paths = self._paths.get(plan)
        if paths is None:
            paths = self._paths[plan] = Paths(plan, self._times_s)
        return paths

    def rank(self, call: Call) -> Rank:
        """Return the rank of a call that has to wait."""
        plan = call.plan
        if plan is None:  # of a hook, not a run: it comes when it comes
            return asyncio.get_running_loop().time(), 0.0, 0
        index = plan.index[call.step.name]
        paths = self._paths.get(plan)
        return call.run_began_at, 0.0 if paths is None else -paths.want(index), index

    def is_led_on(self, call: Call, rank: Rank) -> bool:
        """Tell whether a rank is of the same run, and a step that takes what this call gives comes first."""
        began_at, path_s, _ = rank
        plan = call.plan
        paths = None if plan is None or began_at != call.run_began_at else self._paths.get(plan)
        if plan is None or paths is None:
            return False
        return -paths.after_s[plan.index[call.step.name]] < path_s


class Paths:
    """For each step of a plan, how long the longest path is from its start to the end of its tier.

    Nothing is learned before somebody had to wait: where that never happens, order does not matter.

    Args:
        times_s: what steps take, by name; of the registry, for all plans.

    Attributes:
        after_s: of the path that begins when the step has ended.
        is_wanted: whether somebody had to wait; then runs are to be learned from.
    """

    def __init__(self, plan: Plan, times_s: dict[str, float]) -> None:
        self._names = tuple(node.step.name for node in plan.nodes)
        self._successors = tuple(node.successors for node in plan.nodes)
        self._times_s = times_s
        self._used_s: dict[str, float] = {}
        self.is_wanted = False
        self._sorted: list[tuple[list[Any], Callable[[Any], int]]] = []
        self._remaining_s: list[float] = []
        self.after_s: list[float] = []
        self._work_out()

    def want(self, index: int) -> float:
        """Return the path that begins with the start of a step that has to wait, and learn from now on."""
        self.is_wanted = True
        return self._remaining_s[index]

    def keep_sorted(self, lists: Iterable[list[Any]], index: Callable[[Any], int]) -> None:
        """Sort lists of steps in place, the longest path first, each time that paths change.

        Args:
            index: gives an item's position in the plan, which decides ties.
        """
        self._sorted += [(items, index) for items in lists if len(items) > 1]

    def learn(self, report: Report) -> None:
        """Take the times of a run into the record."""
        times_s, used_s = self._times_s, self._used_s
        is_old = False
        for name, ran_s in report.run_times_s.items():
            before_s = times_s.get(name)
            times_s[name] = now_s = ran_s if before_s is None else before_s + WEIGHT * (ran_s - before_s)
            used = used_s.get(name)
            if used is None or abs(now_s - used) > TOLERANCE * used:
                is_old = True
        if is_old:
            self._work_out()
            for items, index in self._sorted:
                items.sort(key=partial(self._place, index))

    def _place(self, index: Callable[[Any], int], item: Any) -> tuple[float, int]:
        at = index(item)
        return -self._remaining_s[at], at

    def _work_out(self) -> None:
        self._used_s = {name: self._times_s[name] for name in self._names if name in self._times_s}
        # A step that never succeeded counts like the others; without any, paths are counted in steps.
        usual_s = sum(self._used_s.values()) / len(self._used_s) if self._used_s else 1.0
        self.after_s = [0.0] * len(self._names)
        self._remaining_s = [0.0] * len(self._names)
        for index in reversed(range(len(self._names))):
            after_s = max((self._remaining_s[later] for later in self._successors[index]), default=0.0)
            self.after_s[index] = after_s
            self._remaining_s[index] = after_s + self._used_s.get(self._names[index], usual_s)


def _compete(tier: Tier, name_shared: Callable[[Step], str | None]) -> bool:
    """Tell whether two steps of a tier may wait for the same thing; nothing else runs beside each other."""
    names = [name for node in tier.nodes if (name := name_shared(node.step)) is not None]
    return len(names) > len(set(names))
