"""`StepRegistry.call_hook` where pluggy has no answer: what waits, overlaps, is cancelled, is left over."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import gc
import logging
import threading
from typing import Any

import pluggy
import pytest
from aiohttp_steps import StepRegistry, collect_errors, concurrency, exclusive, hookimpl, step
from aiohttp_steps.errors import DefinitionError, HookError, HookExitError, PlanError, StepError

hookspec = pluggy.HookspecMarker("aiohttp_steps")

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


class Specs:
    """The hooks of a host."""

    @hookspec
    def work(self, x):
        """All results."""

    @hookspec(firstresult=True)
    def first(self, x):
        """The first result."""

    @collect_errors
    @hookspec
    def shut_down(self, x):
        """All errors."""

    @hookspec(historic=True)
    def remembered(self, x):
        """Not for `call_hook`."""


class WrongError(Exception):
    """What a plugin under test raises."""


@pytest.fixture
async def registry():
    """Return a registry with the host's hooks; in the end no task is left."""
    made = StepRegistry()
    made.plugin_manager.add_hookspecs(Specs)
    yield made
    await made.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


def add(registry, function, *, hook="work", kind=None, runner=None, **options):
    """Register a plugin with one implementation."""
    if kind is not None:
        function = concurrency(kind, runner=runner)(function)
    namespace = {"implementation": staticmethod(hookimpl(specname=hook, **options)(function))}
    name = f"p{len(registry.plugins)}"
    registry.register(type("Plugin", (), namespace)(), name)
    return name


