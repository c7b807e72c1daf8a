"""Keys, slots and shared runs against a model, action by action: requests come, end, fail and leave."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import NamedTuple

import pytest
from aiohttp_steps import Limits, StepRegistry, exclusive, step
from aiohttp_steps.errors import StepShedError
from aiohttp_steps.policies import ProcessLocks
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

LIMIT, WAITING = 2, 2

TURNS = 40
"""More turns of the loop than any action needs to have its full effect."""


class BrokenError(Exception):
    """What a body raises that is told to fail."""


class Key(NamedTuple):
    """What shared runs are told apart by; those of one group hold one exclusive key."""

    name: str
    group: str


@dataclass
class Work:
    """A run of a body in the model: of one request, or of all that share it.

    Attributes:
        needs: names of what it still has to get before its body runs: slots first, then keys in sorted order.
        has: what it holds.
        waiters: numbers of the requests that wait for it.
    """

    number: int
    needs: deque[str]
    required: bool
    flight: Key | None = None
    has: list[str] = field(default_factory=list)
    waiters: list[int] = field(default_factory=list)


class Place:
    """A key or the slots of a step in the model: so many holders, and a queue."""

    def __init__(self, size, waiting=None):
        self.size = size
        self.waiting = waiting
        self.holders = []
        self.queue = []


class Model:
    """What should be so, worked out without an event loop."""

    def __init__(self):
        self.places = {}
        self.works = {}
        self.running = set()
        self.ended = {}

    def place(self, name):
        if name not in self.places:
            is_slots = name.startswith("step")
            self.places[name] = Place(LIMIT if is_slots else 1, WAITING if is_slots else None)
        return self.places[name]

    def come(self, work, request):
        joined = next((w for w in self.works.values() if work.flight and w.flight == work.flight), None)
        if joined is not None:
            joined.waiters.append(request)
            return
        work.waiters.append(request)
        self.works[work.number] = work
        self.advance(work)

    def advance(self, work):
        while work.needs:
            name = work.needs[0]
            place = self.place(name)
            if len(place.holders) >= place.size:
                if place.waiting is not None and len(place.queue) >= place.waiting:
                    optional = [other for other in place.queue if not other.required]
                    if not work.required or not optional:
                        self.end(work, "shed")
                        return
                    place.queue.remove(optional[-1])
                    self.end(optional[-1], "shed")
                place.queue.append(work)
                return
            place.holders.append(work)
            work.has.append(work.needs.popleft())
        self.running.add(work.number)

    def end(self, work, how):
        for request in work.waiters:
            self.ended[request] = how
        del self.works[work.number]
        self.running.discard(work.number)
        for place in self.places.values():
            if work in place.queue:
                place.queue.remove(work)
        for name in reversed(work.has):
            place = self.place(name)
            place.holders.remove(work)
            if place.queue:
                following = place.queue.pop(0)
                place.holders.append(following)
                following.has.append(following.needs.popleft())
                self.advance(following)

    def leave(self, request):
        work = next(work for work in self.works.values() if request in work.waiters)
        work.waiters.remove(request)
        self.ended[request] = "left"
        if not work.waiters:
            self.end(work, "left")


class Machine(RuleBasedStateMachine):
    """Plays the same actions to a registry and to the model."""

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.model = Model()
        self.bodies = {}
        self.requests = {}
        self.registry = StepRegistry(limits=Limits(waiting=WAITING))
        self.registry.locks = ProcessLocks()
        self.registry.register(self.make_plugin(), "tested")
        self.policies = self.registry.plugin_manager.get_plugin("builtin_policies")

    def make_plugin(self):
        async def body(number):
            self.bodies[number] = self.loop.create_future()
            try:
                return await self.bodies[number]
            finally:
                del self.bodies[number]

        @step(concurrency=exclusive("{keys[0]}", "{keys[1]}"), views=["locked"])
        async def locked(*, keys, number):
            return await body(number)

        @step(concurrency="parallel", views=["limited"], limit=LIMIT)
        async def limited(*, number):
            return await body(number)

        @step(
            concurrency=exclusive("{key.group}"),
            views=["shared"],
            limit=LIMIT,
            share=lambda *, key, number: key,
        )
        async def shared(*, key, number):
            return await body(number)

        return SimpleNamespace(locked=locked, limited=limited, shared=shared)

    def ask(self, work, view=None, wanted=(), **inputs):
        number = len(self.requests)
        run = self.registry.run(view, wanted=wanted, inputs={"number": number, **inputs})
        self.requests[number] = self.loop.create_task(run)
        self.model.come(work(number), number)
        self.settle()

    def settle(self):
        async def turn():
            for _ in range(TURNS):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turn())

    @rule(keys=st.sampled_from(["aa", "bb", "ab", "ba", "cb"]))
    def wants_keys(self, keys):
        """A request for a step that holds one key or two."""
        self.ask(lambda number: Work(number, deque(sorted(set(keys))), required=True), "locked", keys=keys)

    @rule(required=st.booleans())
    def wants_a_slot(self, required):
        """A request for a limited step, which it needs or would like to have."""
        view, wanted = (None, ["limited"]) if required else ("limited", ())
        self.ask(lambda number: Work(number, deque(["step 'limited'"]), required), view, wanted)

    @rule(name=st.sampled_from("uvwxyz"))
    def wants_what_others_may_want_too(self, name):
        """A request for a shared step, whose run takes a slot and a key, however many wait for it."""
        key = Key(name, group="g1" if name in "uvw" else "g2")
        needs = ["step 'shared'", key.group]
        self.ask(lambda number: Work(number, deque(needs), required=True, flight=key), "shared", key=key)

    @precondition(lambda self: self.model.running)
    @rule(data=st.data(), how=st.sampled_from(["done", "failed"]))
    def body_ends(self, data, how):
        """A body that runs succeeds or fails."""
        number = data.draw(st.sampled_from(sorted(self.model.running)), label="body")
        if how == "done":
            self.bodies[number].set_result(number)
        else:
            self.bodies[number].set_exception(BrokenError(number))
        self.model.end(self.model.works[number], f"{how} {number}")
        self.settle()

    @precondition(lambda self: self.model.works)
    @rule(data=st.data())
    def client_leaves(self, data):
        """A request is cancelled, wherever it is."""
        waiting = sorted(number for work in self.model.works.values() for number in work.waiters)
        number = data.draw(st.sampled_from(waiting), label="request")
        self.requests[number].cancel()
        self.model.leave(number)
        self.settle()

    @precondition(lambda self: len(self.model.works) > 1)
    @rule(data=st.data())
    def body_ends_as_a_client_leaves(self, data):
        """Both in the same turn of the loop: what is handed over must not be lost on the way."""
        if not self.model.running:
            return
        ending = data.draw(st.sampled_from(sorted(self.model.running)), label="body")
        others = [work for work in self.model.works.values() if work.number != ending]
        leaving = data.draw(
            st.sampled_from(sorted(n for work in others for n in work.waiters)), label="leaves"
        )
        self.bodies[ending].set_result(ending)
        self.requests[leaving].cancel()
        # Whoever leaves is out of every queue before anything is handed on.
        self.model.leave(leaving)
        self.model.end(self.model.works[ending], f"done {ending}")
        self.settle()

    @invariant()
    def the_same_bodies_run(self):
        """Nobody runs who should wait, and nobody waits who could run."""
        assert set(self.bodies) == self.model.running

    @invariant()
    def requests_ended_the_same_way(self):
        """Each with its own value or an error of its own."""
        ended = {number: tell(task) for number, task in self.requests.items() if task.done()}
        assert ended == self.model.ended
        errors = [
            error
            for task in self.requests.values()
            if task.done() and not task.cancelled()
            for error in task.result().errors.values()
        ]
        assert len({id(error) for error in errors}) == len(errors)

    @invariant()
    def the_same_is_held_and_waited_for(self):
        """Keys, slots, places in queues, and shared runs."""
        places = self.model.places
        held = {name for name, place in places.items() if place.holders and not name.startswith("step")}
        assert set(self.registry.locks.held) == held
        for slots in self.policies.limiter.slots:
            place = self.model.place(slots._name)
            assert (slots.taken, slots.waiting) == (len(place.holders), len(place.queue))
        flights = sum(work.flight is not None for work in self.model.works.values())
        assert self.policies.flights.count == flights

    def teardown(self):
        """Let all clients leave: nothing may be left."""
        for task in self.requests.values():
            task.cancel()
        self.settle()
        try:
            assert not self.bodies
            assert self.registry.locks.held == ()
            assert self.policies.flights.count == 0
            assert all(slots.taken == slots.waiting == 0 for slots in self.policies.limiter.slots)
            assert not asyncio.all_tasks(self.loop)
        finally:
            self.loop.close()


def tell(task):
    """Say how a request ended, in the model's words."""
    if task.cancelled():
        return "left"
    report = task.result()
    (outcome,) = report.outcomes
    if isinstance(outcome.error, StepShedError):
        return "shed"
    if isinstance(outcome.error, BrokenError):
        return f"failed {outcome.error.args[0]}"
    assert outcome.error is None
    return f"done {outcome.value}"


TestModel = Machine.TestCase
TestModel.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestModel.pytestmark = [pytest.mark.timeout(300)]
