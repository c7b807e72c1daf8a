"""Random step sets, runs of them on a virtual clock, and what each run did.

A `World` is a set of steps without cycles: each may take, and follow, only steps of a lower rank, and the
ranks have nothing to do with the order of registration. Which step waits for which is worked out here from
the drawn words alone, never from the plan under test.
"""

from __future__ import annotations

import asyncio
import inspect
import types
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import looptime
import pytest
from aiohttp_steps import StepRegistry, hookimpl, step
from hypothesis import strategies as st

VIEW = "everything"
PLUGINS = 3
MOST = 8


class BrokenError(Exception):
    """What a step raises that was drawn to fail."""


class Answer(str):
    """What a step returns, or raises as `AnswerError`, that was drawn to answer early."""

    __slots__ = ()


class AnswerError(Exception):
    """An answer that is raised."""


ERRORS = {"error": BrokenError, "exit": SystemExit, "answer error": AnswerError}
"""Endings of a step, by what they raise."""


@dataclass(frozen=True)
class Blueprint:
    """One step as it was drawn. Times are whole virtual seconds."""

    name: str
    plugin: int
    kind: str = "parallel"
    is_async: bool = True
    joins: bool = True
    takes: tuple[tuple[str, bool], ...] = ()
    after: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    turns: int = 0
    delay: int = 0
    cleanup: int = 0
    ending: str = "value"
    required: bool | None = None
    default: bool = False
    group: int = 1
    timeout: float | None = None

    def value_for(self, arguments):
        """Return what the step makes of its arguments: different for each step and argument."""
        return f"{self.name}({', '.join(f'{name}={value}' for name, value in arguments.items())})"


@dataclass(frozen=True)
class Event:
    """A step began or ended its body."""

    what: str
    name: str
    at: float


@dataclass
class Trial:
    """What one run did. `report` is `None` if it was cancelled."""

    world: World
    report: Any
    events: list[Event]
    left: set[asyncio.Task[Any]]
    cancelled: bool = False

    def moments(self, what):
        """Return the position in time of each step's beginning or end, by name."""
        return {event.name: at for at, event in enumerate(self.events) if event.what == what}

    @property
    def began(self):
        return self.moments("began")

    @property
    def ended(self):
        return self.moments("ended")

    def overlaps(self, some, others):
        """Return pairs of two different steps that ran at the same time."""
        began, ended = self.began, self.ended
        return [
            (one, other)
            for one in began.keys() & some
            for other in began.keys() & others
            if one != other and began[one] < ended[other] and began[other] < ended[one]
        ]

    @property
    def facts(self):
        """Everything a report says but times: what law 10 compares."""
        rows = []
        for outcome in self.report.outcomes:
            error = outcome.error
            described = None if error is None else (type(error), str(error))
            rows.append((outcome.step.name, outcome.status, outcome.value, described))
        return rows, self.report.completed, list(self.report.errors)