async def settle():
    """Let everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


# What is awaited


async def test_results_of_async_implementations_are_awaited(registry):
    """From pluggy the host gets coroutines (pluggy#320)."""

    async def work(x):
        await asyncio.sleep(0)
        return x

    add(registry, work)
    add(registry, lambda x: x + 1)
    assert await registry.call_hook("work", x=1) == [2, 1]


async def test_none_is_dropped_after_awaiting(registry):
    """A coroutine is not None, what it gives is."""

    async def work():
        return None

    add(registry, work)
    assert await registry.call_hook("work", x=1) == []
    add(registry, work, hook="first")
    assert await registry.call_hook("first", x=1) is None


async def test_the_first_result_is_one_that_was_awaited(registry):
    """With pluggy the first coroutine would end the call, whatever it gives."""
    called = []

    async def none():
        called.append("none")

    async def result():
        called.append("result")
        return "found"

    add(registry, lambda: called.append("never"), hook="first")
    add(registry, result, hook="first")
    add(registry, none, hook="first")
    assert await registry.call_hook("first", x=1) == "found"
    assert called == ["none", "result"]


async def test_an_awaitable_of_a_plain_function_is_awaited(registry):
    """Partial functions, decorated ones and futures look plain, and are not."""

    async def work(x):
        return f"a {x}"

    def decorated(x):
        return work(x)

    future = asyncio.get_running_loop().create_future()
    future.set_result("future")
    add(registry, decorated)
    add(registry, lambda: future)
    assert await registry.call_hook("work", x="coroutine") == ["future", "a coroutine"]


async def test_sync_wrappers_see_the_awaited_result(registry):
    """With pluggy they see, and time, a coroutine."""
    seen = []

    async def work():
        return "awaited"

    def wrap():
        seen.append((yield))
        return seen[-1]

    def wrap_old():
        seen.append((yield).get_result())

    add(registry, work)
    add(registry, wrap, wrapper=True)
    add(registry, wrap_old, hookwrapper=True)
    assert await registry.call_hook("work", x=1) == ["awaited"]
    assert seen == [["awaited"], ["awaited"]]


# Concurrency classes


async def test_parallel_neighbours_overlap(registry):
    """Nobody leaves the barrier before all have come."""
    barrier = asyncio.Barrier(3)

    async def work():
        return await barrier.wait() >= 0

    for _ in range(3):
        add(registry, work, kind="parallel")
    async with asyncio.timeout(5):
        assert await registry.call_hook("work", x=1) == [True] * 3


@pytest.mark.parametrize("kinds", [[None, None], ["sequential", "parallel"], ["parallel", None]], ids=str)
async def test_sequential_implementations_overlap_nothing(registry, kinds):
    """Sequential is the default: parallel is a claim that an author makes."""
    running = 0

    async def work():
        nonlocal running
        running += 1
        assert running == 1
        await settle()
        running -= 1
        return True

    for kind in kinds:
        # One function object per class: the class is an attribute of the function.
        add(registry, functools.partial(work) if kind is None else make_copy(work), kind=kind)
    assert await registry.call_hook("work", x=1) == [True, True]


def make_copy(function):
    async def copy():
        return await function()

    return copy


async def test_a_sequential_implementation_keeps_parallel_ones_of_both_sides_apart(registry):
    """The order of calls is pluggy's: what is behind a sequential one may rely on it."""
    trace = []

    def make(name):
        async def work():
            trace.append(f"{name} begins")
            await asyncio.sleep(0)
            trace.append(f"{name} ends")

        return work

    for name, kind in [("d", "parallel"), ("c", "sequential"), ("b", "parallel"), ("a", "parallel")]:
        add(registry, make(name), kind=kind)
    await registry.call_hook("work", x=1)
    assert trace[:2] == ["a begins", "b begins"]
    assert trace[4:] == ["c begins", "c ends", "d begins", "d ends"]


async def test_results_stand_in_the_order_of_calls(registry):
    """Never in the order of finishing."""
    is_done = asyncio.Event()

    async def slow():
        await is_done.wait()
        return "slow"

    async def fast():
        is_done.set()
        return "fast"

    add(registry, fast, kind="parallel")
    add(registry, slow, kind="parallel")
    assert await registry.call_hook("work", x=1) == ["slow", "fast"]


async def test_the_first_result_is_the_first_called_and_not_the_fastest(registry):
    """Whoever wins must not depend on the weather; who loses is cancelled and awaited."""
    has_lost, trace = asyncio.Event(), []

    async def first():
        await has_lost.wait()
        return "first"

    async def fast():
        return "fast"

    async def endless():
        has_lost.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            trace.append("awaited")

    add(registry, endless, hook="first", kind="parallel")
    add(registry, fast, hook="first", kind="parallel")
    add(registry, first, hook="first", kind="parallel")
    assert await registry.call_hook("first", x=1) == "first"
    assert trace == ["awaited"]


@pytest.mark.parametrize("is_sequential", [False, True], ids=["together", "in turn"])
async def test_a_first_result_that_is_there_at_once_begins_nothing_behind_it(registry, is_sequential):
    """A plain function's result is known before the next one would begin."""
    called = []
    registry.sequential = is_sequential

    async def late():
        called.append("late")

    add(registry, late, hook="first", kind="parallel")
    add(registry, lambda: "at once", hook="first", kind="parallel")
    add(registry, lambda: None, hook="first", kind="parallel")
    assert await registry.call_hook("first", x=1) == "at once"
    assert called == []


async def test_an_error_before_the_first_result_is_the_ending(registry):
    """As with pluggy, which would not have called those behind it; it waits for none of them."""

    async def fail():
        await asyncio.sleep(0)
        raise WrongError

    async def endless():
        await asyncio.Event().wait()

    add(registry, endless, hook="first", kind="parallel")
    add(registry, lambda: "result", hook="first", kind="parallel")
    add(registry, fail, hook="first", kind="parallel")
    with pytest.raises(WrongError):
        await registry.call_hook("first", x=1)


async def test_an_error_behind_the_first_result_is_logged(registry, caplog):
    """It is no part of the result, and must not vanish all the same."""
    has_failed = asyncio.Event()

    async def first():
        await has_failed.wait()
        return "first"

    async def fail():
        has_failed.set()
        raise WrongError

    loser = add(registry, fail, hook="first", kind="parallel")
    add(registry, first, hook="first", kind="parallel")
    assert await registry.call_hook("first", x=1) == "first"
    (record,) = caplog.records
    assert (record.levelno, record.exc_info[0]) == (logging.WARNING, WrongError)
    assert loser in record.getMessage()


async def test_one_flag_runs_everything_in_turn():
    """The flag to go back with holds for hooks as well, and changes nothing of what a call gives."""
    running, registry = 0, StepRegistry(sequential=True)
    registry.plugin_manager.add_hookspecs(Specs)

    async def work(x):
        nonlocal running
        running += 1
        assert running == 1
        await settle()
        running -= 1
        if x:
            raise WrongError
        return True

    for _ in range(2):
        add(registry, work, kind="parallel")
    assert await registry.call_hook("work", x=0) == [True, True]
    with pytest.raises(ExceptionGroup, match="2 implementations failed"):
        await registry.call_hook("work", x=1)


async def test_several_tasks_may_call_at_once(registry):
    """A call keeps nothing between calls."""
    barrier = asyncio.Barrier(2)

    async def work(x):
        await barrier.wait()
        return x

    add(registry, work)
    async with asyncio.timeout(5):
        results = await asyncio.gather(*(registry.call_hook("work", x=x) for x in (1, 2)))
    assert results == [[1], [2]]


async def test_exclusive_implementations_hold_their_key(registry):
    """One holder of a key at a time, over all calls; other keys do not wait."""
    running: set[str] = set()
    barrier = asyncio.Barrier(2)

    async def work(x):
        assert x not in running
        running.add(x)
        await barrier.wait()
        await settle()
        running.remove(x)
        return x

    add(registry, work, kind=exclusive("key:{x}"))
    async with asyncio.timeout(5):
        results = await asyncio.gather(*(registry.call_hook("work", x=x) for x in ("a", "a", "b", "b")))
    assert results == [["a"], ["a"], ["b"], ["b"]]
    assert registry.locks.held == ()


async def test_a_key_of_an_argument_that_is_not_there_is_the_implementations_failure(registry):
    """The message names the key."""
    add(registry, lambda: "never", kind=exclusive("key:{z}"))
    with pytest.raises(StepError, match=r"'key:\{z\}' cannot be made"):
        await registry.call_hook("work", x=1)


async def test_plain_functions_run_in_the_event_loop_unless_marked(registry):
    """A hook is tiny as a rule, and pluggy calls it where it stands; a thread is for what blocks."""
    add(registry, lambda: threading.get_ident())  # noqa: PLW0108 - builtins cannot be marked
    add(registry, lambda x: (threading.get_ident(), x), kind="sequential", runner="thread")
    (thread, x), here = await registry.call_hook("work", x="given")
    assert here == threading.get_ident() != thread
    assert x == "given"


async def test_parallel_implementations_overlap_in_threads(registry):
    """Nobody leaves the barrier before both have come."""
    barrier = threading.Barrier(2)
    for _ in range(2):
        add(registry, lambda: barrier.wait(5) >= 0, kind="parallel", runner="thread")
    assert await registry.call_hook("work", x=1) == [True, True]


async def test_an_exclusive_implementation_may_run_in_a_thread(registry):
    """Class and runner are two questions."""
    held = []

    def work(x):
        held.append(registry.locks.held)
        return x

    add(registry, work, kind=exclusive("key:{x}"), runner="thread")
    assert await registry.call_hook("work", x=1) == [1]
    assert held == [("key:1",)]


async def test_a_runner_that_does_not_fit_is_refused_before_anything_runs(registry):
    """The mistake of one plugin must not leave the work of others half done."""
    called = []

    async def work():
        called.append("async")

    add(registry, work, kind="parallel", runner="thread")
    add(registry, lambda: called.append("plain"))
    with pytest.raises(PlanError, match=r"'thread' cannot call"):
        await registry.call_hook("work", x=1)
    assert called == []


async def test_a_runner_that_is_not_known_is_refused(registry):
    """With the nearest one that is."""
    plugin = add(registry, lambda: None, kind="parallel", runner="tread")
    with pytest.raises(DefinitionError, match=rf"{plugin}.*'tread'.*did you mean 'thread'") as caught:
        await registry.call_hook("work", x=1)
    assert caught.value.plugin == plugin


async def test_context_variables(registry):
    """Sequential ones and wrappers run in the caller's context, parallel ones in copies of it."""
    seen = []

    def make(name):
        async def work():
            seen.append(variable.get())
            variable.set(name)

        return work

    def parallel():
        seen.append(variable.get())
        variable.set("parallel def")

    async def wrap():
        variable.set("wrapper")
        yield
        seen.append(variable.get())

    add(registry, make("parallel 1"), kind="parallel")
    add(registry, make("parallel 2"), kind="parallel")
    add(registry, parallel, kind="parallel")
    add(registry, make("sequential"))
    add(registry, wrap, wrapper=True)
    await registry.call_hook("work", x=1)
    assert seen == ["wrapper", "sequential", "sequential", "sequential", "sequential"]
    assert variable.get() == "sequential"


async def test_the_task_factory_of_an_app_is_asked(registry):
    """A task factory that an app has set means all tasks."""
    made = []
    loop = asyncio.get_running_loop()

    def make_task(loop, coroutine, **options):
        made.append(options.get("name"))
        return asyncio.Task(coroutine, loop=loop, **options)

    async def work():
        await asyncio.sleep(0)

    for _ in range(2):
        add(registry, work, kind="parallel")
    loop.set_task_factory(make_task)
    try:
        await registry.call_hook("work", x=1)
    finally:
        loop.set_task_factory(None)
    assert len(made) == 2


# Errors


async def test_errors_of_all_parallel_implementations_are_collected(registry):
    """In the order of calls; those that run go on, and nothing behind them begins (pluggy#419)."""
    trace = []

    def make(name):
        async def work():
            await asyncio.sleep(0)
            trace.append(name)
            raise WrongError(name)

        return work

    async def good():
        await settle()
        trace.append("good")

    add(registry, lambda: trace.append("never"))
    add(registry, good, kind="parallel")
    second = add(registry, make("second"), kind="parallel")
    first = add(registry, make("first"), kind="parallel")
    with pytest.raises(ExceptionGroup) as caught:
        await registry.call_hook("work", x=1)
    assert [error.args for error in caught.value.exceptions] == [("first",), ("second",)]
    assert f"hook 'work': 2 implementations failed, of {first!r}, {second!r}" in str(caught.value)
    assert sorted(trace) == ["first", "good", "second"]


@pytest.mark.parametrize("kind", ["parallel", "sequential"])
@pytest.mark.parametrize("hook", ["work", "first", "shut_down"])
async def test_a_single_error_comes_bare(registry, hook, kind):
    """A group around one error turns a 401 into a 500 (litestar#2594)."""

    async def fail():
        await asyncio.sleep(0)
        raise WrongError

    add(registry, lambda: None, hook=hook, kind=kind)
    add(registry, fail, hook=hook, kind=kind)
    with pytest.raises(WrongError):
        await registry.call_hook(hook, x=1)


async def test_a_hook_that_collects_errors_calls_everybody(registry):
    """At shut-down the error of one plugin must not keep another from closing its files (pluggy#419)."""
    called = []

    def make(name):
        async def work():
            called.append(name)
            raise WrongError(name)

        return work

    add(registry, make("d"), hook="shut_down")
    add(registry, lambda: called.append("c"), hook="shut_down")
    add(registry, make("b"), hook="shut_down", kind="parallel")
    add(registry, make("a"), hook="shut_down")
    with pytest.raises(ExceptionGroup) as caught:
        await registry.call_hook("shut_down", x=1)
    assert called == ["a", "b", "c", "d"]
    assert [error.args[0] for error in caught.value.exceptions] == ["a", "b", "d"]


def test_collecting_errors_does_not_go_with_firstresult():
    """Refused where it is declared: the two contradict each other."""

    class Contradiction:
        @collect_errors
        @hookspec(firstresult=True)
        def contradictory(self):
            """Never."""

    with pytest.raises(DefinitionError, match=r"'contradictory'.*firstresult"):
        StepRegistry().plugin_manager.add_hookspecs(Contradiction)


@pytest.mark.parametrize("where", ["sequential", "parallel", "parallel def", "wrapper", "old wrapper"])
async def test_system_exit_is_the_failure_of_one_implementation(registry, where):
    """Let through, it would end the event loop, and with it the server."""

    async def leave():
        await asyncio.sleep(0)
        raise SystemExit(3)

    async def wrap():
        yield
        raise SystemExit(3)

    def wrap_old():
        raise SystemExit(3)
        yield

    def leave_now():
        raise SystemExit(3)

    add(registry, lambda: None, kind="parallel")
    if where == "wrapper":
        name = add(registry, wrap, wrapper=True)
    elif where == "old wrapper":
        name = add(registry, wrap_old, hookwrapper=True)
    else:
        function = leave_now if where == "parallel def" else leave
        name = add(registry, function, kind=where.removesuffix(" def"))
    with pytest.raises(HookExitError, match=rf"{name}.*SystemExit\(3\)") as caught:
        await registry.call_hook("work", x=1)
    assert isinstance(caught.value.__cause__, SystemExit)
    assert (caught.value.hook, caught.value.plugin) == ("work", name)


async def test_system_exit_among_several_errors_leaves_an_ordinary_group(registry):
    """A BaseExceptionGroup would pass every `except Exception` of the host."""

    async def leave():
        raise SystemExit

    add(registry, leave, kind="parallel")
    add(registry, leave, kind="parallel")
    with pytest.raises(ExceptionGroup):
        await registry.call_hook("work", x=1)


@pytest.mark.parametrize("error", [KeyboardInterrupt, asyncio.CancelledError])
@pytest.mark.parametrize("kind", ["sequential", "parallel"])
@pytest.mark.parametrize("waits", [False, True], ids=["at once", "later"])
async def test_what_is_addressed_to_the_task_passes(registry, kind, error, waits):
    """Siblings are cancelled and awaited, wrappers left, and no coroutine stays un-awaited."""
    trace = []

    async def endless():
        try:
            await asyncio.Event().wait()
        finally:
            trace.append("sibling ended")

    async def fail_later():
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        raise error

    def fail():
        raise error

    async def wrap():
        try:
            yield
        except BaseException as seen:
            trace.append(type(seen))
            raise

    add(registry, lambda: trace.append("never"))
    add(registry, fail_later if waits else fail, kind=kind)
    if kind == "parallel":
        add(registry, endless, kind=kind)
    add(registry, wrap, wrapper=True)
    with pytest.raises(error):
        await registry.call_hook("work", x=1)
    assert trace[-1] is error
    assert "never" not in trace
    if kind == "parallel" and waits:
        assert trace[0] == "sibling ended"
    gc.collect()


async def test_errors_of_siblings_are_logged_when_the_call_is_cancelled(registry, caplog):
    """They are not raised, as the cancellation is; they must not vanish."""

    async def fail():
        raise WrongError

    async def interrupt():
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        raise asyncio.CancelledError

    add(registry, interrupt, kind="parallel")
    add(registry, fail, kind="parallel")
    with pytest.raises(asyncio.CancelledError):
        await registry.call_hook("work", x=1)
    assert [record.exc_info[0] for record in caplog.records] == [WrongError]


async def test_a_sync_error_leaves_no_coroutine_unawaited(registry):
    """Those in front have begun, those behind are not made (graphql-core#236)."""

    async def none():
        await asyncio.sleep(0)

    def fail():
        raise WrongError

    for hook in ("work", "first"):
        for function in (none, fail, none):
            add(registry, function, hook=hook, kind="parallel")
        with pytest.raises(WrongError):
            await registry.call_hook(hook, x=1)
    gc.collect()


# Wrappers


async def test_an_async_wrapper_leaves_the_result_alone(registry):
    """Async generators cannot return a value; most wrappers do not want to."""

    async def wrap():
        yield

    add(registry, lambda: 1)
    add(registry, wrap, wrapper=True)
    assert await registry.call_hook("work", x=1) == [1]


async def test_the_second_yield_of_an_async_wrapper_replaces_the_result(registry):
    """It stands for the `return` that Python does not allow; what follows it runs as well."""
    trace = []

    async def wrap():
        result = yield
        yield [*result, 2]
        trace.append("to the end")

    add(registry, lambda: 1)
    add(registry, wrap, wrapper=True)
    assert await registry.call_hook("work", x=1) == [1, 2]
    assert trace == ["to the end"]


async def test_an_async_wrapper_that_swallows_an_error_gives_none(registry):
    """As a sync one does that returns nothing."""

    async def wrap():
        with contextlib.suppress(WrongError):
            yield

    async def fail():
        raise WrongError

    add(registry, fail)
    add(registry, wrap, wrapper=True)
    assert await registry.call_hook("work", x=1) is None


async def test_an_async_wrapper_with_a_third_yield_is_refused_and_closed(registry):
    """The message names plugin, hook and place."""
    trace = []

    async def wrap():
        try:
            yield
            yield
            yield
        finally:
            trace.append("closed")

    name = add(registry, wrap, wrapper=True)
    with pytest.raises(RuntimeError, match=rf"{name!r}.*'work'.*{__name__.rpartition('.')[2]}.*too many"):
        await registry.call_hook("work", x=1)
    assert trace == ["closed"]


async def test_old_async_wrappers_get_pluggys_result(registry):
    """So that a wrapper may become async without another word changed."""
    kinds = []

    async def wrap():
        outcome = yield
        kinds.append(type(outcome))
        outcome.force_result("forced")

    add(registry, wrap, hookwrapper=True)
    assert await registry.call_hook("work", x=1) == "forced"
    assert kinds == [pluggy.Result]


async def test_async_wrappers_stand_among_sync_ones_where_they_were_registered(registry):
    """They are no wrappers for pluggy, and nevertheless pluggy's order counts."""
    trace = []

    def make(name, *, is_async):
        def wrap():
            trace.append(name)
            return (yield)

        async def wrap_later():
            trace.append(name)
            yield

        return wrap_later if is_async else wrap

    def make_all(is_async, **options):
        return add(registry, make(f"{options} {is_async}", is_async=is_async), wrapper=True, **options)

    first = make_all(True)
    for is_async in (True, False):
        make_all(is_async)
        make_all(is_async, trylast=True)
        make_all(is_async, tryfirst=True)
    registry.unregister(first)
    await registry.call_hook("work", x=1)
    orders = ["{'tryfirst': True}"] * 2 + ["{}"] * 2 + ["{'trylast': True}"] * 2
    asyncs = [False, True, False, True, True, False]
    assert trace == [f"{order} {is_async}" for order, is_async in zip(orders, asyncs, strict=True)]


@pytest.mark.parametrize("earlier", [0, 1], ids=["at peace", "while cleaning up"])
async def test_a_wrapper_may_keep_a_cancel_scope_open(registry, earlier):
    """Entered and left in the same task, or this breaks (PEP 789)."""
    tasks = []

    async def wrap():
        tasks.append(asyncio.current_task())
        try:
            async with asyncio.timeout(0):
                yield
        except TimeoutError:
            tasks.append(asyncio.current_task())
            yield "timed out"

    async def endless():
        await asyncio.Event().wait()

    for _ in range(2):
        add(registry, endless, kind="parallel")
    add(registry, wrap, wrapper=True)
    task = asyncio.current_task()
    for _ in range(earlier):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
    # The scope has turned its cancellation into a TimeoutError: that cancellation was not the caller's.
    assert await registry.call_hook("work", x=1) == "timed out"
    assert tasks == [task] * 2
    for _ in range(earlier):
        task.uncancel()


@pytest.mark.parametrize("style", ["wrapper", "hookwrapper"])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
async def test_a_wrapper_cannot_swallow_the_cancellation_of_a_call(registry, style, is_async):
    """An old wrapper that forces a result without looking would keep a server from shutting down."""
    left = []

    def wrap():
        try:
            yield
        except asyncio.CancelledError:
            left.append("inner")
        return "swallowed"

    async def wrap_later():
        try:
            yield
        except asyncio.CancelledError:
            left.append("inner")
        yield "swallowed"

    def wrap_old():
        (yield).force_result("swallowed")
        left.append("inner")

    async def wrap_old_later():
        (yield).force_result("swallowed")
        left.append("inner")

    def outer():
        try:
            yield
        except asyncio.CancelledError:
            left.append("outer")
            raise

    async def endless():
        await asyncio.Event().wait()

    functions = {"wrapper": (wrap, wrap_later), "hookwrapper": (wrap_old, wrap_old_later)}
    add(registry, endless)
    add(registry, functions[style][is_async], **{style: True})
    add(registry, outer, wrapper=True)
    task = asyncio.create_task(registry.call_hook("work", x=1))
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left == ["inner", "outer"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit])
async def test_a_wrapper_cannot_swallow_what_is_addressed_to_the_program(registry, error):
    """Ctrl-C has to arrive, whichever plugins are installed."""

    def fail():
        raise error

    def wrap():
        (yield).force_result("swallowed")

    add(registry, fail)
    add(registry, wrap, hookwrapper=True)
    with pytest.raises(error):
        await registry.call_hook("work", x=1)


