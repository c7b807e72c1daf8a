"""Runs that compete for slots, drawn at random: who waits for whom, and for how long at most."""

from __future__ import annotations

import asyncio
import inspect
import types
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import looptime
from aiohttp_steps import Limits, StepRegistry, step
from hypothesis import given
from hypothesis import strategies as st

MOST_STEPS, MOST_RUNS = 7, 4
BLINK_S = 1e-3
"""Between the beginnings of two runs, so that one is the earlier one; all else takes whole seconds."""


@dataclass(frozen=True)
class Drawn:
    """Steps of which each takes some of those before it, and runs of all of them."""

    seconds: list[int]
    takes: list[list[int]]
    slots: int
    is_for_all: bool
    begin_s: list[int]
    leave_s: list[int | None]

    @cached_property
    def remaining_s(self):
        """Longest path from the start of each step, worked out from the drawn numbers alone."""
        remaining = [0] * len(self.seconds)
        for number in reversed(range(len(self.seconds))):
            after = [remaining[n] for n, takes in enumerate(self.takes) if number in takes]
            remaining[number] = self.seconds[number] + max(after, default=0)
        return remaining


@dataclass
class Competition:
    """What happened, by `(run, step)`: moments in virtual seconds."""

    drawn: Drawn
    ready: dict[tuple[int, int], float] = field(default_factory=dict)
    began: dict[tuple[int, int], float] = field(default_factory=dict)
    ended: dict[tuple[int, int], float] = field(default_factory=dict)
    gone: dict[int, float] = field(default_factory=dict)

    def waiting(self, at):
        """Return who has waited since before a moment, and goes on waiting after it."""
        return {
            one
            for one, ready in self.ready.items()
            if ready < at - BLINK_S / 2 and self.until(one) > at + BLINK_S / 2
        }

    def until(self, one):
        """Return when the wait of a step ended, by its beginning or by the end of its run."""
        return self.began.get(one, self.gone[one[0]])

    def running(self, at):
        """Return who holds a slot."""
        return {one for one, began in self.began.items() if began < at < self.ended[one]}

    def settle(self):
        """Work out when each step was ready: when the last one that it takes had ended, or its run began."""
        for run, at in enumerate(self.drawn.begin_s):
            for number, takes in enumerate(self.drawn.takes):
                if all((run, taken) in self.ended for taken in takes):
                    ends = [self.ended[run, taken] for taken in takes]
                    self.ready[run, number] = max(ends, default=at + run * BLINK_S)


@st.composite
def competitions(draw):
    """Draw steps and runs, and let these compete."""
    count = draw(st.integers(2, MOST_STEPS))
    runs = draw(st.integers(1, MOST_RUNS))
    return Drawn(
        seconds=draw(st.lists(st.integers(1, 5), min_size=count, max_size=count)),
        takes=[
            draw(st.lists(st.integers(0, number - 1), max_size=2, unique=True)) if number else []
            for number in range(count)
        ],
        slots=draw(st.integers(1, 3)),
        is_for_all=draw(st.booleans()),
        begin_s=sorted(draw(st.lists(st.integers(0, 9), min_size=runs, max_size=runs))),
        leave_s=draw(st.lists(st.none() | st.integers(0, 20), min_size=runs, max_size=runs)),
    )


def make_steps(drawn, competition):
    """Make the steps; runs that are numbered -1 are there to learn from."""

    def make(number):
        async def body(**arguments):
            run = arguments["run"]
            loop = asyncio.get_running_loop()
            competition.began[run, number] = loop.time()
            try:
                await asyncio.sleep(drawn.seconds[number])
            finally:
                competition.ended[run, number] = loop.time()

        names = [*(f"s{taken}" for taken in drawn.takes[number]), "run"]
        body.__code__ = body.__code__.replace(co_firstlineno=number + 1)
        body.__name__ = f"s{number}"
        body.__signature__ = inspect.Signature(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in names
        )
        return step(concurrency="parallel", views=["v"])(body)

    return [make(number) for number in range(len(drawn.seconds))]


def compete(drawn, order="path"):
    """Let the runs compete on a virtual clock, after some from which times are learned."""
    competition = Competition(drawn)
    limits = {"steps": drawn.slots} if drawn.is_for_all else {"runners": {"loop": drawn.slots}}
    registry = StepRegistry(limits=Limits(**limits, order=order))
    steps = make_steps(drawn, competition)
    registry.register(types.SimpleNamespace(**{each.__name__: each for each in steps}), "p")
    loop = looptime.new_event_loop()

    async def come(number):
        await asyncio.sleep(drawn.begin_s[number] + number * BLINK_S)
        run = asyncio.create_task(registry.run("v", inputs={"run": number}))
        if drawn.leave_s[number] is not None:
            loop.call_later(drawn.leave_s[number] + 0.5, run.cancel)
        await asyncio.wait([run])
        competition.gone[number] = loop.time()

    async def main():
        # More at once than there can be slots: times are learned only where somebody waits.
        await asyncio.gather(*(registry.run("v", inputs={"run": -1}) for _ in range(MOST_RUNS)))
        for moments in (competition.began, competition.ended):
            moments.clear()
        began_at = loop.time()
        await asyncio.gather(*(come(number) for number in range(len(drawn.begin_s))))
        for moments in (competition.began, competition.ended, competition.gone):
            moments.update({one: at - began_at for one, at in moments.items()})
        competition.settle()
        assert not asyncio.all_tasks() - {asyncio.current_task()}

    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
    slots = registry.plugin_manager.get_plugin("builtin_policies").limiter.slots
    assert all((each.taken, each.waiting) == (0, 0) for each in slots)
    return competition


@given(competitions())
def test_no_later_run_passes_an_earlier_one(drawn):
    """Nobody starves: while a step waits, no step of a run that began later begins."""
    competition = compete(drawn)
    for (run, _), at in competition.began.items():
        assert all(other >= run for other, _ in competition.waiting(at))


@given(competitions())
def test_of_one_run_the_longest_remaining_path_goes_first(drawn):
    """Whatever begins has at least as much before it as any step of its run that goes on waiting."""
    competition = compete(drawn)
    for (run, number), at in competition.began.items():
        for other, left in competition.waiting(at):
            assert other != run or drawn.remaining_s[left] <= drawn.remaining_s[number]


@given(competitions(), st.sampled_from(["path", "arrival"]))
def test_slots_are_never_more_than_there_are_nor_idle_while_somebody_waits(drawn, order):
    """An order must not cost what it is there to save."""
    competition = compete(drawn, order)
    moments = sorted({*competition.began.values(), *competition.ended.values()})
    for before, after in pairwise(moments):
        middle = (before + after) / 2
        running = len(competition.running(middle))
        assert running <= drawn.slots
        if after - before > BLINK_S * 2 and competition.waiting(middle):
            assert running == drawn.slots


@given(competitions())
def test_the_order_is_the_same_each_time(drawn):
    """The same steps, runs and times: the same beginnings, to the moment."""
    assert compete(drawn).began == compete(drawn).began
