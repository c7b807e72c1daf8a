"""Runner `process`: plain functions in worker processes, for what holds the GIL or may have to be killed.

AnyIO keeps the workers: fresh interpreters, never forks; one that dies fails its own call only, and the next
call gets a new one. They end with the event loop's main task.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import pickle
import sys
import traceback
from typing import TYPE_CHECKING, Any

from aiohttp_steps.errors import StepError, WorkerDiedError
from aiohttp_steps.runners.loop import misfit, refuse_async

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from aiohttp_steps.types import Call, Step, StepCall


MOST_IDLE_S = 240.0
"""After so long without a call workers may be gone: AnyIO ends those that were idle for 300 s."""


class ProcessRunner:
    """Calls plain functions in worker processes.

    A call that is cancelled, or whose time is up, is killed with its worker. Arguments and results are
    pickled; context variables are not carried (a step middleware may set `Call.contexts` for that), and what
    a body writes to its standard streams is lost. A worker imports the program's main module, which therefore
    must not start anything when it is imported.

    Args:
        processes: most workers at once; `None`: as many as processors.
    """

    name = "process"

    def __init__(self, processes: int | None = None) -> None:
        self._size = processes or os.cpu_count() or 1
        self._functions: set[Callable[..., Any]] = set()
        self._pool: _Pool | None = None

    def bind(self, step: Step) -> StepCall:
        """Return what calls the step in a worker.

        Raises:
            PlanError: the step takes the request, is async or a generator, or cannot be imported elsewhere;
                or AnyIO is not installed.
        """
        refuse_async(step, self.name)
        fault = _find_fault(step)
        if fault is not None:
            raise misfit(step, fault)
        try:
            import anyio.to_process  # noqa: PLC0415 - an extra: most steps need no process
        except ModuleNotFoundError:
            fault = "needs AnyIO, which is not installed; run: pip install 'aiohttp-steps[process]'"
            raise misfit(step, f"runner='process' {fault}") from None
        run_sync = anyio.to_process.run_sync
        self._functions.add(step.function)

        async def call_in_worker(call: Call) -> Any:
            work = _pack(call)
            pool = self._find_pool()
            # Our own slots limit the number, so that the wait for one can be told from the run.
            limiter = anyio.CapacityLimiter(math.inf)
            async with pool.slots:
                await pool.ensure_worker()
                call.mark_started(asyncio.get_running_loop().time())
                pool.busy += 1
                try:
                    is_good, packed = await run_sync(_execute, work, cancellable=True, limiter=limiter)
                except BaseException as error:
                    pool.missing = min(self._size, pool.missing + 1)
                    if isinstance(error, anyio.BrokenWorkerProcess):
                        raise WorkerDiedError(call.step.name) from error
                    raise
                finally:
                    pool.busy -= 1
            value = pickle.loads(packed)  # noqa: S301 - from our own worker
            if is_good:
                return value
            raise value

        return call_in_worker

    async def open(self) -> None:
        """Start the workers and have them import the bound steps, so that no request waits for that."""
        if not self._functions:
            return
        import anyio.to_process  # noqa: PLC0415 - as in bind

        limiter = anyio.CapacityLimiter(math.inf)
        work = pickle.dumps(tuple(self._functions))
        # At once: one after another would be one worker, called again.
        calls = [anyio.to_process.run_sync(_import, work, limiter=limiter) for _ in range(self._size)]
        await asyncio.gather(*calls)
        self._find_pool().missing = 0

    async def close(self) -> None:
        """Wait for workers that are just starting; idle ones end with the main task of the event loop."""
        if self._pool is not None and self._pool.loop is asyncio.get_running_loop():
            await self._pool.wait_started()

    def left_behind(self) -> tuple[str, ...]:
        """Return none: what outlives its time is killed."""
        return ()

    def _find_pool(self) -> _Pool:
        loop = asyncio.get_running_loop()
        if self._pool is None or self._pool.loop is not loop:
            self._pool = _Pool(loop, self._size)
        return self._pool


class _Pool:
    """What one event loop has: AnyIO keeps workers by loop, and a registry may see several loops in turn.

    Attributes:
        slots: one for each worker that may be busy.
        missing: how many workers, at least, are still to be started.
        busy: how many are at work.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, size: int) -> None:
        self.loop = loop
        self.slots = asyncio.Semaphore(size)
        self.missing = self._size = size
        self.busy = 0
        self._wanted = 0
        self._used_at = loop.time()
        self._starting: set[asyncio.Task[None]] = set()

    async def ensure_worker(self) -> None:
        """Start a worker if one may be missing: a new interpreter takes longer than many a step.

        In a task of its own: AnyIO forgets a worker whose start is cancelled, and that one would stay.
        """
        now = self.loop.time()
        if now - self._used_at > MOST_IDLE_S:
            self.missing = self._size
        self._used_at = now
        self._wanted += 1
        try:
            while self.missing and self.missing + self.busy >= self._size:  # none is idle
                # One that was started for a client who has left serves the next.
                if len(self._starting) < min(self._wanted, self.missing):
                    task = self.loop.create_task(self._start_worker(), name="start of a worker process")
                    self._starting.add(task)
                    task.add_done_callback(self._note_started)
                done, _ = await asyncio.wait(self._starting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()  # a start that failed is the failure of whoever waits for it
        finally:
            self._wanted -= 1

    def _note_started(self, task: asyncio.Task[None]) -> None:
        self._starting.discard(task)
        if not task.cancelled():
            task.exception()  # seen, though whoever wanted the worker may have left

    async def wait_started(self) -> None:
        """Wait for the starts under way; their failures are those of the calls that wanted them."""
        if self._starting:
            await asyncio.wait(self._starting)

    async def _start_worker(self) -> None:
        import anyio.to_process  # noqa: PLC0415 - as in bind

        limiter = anyio.CapacityLimiter(math.inf)
        await anyio.to_process.run_sync(_import, pickle.dumps(()), limiter=limiter)
        self.missing = max(0, self.missing - 1)


def _find_fault(step: Step) -> str | None:
    """Say why a step cannot run in another process, `None` if it can."""
    if step.is_resource:
        return "is a generator, which cannot be suspended in another process; leave out runner='process'"
    if step.takes_request:
        return "takes the request, which cannot leave this process; take inputs instead"
    function = step.function
    module: ModuleType | None = sys.modules.get(function.__module__)
    found: Any = module
    for name in function.__qualname__.split("."):
        found = getattr(found, name, None)
    if found is not function or function.__module__ == "__main__":
        where = f"{function.__module__}.{function.__qualname__}"
        return f"cannot be imported by another process as {where}; make it a function of a module"
    return None


def _pack(call: Call) -> bytes:
    """Pickle what a worker needs.

    Raises:
        StepError: an argument cannot be pickled.
    """
    for name, value in call.arguments.items():
        try:
            pickle.dumps(value)
        # Pickling calls methods of the value, which may raise anything.
        except Exception as error:
            message = f"its argument {name!r} cannot go to another process: {type(error).__name__}: {error}"
            raise StepError(message) from error
    work = call.step.function, call.arguments, call.contexts
    return pickle.dumps(work, protocol=pickle.HIGHEST_PROTOCOL)


def _execute(work: bytes) -> tuple[bool, bytes]:
    """Call a step in the worker; answers whether it succeeded, and its value or error, pickled."""
    try:
        function, arguments, contexts = pickle.loads(work)  # noqa: S301 - from our own parent
        with contextlib.ExitStack() as entered:
            for context in contexts:
                entered.enter_context(context())
            value = function(**arguments)
    # Whatever a body raises belongs to the parent, SystemExit included: the worker lives on.
    except BaseException as error:  # noqa: BLE001
        return False, _pack_error(error)
    try:
        return True, pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    # As above: methods of the value.
    except Exception as error:  # noqa: BLE001
        fault = f"its result cannot leave the worker process: {type(error).__name__}: {error}"
        return False, pickle.dumps(StepError(fault))


def _pack_error(error: BaseException) -> bytes:
    """Pickle an error with its traceback as a note, or a description of one that cannot be pickled."""
    told = "".join(traceback.format_exception(error))
    error.add_note(f"\nIn the worker process:\n{told}")
    try:
        packed = pickle.dumps(error)
        if type(pickle.loads(packed)) is type(error):  # noqa: S301 - what was just packed
            return packed
    # Many exceptions are pickled well and cannot be unpickled.
    except Exception:  # noqa: BLE001, S110
        pass
    described = RuntimeError(f"{type(error).__name__}: {error}")
    described.add_note(f"\nIn the worker process, where it was a {type(error).__name__}:\n{told}")
    return pickle.dumps(described)


def _import(work: bytes) -> None:
    """Import the modules of functions, by unpickling the functions."""
    pickle.loads(work)  # noqa: S301 - from our own parent