async def test_the_cancellation_of_a_call_goes_before_a_wrappers_own(registry):
    """A time limit of a wrapper takes back its own cancellation, never the caller's."""

    async def wrap():
        try:
            async with asyncio.timeout(0):
                yield
        except TimeoutError:
            yield "timed out"

    async def endless():
        try:
            await asyncio.Event().wait()
        finally:
            is_timed_out.set()
            await settle()

    is_timed_out = asyncio.Event()
    add(registry, endless)
    add(registry, wrap, wrapper=True)
    task = asyncio.create_task(registry.call_hook("work", x=1))
    await is_timed_out.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_wrapper_that_fails_while_a_call_is_cancelled_is_logged(registry, caplog):
    """Its error must neither hide the cancellation nor vanish."""

    async def wrap():
        try:
            yield
        finally:
            raise WrongError

    async def endless():
        await asyncio.Event().wait()

    add(registry, endless)
    add(registry, wrap, wrapper=True)
    task = asyncio.create_task(registry.call_hook("work", x=1))
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [record.exc_info[0] for record in caplog.records] == [WrongError]


# Cancellation


@pytest.mark.parametrize("hook", ["work", "first", "shut_down"])
@pytest.mark.parametrize("again", [False, True], ids=["once", "twice"])
async def test_cancelled_at_any_await_a_call_leaves_nothing(registry, hook, again):  # noqa: C901
    """Each point of the call is cancelled once, enumerated: whatever has begun ends, in its own time."""
    open_now: list[str] = []

    def make(name):
        async def work():
            open_now.append(name)
            try:
                for _ in range(3):
                    await asyncio.sleep(0)
            finally:
                try:
                    await asyncio.sleep(0)
                finally:
                    open_now.remove(name)

        return work

    def make_wrapper(name):
        async def wrap():
            await asyncio.sleep(0)
            open_now.append(name)
            try:
                yield
            finally:
                try:
                    await asyncio.sleep(0)
                finally:
                    open_now.remove(name)

        return wrap

    add(registry, make("sequential"), hook=hook)
    add(registry, make("exclusive"), hook=hook, kind=exclusive("key:{x}"))
    for name in ("parallel 1", "parallel 2"):
        add(registry, make(name), hook=hook, kind="parallel")
    for name in ("wrapper 1", "wrapper 2"):
        add(registry, make_wrapper(name), hook=hook, wrapper=True)

    turn, is_cancelled = 0, True
    while is_cancelled:
        task = asyncio.create_task(registry.call_hook(hook, x=1))
        for _ in range(turn):
            await asyncio.sleep(0)
        was_done = task.done()
        task.cancel()
        if again:
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.wait([task])
        assert open_now == []
        assert registry.locks.held == ()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        is_cancelled = task.cancelled()
        assert is_cancelled is not was_done
        turn += 1
    assert turn > 15
    gc.collect()


