"""Runner `process`: real worker processes."""

from __future__ import annotations

import asyncio
import functools
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiohttp_steps import StepError, hookimpl, step
from aiohttp_steps.errors import PlanError, StepTimeoutError, WorkerDiedError

STEPS = """
import contextlib
import contextvars
import os
import signal
import time
from aiohttp_steps import step

VARIABLE = contextvars.ContextVar("VARIABLE", default="not carried")

class OddError(Exception):
    def __init__(self, one, two):
        super().__init__("odd")

def on_process(function):
    return step(concurrency="parallel", runner="process")(function)

@on_process
def add(*, a, b):
    return a + b, os.getpid()

@on_process
def die():
    os.kill(os.getpid(), signal.SIGKILL)

@step(concurrency="parallel", runner="process", timeout=0.2)
def hang(*, path):
    with open(path, "w") as file:
        file.write(str(os.getpid()))
    time.sleep(600)

@step(concurrency="parallel", runner="process")
def hang_for_ever(*, path):
    with open(path, "w") as file:
        file.write(str(os.getpid()))
    time.sleep(600)

@on_process
def raise_value_error():
    raise ValueError("from the worker")

@on_process
def raise_odd():
    raise OddError(1, 2)

@on_process
def leave():
    raise SystemExit(3)

@on_process
def run_out_of_memory():
    raise MemoryError("no more")

@on_process
def raise_group():
    raise ExceptionGroup("several", [ValueError("one"), KeyError("two")])

@on_process
def return_lambda():
    return lambda: 1

@on_process
def read_variable():
    return VARIABLE.get()

@contextlib.contextmanager
def setting(value):
    token = VARIABLE.set(value)
    try:
        yield
    finally:
        VARIABLE.reset(token)
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Give a module that other processes can import."""
    (tmp_path / "steps_of_process_tests.py").write_text(STEPS)
    monkeypatch.syspath_prepend(tmp_path)
    import steps_of_process_tests

    yield steps_of_process_tests
    del sys.modules["steps_of_process_tests"]


@pytest.fixture
def registry(open_registry, module):
    registry = open_registry(processes=2)
    registry.register(module, "p")
    return registry


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_step_runs_in_another_process_which_is_used_again(registry):
    """A fresh interpreter costs half a second; a call to one that is there, a fraction of a millisecond."""
    first = (await registry.run(wanted=["add"], inputs={"a": 1, "b": 2}))["add"]
    second = (await registry.run(wanted=["add"], inputs={"a": 3, "b": 4}))["add"]
    assert (first[0], second[0]) == (3, 7)
    assert first[1] == second[1] != os.getpid()


async def test_two_workers_work_at_once(registry):
    """Bounded by the registry's number of processes."""
    reports = await asyncio.gather(
        *[registry.run(wanted=["add"], inputs={"a": at, "b": 0}) for at in range(6)]
    )
    assert sorted(report["add"][0] for report in reports) == list(range(6))
    assert len({report["add"][1] for report in reports}) <= 2


async def test_killed_worker_fails_its_own_call_only(registry):
    """The pool heals: the next call gets a new worker."""
    inputs = {"a": 1, "b": 2}
    report = await registry.run(wanted=["die", "add"], inputs=inputs)
    error = report.failure.error
    assert isinstance(error, WorkerDiedError)
    assert (error.type, error.step) == ("worker_died", "die")
    assert (await registry.run(wanted=["add"], inputs=inputs))["add"][0] == 3


async def test_timeout_kills_the_work(registry, tmp_path):
    """Unlike a thread, a process can be stopped, and is."""
    path = tmp_path / "pid"
    report = await registry.run(wanted=["hang"], inputs={"path": str(path)})
    assert isinstance(report.errors["hang"], StepTimeoutError)
    assert not is_alive(int(path.read_text()))
    assert registry.left_behind() == ()


async def test_cancellation_kills_the_work(registry, tmp_path, wait_until):
    """A client that leaves does not leave a processor burning."""
    path = tmp_path / "pid"
    run = asyncio.create_task(registry.run(wanted=["hang_for_ever"], inputs={"path": str(path)}))
    async with asyncio.timeout(60):
        while not (path.exists() and path.read_text()):  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.01)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert not is_alive(int(path.read_text()))


