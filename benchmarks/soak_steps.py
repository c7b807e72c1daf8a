"""The view of benchmark `soak`: each kind of step and policy, and what may come of it for a number."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

from aiohttp import web
from aiohttp_steps import Input, Retry, StepError, exclusive, hookimpl, step

VIEW = "soak"
KEYS = 5
"""Numbers are spread over so many exclusive keys and shared runs."""

HANG_S, TIMEOUT_S, THREAD_HANG_S = 60.0, 0.05, 0.1

ODDS = {"unauthorized": 17, "hangs": 23, "thread_hangs": 211, "declared": 5, "unexpected": 97, "dies": 499}
"""What happens for every so many-th number."""

ERRORS = {
    "flaky": {"error", "shed"},
    "hangs": {"timeout", "shed"},
    "thread_hangs": {"timeout", "shed"},
    "declared": {"soaked", "shed"},
    "unexpected": {"error", "shed"},
    "limited": {"shed"},
    "worker": {"worker_died", "shed", "timeout"},
    "late": {"skipped", "shed"},
}
"""Types of errors that a step may answer with; those of the others are wrong."""


class SoakedError(StepError):
    """What a step declares."""

    type = "soaked"


def happens(what: str, number: int) -> bool:
    """Tell whether something happens for a number."""
    return number % ODDS[what] == 0


def expect(name: str, number: int) -> Any:
    """Return what a step has to say for a number, if it says anything."""
    return {"shared": number % KEYS, "late": number * 2 + 1, "worker": number**2}.get(name, number)


def must_fail(name: str, number: int) -> bool:
    """Tell whether a step cannot have a value for a number."""
    return (name in ODDS and happens(name, number)) or (name == "late" and happens("declared", number))


@step(concurrency="parallel", views=[VIEW], runner="process", required=False, timeout=10.0)
def worker(*, number: int) -> int:
    """Compute in a worker process, which is killed now and then."""
    if happens("dies", number):
        os.kill(os.getpid(), signal.SIGKILL)
    return number**2


class SoakSteps:
    """The plugin; it counts what begins and ends, and notes what must not be.

    Args:
        seed: of what is random in steps.

    Attributes:
        faults: laws that were broken, in words.
        begun, ended: how often bodies that must not be torn, and resources, began and ended.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._holders: dict[int, int] = {}
        self.faults: list[str] = []
        self.begun: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()

    @hookimpl
    def step_inputs(self) -> list[Input]:
        """Declare the number that all is about."""
        return [Input("number", int, source="query")]

    async def _pause(self) -> None:
        await asyncio.sleep(self._random.random() / 200)

    @step(concurrency="gate", views=[VIEW])
    async def user(self, *, number: int) -> int:
        """Let most in."""
        if happens("unauthorized", number):
            raise web.HTTPUnauthorized
        return number

    @step(views=[VIEW])
    async def database(self, *, number: int) -> AsyncIterator[int]:
        """Open a resource for the time of the request."""
        self.begun["database"] += 1
        try:
            yield number
        finally:
            await asyncio.sleep(0)
            self.ended["database"] += 1

    @step(concurrency="parallel", views=[VIEW])
    def file(self, *, number: int) -> Iterator[int]:
        """Open one in a thread, beside others."""
        self.begun["file"] += 1
        try:
            yield number
        finally:
            self.ended["file"] += 1

    @step(concurrency=exclusive("soak:{slot}"), views=[VIEW], after=["database"])
    async def write(self, *, number: int, slot: int) -> int:
        """Hold a key, alone, to the end, whoever leaves."""
        if slot in self._holders:
            self.faults.append(f"{number} and {self._holders[slot]} held key {slot} at once")
        self._holders[slot] = number
        self.begun["write"] += 1
        try:
            await self._pause()
            self.ended["write"] += 1
        finally:
            del self._holders[slot]
        return number

    @step(concurrency="gate", runner="inline")
    def slot(self, *, number: int) -> int:
        """Say which key a number needs."""
        return number % KEYS

    @step(concurrency="parallel", views=[VIEW], share=True)
    async def shared(self, *, slot: int) -> int:
        """Run once for all that ask at the same time."""
        await self._pause()
        return slot

    @step(concurrency="parallel", views=[VIEW], limit=4, queue_timeout=10.0)
    async def limited(self, *, number: int) -> int:
        """Run four times at once and no more."""
        await self._pause()
        return number

    @step(concurrency="parallel", views=[VIEW], retry=Retry(attempts=3, on=(OSError,), wait_s=0.001))
    def flaky(self, *, number: int) -> int:
        """Fail at random, and mostly succeed in the end."""
        if self._random.random() < 0.3:
            raise OSError
        return number

    @step(concurrency="parallel", views=[VIEW], timeout=TIMEOUT_S)
    async def hangs(self, *, number: int) -> int:
        """Hang now and then."""
        await asyncio.sleep(HANG_S if happens("hangs", number) else 0)
        return number

    @step(concurrency="parallel", views=[VIEW], timeout=TIMEOUT_S)
    def thread_hangs(self, *, number: int) -> int:
        """Hang in a thread, which goes on past its time."""
        if happens("thread_hangs", number):
            time.sleep(THREAD_HANG_S)
        return number

    @step(concurrency="parallel", views=[VIEW])
    async def declared(self, *, number: int) -> int:
        """Fail in a way that clients may read about."""
        if happens("declared", number):
            message = f"{number} is soaked"
            raise SoakedError(message)
        return number

    @step(concurrency="parallel", views=[VIEW])
    async def unexpected(self, *, number: int) -> int:
        """Fail as badly as a plugin can."""
        if happens("unexpected", number):
            raise SystemExit
        return number

    @step(concurrency="parallel", views=[VIEW])
    async def late(self, *, declared: int, shared: int) -> int:
        """Depend on two others."""
        return declared * 2 + (shared == declared % KEYS)


class ExtraSteps:
    """A plugin that comes and goes while requests run."""

    @step(concurrency="parallel", views=[VIEW])
    async def extra(self, *, number: int) -> int:
        """Be there or not."""
        await asyncio.sleep(0)
        return number