# What is refused


async def test_an_unknown_hook_is_refused_with_the_nearest(registry):
    """With pluggy it is an AttributeError without a hint."""
    with pytest.raises(HookError, match="'wrok' is not declared; did you mean 'work'") as caught:
        await registry.call_hook("wrok", x=1)
    assert (caught.value.hook, caught.value.nearest) == ("wrok", "work")
    with pytest.raises(HookError, match="no declared hook has a similar name") as caught:
        await registry.call_hook("zzz")
    assert caught.value.nearest is None


async def test_a_hook_that_is_only_implemented_is_refused(registry):
    """Whether a call works must not depend on which plugins are installed."""
    add(registry, lambda: 1, hook="optional", optionalhook=True)
    with pytest.raises(HookError, match="'optional' is not declared"):
        await registry.call_hook("optional")


async def test_historic_hooks_are_refused(registry):
    """Who registers later gets the call too, and registering cannot await."""
    with pytest.raises(HookError, match=r"'remembered' is historic.*call_historic"):
        await registry.call_hook("remembered", x=1)


async def test_the_hook_of_steps_is_refused(registry):
    """Steps take part in plans."""
    with pytest.raises(HookError, match=r"that of steps.*StepRegistry\.run"):
        await registry.call_hook("step", request=None)


def test_hooks_may_be_declared_after_their_plugins_are_registered():
    """Hosts and plugins load in any order."""

    async def work(x):
        return x

    async def wrap():
        yield

    registry = StepRegistry()
    add(registry, work)
    add(registry, wrap, wrapper=True)
    registry.plugin_manager.add_hookspecs(Specs)
    assert asyncio.run(registry.call_hook("work", x=1)) == [1]


