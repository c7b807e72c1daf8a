"""Policy `share`: single flight. Requests under way wait for one run of a step; nothing is cached."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiohttp_steps.errors import StepError
from aiohttp_steps.policies.clock import copy_without_deadline
from aiohttp_steps.types import Call

if TYPE_CHECKING:
    from collections.abc import Hashable

    from aiohttp_steps.types import Step, StepCall, StepMiddleware


class Flights:
    """The shared runs of a registry that are under way.

    A run belongs to the registry, not to the request that came first: it has a task of its own, and is
    cancelled when the last of those who wait for it has left. Each waiter's time limits are its own.
    """

    def __init__(self) -> None:
        self._under_way: dict[Hashable, _Flight] = {}

    @property
    def count(self) -> int:
        """How many shared runs are under way."""
        return len(self._under_way)

    def share(self, step: Step) -> StepMiddleware | None:
        """Return what shares runs of `step`, `None` if it is not shared."""
        if not step.options.share:
            return None

        def wrap(call_next: StepCall) -> StepCall:
            async def call_shared(call: Call) -> Any:
                # By loop: a run cannot be awaited from another. By step: plugins come and go.
                loop = asyncio.get_running_loop()
                key = loop, step, _make_key(step, call)
                flight = self._under_way.get(key)
                if flight is None or not flight.is_open:
                    flight = self._under_way[key] = _Flight(call, call_next)
                try:
                    return await flight.join(call)
                finally:
                    if not flight.is_open and self._under_way.get(key) is flight:
                        del self._under_way[key]

            return call_shared

        return wrap


class _Flight:
    """One shared run, and those who wait for it."""

    def __init__(self, first: Call, call_next: StepCall) -> None:
        self._first = first
        # The run's own call: what the first waiter's limits do to its call must not reach the others.
        self._call = Call(
            first.step,
            first.request,
            first.values,
            required=first.required,
            plan=first.plan,
            run_began_at=first.run_began_at,
        )
        self._call.contexts = first.contexts
        self._call.on_start = self._tell_started
        self._call.is_expired = lambda: self._is_given_up
        self._waiting: list[Call] = []
        self._is_given_up = False
        self._is_left = False
        self._has_taken_off = False
        self._is_taken = False
        self._error: BaseException | None = None
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(
            self._run(call_next), name=f"shared {first.step.name}", context=copy_without_deadline()
        )

    @property
    def is_open(self) -> bool:
        """Whether others may still join."""
        return not self._is_left and not self._task.done()

    async def _run(self, call_next: StepCall) -> Any:
        try:
            return await call_next(self._call)
        except (asyncio.CancelledError, KeyboardInterrupt):
            raise
        # Kept, as a task that raises SystemExit ends the event loop.
        except BaseException as error:  # noqa: BLE001
            self._error = error

    async def join(self, call: Call) -> Any:
        """Wait for the run's result.

        Raises:
            BaseException: the run's error; each waiter gets an instance of its own.
        """
        call.shared = self._has_taken_off
        call.joined = self._first if call.shared else None
        self._has_taken_off = True
        self._waiting.append(call)
        if self._call.started_at is not None:
            call.mark_started(self._loop.time())
        try:
            await asyncio.wait([self._task])
        finally:
            self._waiting.remove(call)
            call.lock_s, call.attempts = self._call.lock_s, self._call.attempts
            if not self._waiting:
                self._is_left = True
                # A body that cannot be stopped is waited for, but not past the last waiter's own limit.
                self._is_given_up = call.is_expired()
                await self._stop()
        value, error = self._task.result(), self._error
        if error is None:
            return value
        if self._is_taken:
            raise _copy(error) from error.__cause__
        self._is_taken = True
        raise error

    async def _stop(self) -> None:
        """Cancel the run, since nobody waits for it any more, and wait for its end."""
        interruption: asyncio.CancelledError | None = None
        if not self._task.done():
            self._task.cancel()
        while not self._task.done():
            try:
                await asyncio.wait([self._task])
            except asyncio.CancelledError as error:
                interruption = error
        if interruption is not None:
            raise interruption

    def _tell_started(self) -> None:
        started_at = self._call.started_at
        if started_at is not None:
            for call in self._waiting:
                call.mark_started(started_at)


def _make_key(step: Step, call: Call) -> Hashable:
    """Return what has to be the same for two calls to be one.

    Raises:
        StepError: an argument is not hashable.
    """
    share = step.options.share
    key: Hashable
    if callable(share):
        key = share(*call.positional, **call.arguments)
        names = "the key of its share function"
    else:
        key = tuple(sorted(call.values.items()))
        names = f"one of {', '.join(call.values)}"
    try:
        hash(key)
    except TypeError as error:
        message = f"is shared, but {names} is no key ({error}); give share a function that makes one"
        raise StepError(message) from error
    return key


def _copy(error: BaseException) -> BaseException:
    """Return an error like this one: a traceback grows where it is raised, which waiters must not share.

    Only Python's own `__init__` is called: the author's may take what `args` no longer tells.
    """
    kind = type(error)
    builtin: Any = next(
        base for base in kind.__mro__ if base.__module__ == "builtins" and issubclass(base, BaseException)
    )
    # What pickling knows of it: the file name of an OSError is in neither `args` nor `__dict__`.
    _, args, *state = builtin.__reduce__(error)
    copied: Any = kind.__new__(kind, *args)
    builtin.__init__(copied, *args)
    for attributes in state:
        copied.__setstate__(attributes)
    copied.__traceback__ = error.__traceback__
    made: BaseException = copied
    return made
