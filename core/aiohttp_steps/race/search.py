"""From a trial that disagrees to the smallest set of steps that does."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from aiohttp_steps.race.report import Disagreement
from aiohttp_steps.race.schedule import Schedule, find_rivals, gather, make_overlap, rank

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp_steps.race.observing import Difference, Observation
    from aiohttp_steps.race.report import Cause
    from aiohttp_steps.race.runs import Runs
    from aiohttp_steps.types import Plan

MOST_RUNS = 300
"""Runs that the search for a pair may take, more or less."""

LEAST_ATTEMPTS = 3
"""Times that each pair is tried, whatever that takes."""


class Search:
    """Looks for the steps behind a disagreement, by runs in which as little as possible overlaps.

    Args:
        runs: what makes runs, and compares them.
        plan: the plan in which steps may overlap.

    Attributes:
        order: names of the steps in plan order.
        rivals: pairs that may overlap.
    """

    def __init__(self, runs: Runs, plan: Plan) -> None:
        self._runs = runs
        self.plan = plan
        self.order = [step.name for step in plan.steps]
        self.rivals = find_rivals(plan)

    async def find_context(self, differences: Sequence[Difference]) -> Disagreement:
        """Find who sets a context variable that somebody misses: all ran one by one, in plan order.

        Only the copies of the context are left to make a difference. So if what differs is as it was when a
        step is given what another one has set, these two are the pair.
        """
        changes = self._runs.expected.changes
        writers = [name for name in self.order if changes.get(name)]
        missed = next((difference for difference in differences if difference.kind != "variable"), None)
        if missed is None:
            names = {difference.name for difference in differences}
            setters = [name for name in writers if names & {variable.name for variable in changes[name]}]
            return self._conclude(setters[-1:], "context", 0, differences)
        readers = [missed.name] if missed.kind == "step" else self.order
        for writer in writers:
            for reader in readers[readers.index(writer) + 1 if writer in readers else 0 :]:
                schedule = Schedule(ranks=rank(self.order), carried=frozenset({(writer, reader)}))
                found = await self._runs.differ(schedule)
                if all((other.kind, other.name) != (missed.kind, missed.name) for other in found):
                    return self._conclude([writer, reader], "context", 0, differences)
        rest = readers if missed.kind == "step" else []
        return self._conclude([*writers, *rest] or self.order, "context", 0, differences)

    async def find_order(
        self, start: Sequence[str], end: Sequence[str], seed: int, differences: Sequence[Difference]
    ) -> Disagreement:
        """Find the two neighbours whose exchange makes the difference.

        Args:
            start: an order that agrees.
            end: one that does not, with these differences.
        """
        orders = exchange(start, end)
        low, high = 0, len(orders) - 1
        while high - low > 1:
            middle = (low + high) // 2
            found = await self._runs.differ(Schedule(str(seed), rank(orders[middle])))
            if found:
                high, differences = middle, found
            else:
                low = middle
        pair = [one for one, other in zip(orders[low], orders[high], strict=True) if one != other]
        return self._conclude(pair, "order", seed, differences)

    async def find_overlap(
        self, trial: Observation, differences: Sequence[Difference], seed: int
    ) -> Disagreement:
        """Find the pair that disagrees when nothing else overlaps; or else the smallest set that does."""
        found = await self._try_pairs(self._candidates(trial, differences), seed)
        if found is not None:
            return found
        serial = await self._runs.differ(Schedule(str(seed), rank(trial.order)))
        if serial and trial.order:
            return await self.find_order(self.order, self._complete(trial.order), seed, serial)
        return await self._shrink(differences, seed)

    async def _try_pairs(self, pairs: Sequence[tuple[str, str]], seed: int) -> Disagreement | None:
        attempts = max(LEAST_ATTEMPTS, MOST_RUNS // max(1, len(pairs)))
        for attempt in range(min(attempts, 4 * LEAST_ATTEMPTS)):
            for pair in pairs:
                order = gather(self.plan, self.order, pair)
                found = await self._runs.differ(make_overlap(order, pair, seed, attempt))
                if found:
                    return await self._explain(order, pair, seed, found)
        return None

    async def _explain(
        self, order: Sequence[str], pair: Sequence[str], seed: int, differences: Sequence[Difference]
    ) -> Disagreement:
        """Tell whether two steps disagree because they overlap, or also one at a time."""
        serial = await self._runs.differ(Schedule(str(seed), rank(order)))
        if serial:  # they had to be moved next to each other, and that alone made the difference
            return await self.find_order(self.order, order, seed, serial)
        swapped = [*order]
        one, other = (order.index(name) for name in pair)
        swapped[one], swapped[other] = swapped[other], swapped[one]
        exchanged = await self._runs.differ(Schedule(str(seed), rank(swapped)))
        if exchanged:
            return self._conclude(pair, "order", seed, exchanged)
        return self._conclude(pair, "overlap", seed, differences)

    async def _shrink(self, differences: Sequence[Difference], seed: int) -> Disagreement:
        """Leave out one step after the other, as long as the rest still disagrees."""
        tier = max(self.plan.tiers, key=lambda tier: len(tier.nodes))
        group = [node.step.name for node in tier.nodes]
        for name in list(group):
            rest = [other for other in group if other != name]
            found = await self._try_group(rest, seed) if len(rest) > 1 else []
            if found:
                group, differences = rest, found
        return self._conclude(group, "overlap", seed, differences)

    async def _try_group(self, group: Sequence[str], seed: int) -> Sequence[Difference]:
        order = gather(self.plan, self.order, group)
        for attempt in range(LEAST_ATTEMPTS):
            found = await self._runs.differ(make_overlap(order, group, seed, attempt))
            if found:
                return found
        return ()

    def _candidates(self, trial: Observation, differences: Sequence[Difference]) -> list[tuple[str, str]]:
        """Return the pairs that may be the cause, those whose steps differ first."""
        differing = {difference.name for difference in differences if difference.kind == "step"}
        overlapped = {*trial.overlaps} | {(other, one) for one, other in trial.overlaps}
        # A run that was left alone does not tell who overlapped.
        pairs = [pair for pair in self.rivals if not overlapped or pair in overlapped]
        return sorted(pairs, key=lambda pair: -len(differing.intersection(pair)))

    def _complete(self, order: Sequence[str]) -> list[str]:
        """Put those that a trial does not schedule where the plan has them."""
        started = iter(order)
        names = set(order)
        return [next(started) if name in names else name for name in self.order]

    def _conclude(
        self, steps: Sequence[str], cause: Cause, seed: int, differences: Sequence[Difference]
    ) -> Disagreement:
        names = [name for name in self.order if name in steps]
        changed = {d.name: (d.expected, d.found) for d in differences if d.kind == "step"}
        gave = {}
        for name in names:
            told = self._runs.tell_step(name)
            gave[name] = changed.get(name, (told, told))
        return Disagreement(tuple(names), cause, seed, tuple(differences), gave)


def exchange(start: Sequence[str], end: Sequence[str]) -> list[list[str]]:
    """Return the orders on the way from one to another, neighbours exchanged one pair at a time.

    Each of them is possible if both ends are: two steps of which one waits for the other stand the same way
    round in both, and are never exchanged.
    """
    place = rank(end)
    orders = [list(start)]
    is_sorted = False
    while not is_sorted:
        is_sorted = True
        for at, (one, other) in enumerate(pairwise(orders[-1])):
            if place[one] > place[other]:
                following = [*orders[-1]]
                following[at], following[at + 1] = other, one
                orders.append(following)
                is_sorted = False
                break
    return orders