def test_async_implementations_of_the_frameworks_own_hooks_are_refused_still():
    """Those are called by pluggy, which cannot await."""

    async def inputs():
        return []

    with pytest.raises(DefinitionError, match="'step_inputs' is called by pluggy"):
        add(StepRegistry(), inputs, hook="step_inputs")


def wrap_nothing():
    """Wrap, as a plain generator."""
    yield


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (
            lambda: None,
            {"hook": "step_inputs", "kind": "parallel"},
            "'step_inputs', which is no hook of a host",
        ),
        (lambda: None, {"hook": "step", "kind": "parallel"}, "'step', which is no hook of a host"),
        (wrap_nothing, {"wrapper": True, "kind": "parallel"}, "a wrapper, which runs around all others"),
    ],
    ids=["own hook", "step", "wrapper"],
)
def test_a_class_that_would_mean_nothing_is_refused(function, options, message):
    """What an author says must be heard or refused."""
    with pytest.raises(DefinitionError, match=message):
        add(StepRegistry(), function, **options)


def test_a_step_takes_its_class_as_an_option():
    """Two ways to say one thing would contradict each other one day."""

    @step
    @concurrency("parallel")
    def work():
        """Do nothing."""

    with pytest.raises(DefinitionError, match="takes no @concurrency"):
        StepRegistry().register(type("Plugin", (), {"work": staticmethod(work)})())