@dataclass
class World:
    """Steps in the order they are written, and the registry that holds them."""

    blueprints: list[Blueprint]
    events: list[Event] = field(default_factory=list)
    registry: StepRegistry = field(init=False)

    def __post_init__(self):
        self.registry = StepRegistry()
        for number in range(PLUGINS):
            written = [b for b in self.blueprints if b.plugin == number]
            plugin = types.ModuleType(f"p{number}")
            # Lines say the order; names and places in the namespace say another.
            vars(plugin).update({b.name: self._make(b, line) for line, b in [*enumerate(written, 1)][::-1]})
            self.registry.register(plugin, f"p{number}")

    def __repr__(self):
        return "World([" + "".join(f"\n    {b}," for b in self.blueprints) + "\n])"

    def __getitem__(self, name):
        return next(b for b in self.blueprints if b.name == name)

    @property
    def ranks(self):
        """Registration order by law 4: tryfirst, plugins in turn, lines in turn, trylast."""
        order = sorted(self.blueprints, key=lambda b: (b.group, b.plugin, self.blueprints.index(b)))
        return {b.name: rank for rank, b in enumerate(order)}

    @property
    def present(self):
        """Names of the steps of the view and of all that they take, at any distance."""
        names = {b.name for b in self.blueprints}
        found = {b.name for b in self.blueprints if b.joins}
        while True:
            more = {taken for name in found for taken, _ in self[name].takes if taken in names} - found
            if not more:
                return found
            found |= more

    @property
    def waits_for(self):
        """For each step of the view, the steps that must have ended before it starts."""
        present = self.present
        edges = {name: {taken for taken, _ in self[name].takes} & present for name in present}
        for name in present:
            edges[name] |= set(self[name].after) & present
            for later in set(self[name].before) & present:
                edges[later].add(name)
        return edges

    @property
    def closure(self):
        """For each step, all that must have ended before it, at any distance."""
        edges = self.waits_for
        reached = {name: set(sources) for name, sources in edges.items()}
        for middle, beyond in reached.items():
            for sources in reached.values():
                if middle in sources:
                    sources.update(beyond)
        return reached

    def names(self, *kinds):
        """Return the names of the view's steps of these kinds."""
        return {name for name in self.present if self[name].kind in kinds}

    @property
    def serial_order(self):
        """Gates and sequential steps as laws 3 and 4 order them, found by trying all.

        Where the laws leave a choice between a gate and a sequential step that a later gate needs, the gate
        goes first.
        """
        closure, ranks = self.closure, self.ranks
        gates = self.names("gate")
        urgent = gates.union(*(closure[gate] for gate in gates))
        left = self.names("gate", "sequential")
        order = []
        while left:
            free = [name for name in left if not closure[name] & left]
            first = min(free, key=lambda name: (name not in urgent, name not in gates, ranks[name]))
            order.append(first)
            left.remove(first)
        return order

    def run(self, *, sequential=False, answers=False, cancel_after=(), inputs=None):
        """Run the view on a virtual clock.

        Args:
            cancel_after: turns of the loop to wait before each cancellation, the first one counted from
                the start.
        """
        self.events = []
        loop = looptime.new_event_loop(noop_cycles=0)
        try:
            return loop.run_until_complete(self._run(sequential, answers, cancel_after))
        finally:
            loop.close()

    async def _run(self, sequential, answers, cancel_after):
        program = self.registry.program(VIEW, sequential=sequential)
        types_ = (Answer, AnswerError) if answers else ()
        left = set()

        async def request():
            try:
                return await self.registry.execute(program, {}, answers=types_)
            finally:
                left.update(asyncio.all_tasks() - mine - {asyncio.current_task()})

        mine = {asyncio.current_task()}
        task = asyncio.ensure_future(request())
        for turns in cancel_after:
            # A half of a second is between the moments at which steps end; a turn is within one.
            await asyncio.sleep(turns // 4 + 0.5 if turns % 4 == 3 else 0)
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
        try:
            report = await task
        except asyncio.CancelledError:
            return Trial(self, None, self.events, left, cancelled=True)
        return Trial(self, report, self.events, left)

    def _make(self, blueprint, line):
        """Make the step function that a blueprint describes."""

        def record(what):
            self.events.append(Event(what, blueprint.name, asyncio.get_running_loop().time()))

        def finish(arguments):
            if blueprint.ending in ERRORS:
                raise ERRORS[blueprint.ending](blueprint.name)
            value = blueprint.value_for(arguments)
            return Answer(value) if blueprint.ending == "answer" else value

        async def wait(**arguments):
            record("began")
            try:
                for _ in range(blueprint.turns):
                    await asyncio.sleep(0)
                if blueprint.delay:
                    await asyncio.sleep(blueprint.delay)
                return finish(arguments)
            except asyncio.CancelledError:
                await asyncio.sleep(blueprint.cleanup)
                raise
            finally:
                record("ended")

        def call(**arguments):
            record("began")
            try:
                return finish(arguments)
            finally:
                record("ended")

        function = wait if blueprint.is_async else call
        function.__code__ = function.__code__.replace(co_firstlineno=line)
        function.__name__ = blueprint.name
        function.__signature__ = inspect.Signature(
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if needed else "nothing",
            )
            for name, needed in blueprint.takes
        )
        mark = step(
            concurrency=blueprint.kind,
            views=[VIEW] if blueprint.joins else [],
            after=blueprint.after,
            before=blueprint.before,
            runner=None if blueprint.is_async else "inline",
            required=blueprint.required,
            timeout=blueprint.timeout,
            **({"default": f"{blueprint.name} by default"} if blueprint.default else {}),
        )
        return hookimpl(tryfirst=blueprint.group == 0, trylast=blueprint.group == 2)(mark(function))


