"""What waits for what among the steps of one plan, and the order that follows."""

from __future__ import annotations

import heapq
from collections import deque
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from aiohttp_steps.errors import CycleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aiohttp_steps.types import Step
    from aiohttp_steps.types.plan import EdgeKind


class Graph:
    """Steps by number, their place in the order of registration, and the edges between them.

    Attributes:
        steps: what the numbers stand for.
        waits_for: for each step, what it waits for and why; data edges first.
        followers: for each step, what waits for it.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = steps
        self._numbers = {step.name: number for number, step in enumerate(steps)}
        self.waits_for: list[dict[int, EdgeKind]] = [self._find_taken(step) for step in steps]
        for number, step in enumerate(steps):
            if step.options.after:
                for source in self._named(step.options.after, number):
                    self.waits_for[number].setdefault(source, "after")
            if step.options.before:
                for target in self._named(step.options.before, number):
                    self.waits_for[target].setdefault(number, "before")
        self.followers: list[list[int]] = [[] for _ in steps]
        for number, sources in enumerate(self.waits_for):
            for source in sources:
                self.followers[source].append(number)

    def _find_taken(self, step: Step) -> dict[int, EdgeKind]:
        numbers: dict[int, EdgeKind] = {}
        for dependency in step.takes:
            number = self._numbers.get(dependency.name)
            if number is not None:
                numbers[number] = "data"
        return numbers

    @cached_property
    def _plugins(self) -> dict[str, list[int]]:
        """Steps of each plugin, by what `after` and `before` call it; few plans ask."""
        plugins: dict[str, list[int]] = {}
        for number, step in enumerate(self.steps):
            plugins.setdefault(f"plugin:{step.plugin}", []).append(number)
        return plugins

    def _named(self, references: Iterable[str], by: int) -> Iterable[int]:
        """Yield the steps that `after` or `before` of one step means; what is not here is satisfied."""
        for reference in references:
            if reference in self._numbers:
                yield self._numbers[reference]
            # A step that orders itself against its whole plugin does not mean itself.
            yield from (number for number in self._plugins.get(reference, ()) if number != by)

    def ancestors(self, numbers: Iterable[int], seen: set[int]) -> list[int]:
        """Return all that `numbers` wait for, at any distance, less what is in `seen`; adds to `seen`."""
        found = []
        stack = list(numbers)
        while stack:
            for source in self.waits_for[stack.pop()]:
                if source not in seen:
                    seen.add(source)
                    found.append(source)
                    stack.append(source)
        return found

    def sort(self, urgent: set[int]) -> tuple[list[int], list[int]]:
        """Sort topologically; among serial steps that are free to run, the earlier registered goes first.

        Parallel steps never hold a serial one back but by what it waits for: they are taken as soon as
        they are free, serial steps only when no parallel one is. Kahn's algorithm with a heap.

        Args:
            urgent: steps that go before all others: gates and what they wait for.

        Returns:
            The order of all steps, and that of the serial ones.

        Raises:
            CycleError: there is no order.
        """
        missing = [len(sources) for sources in self.waits_for]
        free: deque[int] = deque()
        serial: list[tuple[bool, bool, int]] = []

        def release(number: int) -> None:
            kind = self.steps[number].kind
            if kind == "parallel":
                free.append(number)
            else:
                heapq.heappush(serial, (number not in urgent, kind != "gate", number))

        for number, count in enumerate(missing):
            if not count:
                release(number)
        order: list[int] = []
        serial_order: list[int] = []
        while free or serial:
            if free:
                number = free.popleft()
            else:
                number = heapq.heappop(serial)[2]
                serial_order.append(number)
            order.append(number)
            for follower in self.followers[number]:
                missing[follower] -= 1
                if not missing[follower]:
                    release(follower)
        if len(order) < len(self.steps):
            raise self._cycle({number for number, count in enumerate(missing) if count})
        return order, serial_order

    def _cycle(self, stuck: set[int]) -> CycleError:
        """Walk from the first stuck step along what it waits for until a step comes again."""
        here = min(stuck)
        path: list[int] = []
        places: dict[int, int] = {}
        while here not in places:
            places[here] = len(path)
            path.append(here)
            here = min(source for source in self.waits_for[here] if source in stuck)
        loop = [*path[places[here] :], here]
        step = self.steps[here]
        described = " -> ".join(self.steps[number].name for number in loop)
        why = "; ".join(self._reason(waiting, source) for waiting, source in pairwise(loop))
        fault = f"waits for itself: {described} ({why}); remove one of these parameters, after= or before="
        error = CycleError(fault, plugin=step.plugin, step=step.name, location=str(step.location))
        error.path = tuple(self.steps[number].name for number in loop)
        return error

    def _reason(self, waiting: int, source: int) -> str:
        late, early = self.steps[waiting], self.steps[source]
        match self.waits_for[waiting][source]:
            case "data":
                return f"{late.name} takes {early.name}, {late.location}"
            case "after":
                return f"{late.name} is after {early.name}, {late.location}"
            case "before":
                return f"{early.name} is before {late.name}, {early.location}"