@pytest.mark.parametrize("kind", ["paralel", "gate", lambda: None], ids=["typo", "gate", "no call"])
def test_an_unknown_class_is_refused(kind):
    """Gates are of requests; and `@concurrency` without a class is a slip."""
    with pytest.raises(DefinitionError, match="use 'sequential', 'parallel' or exclusive"):
        concurrency(kind)


@pytest.mark.parametrize(
    ("hook", "options", "message"),
    [
        ("work", {"wrapper": True, "hookwrapper": True}, "not a generator function"),
        ("remembered", {"wrapper": True}, "historic incompatible"),
    ],
    ids=["both styles", "historic"],
)
def test_what_pluggy_refuses_of_sync_wrappers_is_refused_of_async_ones(hook, options, message):
    """They pass pluggy's check by not looking like wrappers; these two must not."""

    async def wrap():
        yield

    registry = StepRegistry()
    registry.plugin_manager.add_hookspecs(Specs)
    with pytest.raises(DefinitionError, match=message):
        add(registry, wrap, hook=hook, **options)


def test_a_coroutine_function_is_no_wrapper():
    """Without a `yield` it has no two halves; pluggy refuses it."""

    async def wrap():
        """Forget to yield."""

    registry = StepRegistry()
    registry.plugin_manager.add_hookspecs(Specs)
    with pytest.raises(DefinitionError, match="not a generator function"):
        add(registry, wrap, wrapper=True)


def test_the_hooks_of_a_host_are_named_where_one_is_not_known():
    """`check` must tell a plugin's author which hooks there are, the host's included."""
    registry = StepRegistry()
    registry.plugin_manager.add_hookspecs(Specs)
    add(registry, lambda: 1, hook="unknown")
    with pytest.raises(DefinitionError, match=r"the hooks are: .*shut_down.*work"):
        registry.check_pending()


async def test_a_plugin_may_be_registered_with_pluggy_itself(registry):
    """A host that has used its plugin manager so far goes on using it."""
    function: Any = hookimpl(specname="work")(lambda x: x)
    registry.plugin_manager.register(type("Plugin", (), {"any_name": staticmethod(function)})())
    assert await registry.call_hook("work", x=1) == [1]