def list_children():
    """Return the process ids of this process's children, as Linux tells them."""
    return {
        int(pid) for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split()
    }


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_client_that_leaves_while_a_worker_starts_leaves_no_process(open_registry, module):
    """A fresh interpreter takes half a second to start: that is when many a client leaves."""
    registry = open_registry(processes=1)
    registry.register(module, "p")
    before = list_children()
    run = asyncio.create_task(registry.run(wanted=["add"], inputs={"a": 1, "b": 2}))
    async with asyncio.timeout(60):
        while not list_children() - before:  # noqa: ASYNC110 - another process begins
            await asyncio.sleep(0)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    report = await registry.run(wanted=["add"], inputs={"a": 3, "b": 4})
    assert list_children() - before == {report["add"][1]}


async def test_error_comes_back_as_itself_with_its_traceback(registry):
    """Whatever a body raises is that step's failure; the note says where it was raised."""
    kinds = {
        "raise_value_error": ValueError,
        "leave": SystemExit,
        "run_out_of_memory": MemoryError,
        "raise_group": ExceptionGroup,
    }
    errors = {name: (await registry.run(wanted=[name])).errors[name] for name in kinds}
    assert {name: type(error) for name, error in errors.items()} == kinds
    assert all("steps_of_process_tests.py" in error.__notes__[0] for error in errors.values())


async def test_what_cannot_be_pickled_fails_its_step_with_a_description(registry):
    """Errors that are pickled well and cannot be unpickled, and results that cannot be pickled."""
    odd = (await registry.run(wanted=["raise_odd"])).errors["raise_odd"]
    assert str(odd) == "OddError: odd"
    assert "steps_of_process_tests.py" in odd.__notes__[0]
    error = (await registry.run(wanted=["return_lambda"])).errors["return_lambda"]
    assert isinstance(error, StepError)
    assert "cannot leave the worker process" in str(error)


async def test_argument_that_cannot_be_pickled_fails_the_step(registry):
    """With the name of the argument."""
    report = await registry.run(wanted=["add"], inputs={"a": 1, "b": lambda: 1})
    assert "argument 'b'" in str(report.errors["add"])


async def test_context_variables_are_not_carried(registry, module):
    """Documented: a context may hold what cannot be pickled."""
    module.VARIABLE.set("here")
    assert (await registry.run(wanted=["read_variable"]))["read_variable"] == "not carried"


async def test_middleware_may_have_contexts_entered_in_the_worker(registry, module):
    """That is how the parent of a trace gets there; it is left again, as the worker serves others too."""

    def step_middleware(step):
        def wrap(call_next):
            async def call_with_context(call):
                if step.name == "read_variable" and not carried:
                    carried.append(call)
                    call.contexts += (functools.partial(module.setting, "carried"),)
                return await call_next(call)

            return call_with_context

        return wrap

    carried = []
    registry.register(SimpleNamespace(step_middleware=hookimpl(step_middleware)), "carrier")
    values = [(await registry.run(wanted=["read_variable"]))["read_variable"] for _ in range(2)]
    assert values == ["carried", "not carried"]


async def test_opened_registry_has_its_workers_ready(registry):
    """Warm-up: the first request does not wait for interpreters to start."""
    registry.plan(wanted=["add"], inputs=["a", "b"])
    await registry.open()
    pids = {(await registry.run(wanted=["add"], inputs={"a": 1, "b": 2}))["add"][1] for _ in range(3)}
    assert len(pids) == 1


def _nested():
    @step(runner="process")
    def bad(): ...

    return bad


def _request():
    @step(runner="process")
    def bad(request): ...

    return bad


def _generator():
    @step(runner="process")
    def bad():
        yield

    return bad


def _coroutine():
    @step(runner="process")
    async def bad(): ...

    return bad


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (_nested, "cannot be imported by another process"),
        (_request, "takes the request"),
        (_generator, "is a generator"),
        (_coroutine, "async def"),
    ],
    ids=["nested function", "request", "generator", "async def"],
)
def test_steps_that_cannot_run_elsewhere_are_refused_when_the_plan_is_compiled(
    open_registry, make_plugin, make, match
):
    """Not at the first request."""
    registry = open_registry()
    registry.register(make_plugin("p", make()))
    with pytest.raises(PlanError, match=match):
        registry.plan(wanted=["bad"])


def test_runner_without_anyio_is_refused_when_the_plan_is_compiled(registry, monkeypatch):
    """With the command that installs it."""
    monkeypatch.setitem(sys.modules, "anyio", None)
    monkeypatch.setitem(sys.modules, "anyio.to_process", None)
    with pytest.raises(PlanError, match=r"aiohttp-steps\[process\]"):
        registry.plan(wanted=["add"], inputs=["a", "b"])