@cache
def sketches(endings, kinds, timeouts):
    """Return the strategy for steps whose links are still numbers; made once, as making it is slow."""
    link = st.tuples(st.sampled_from(["takes", "may take", "after", "before"]), st.integers(0, MOST))
    return st.lists(
        st.fixed_dictionaries(
            {
                "kind": st.sampled_from([*kinds, "parallel"]),
                "is_async": st.sampled_from([True, True, False]),
                "joins": st.sampled_from([True, True, True, False]),
                "links": st.lists(link, max_size=5),
                "times": st.tuples(st.integers(0, 2), st.integers(0, 4), st.integers(0, 2)),
                "ending": st.sampled_from(["value", *endings]),
                "required": st.sampled_from([None, True, False, "default"]),
                "plugin": st.integers(0, PLUGINS - 1),
                "group": st.sampled_from([1, 1, 1, 0, 2]),
                "timeout": st.sampled_from(timeouts),
            }
        ),
        min_size=1,
        max_size=MOST,
    )


def finish_links(rank, size, links, *, cycles):
    """Turn drawn numbers into names of other steps, or of none."""
    found = {"takes": {}, "after": [], "before": []}
    for word, number in links:
        pool = range(size) if cycles else range(rank + 1, size) if word == "before" else range(rank)
        others = [f"s{other}" for other in pool if other != rank]
        name = others[number % len(others)] if others and number < MOST else "absent"
        if word in ("after", "before"):
            found[word].append(name)
        else:
            found["takes"].setdefault(name, word == "takes" and name != "absent")
    return {key: tuple(value.items() if key == "takes" else value) for key, value in found.items()}


@st.composite
def draw_world(
    draw, *, endings=("value",), kinds=("parallel", "sequential", "gate"), timed=False, cycles=False
):
    """Draw a world of 1 to 8 steps.

    Args:
        endings: how steps may end, besides by a value.
        timed: whether steps may have a timeout; never one that is due when a delay is over.
        cycles: whether steps may wait for each other.
    """
    drawn = draw(sketches(endings, kinds, (None, None, 2.5) if timed else (None,)))
    written = draw(st.permutations(range(len(drawn))))
    blueprints = []
    for rank, sketch in enumerate(drawn):
        links, times, required = sketch.pop("links"), sketch.pop("times"), sketch.pop("required")
        if not sketch["is_async"]:
            times, sketch["timeout"] = (0, 0, 0), None
        is_gate = sketch["kind"] == "gate"
        blueprints.append(
            Blueprint(
                name=f"s{rank}",
                **sketch,
                **finish_links(rank, len(drawn), links, cycles=cycles),
                **dict(zip(("turns", "delay", "cleanup"), times, strict=True)),
                required=None if is_gate or required == "default" else required,
                default=required == "default" and not is_gate,
            )
        )
    if not any(blueprint.joins for blueprint in blueprints):
        blueprints[-1] = replace(blueprints[-1], joins=True)
    return World([blueprints[rank] for rank in written])


@pytest.fixture(scope="session")
def worlds():
    """Return the strategy function for worlds; a fixture, because tests cannot import from one another."""
    return draw_world


@pytest.fixture(scope="session")
def view():
    """Return the name of the view that all drawn steps join."""
    return VIEW
