"""The thread runner: a bounded pool of our own, and what becomes of bodies that cannot be stopped."""

from __future__ import annotations

import asyncio
import threading

import pytest
from aiohttp_steps import check_cancelled, step
from aiohttp_steps.errors import PlanError, StepTimeoutError
from aiohttp_steps.runners import ThreadRunner
from aiohttp_steps.types import Call, Status

parallel = step(concurrency="parallel", views=["v"])


class Gauge:
    """Counts bodies that run at once, and holds them until it is told to let them go."""

    def __init__(self):
        self.lock = threading.Lock()
        self.now = self.most = self.total = 0
        self.go = threading.Event()

    def __call__(self):
        with self.lock:
            self.now += 1
            self.total += 1
            self.most = max(self.most, self.now)
        try:
            if not self.go.wait(10):
                raise AssertionError("nobody let it go")
        finally:
            with self.lock:
                self.now -= 1


@pytest.fixture
def gauge():
    """Return a gauge that lets everything go when the test ends."""
    made = Gauge()
    yield made
    made.go.set()


def make_steps(count, body, **options):
    """Make `count` parallel steps for view `v` that call `body` in a thread."""
    namespace = {"body": body}
    made = []
    for number in range(count):
        exec(f"def t{number}(): return body()", namespace)
        made.append(step(concurrency="parallel", views=["v"], **options)(namespace[f"t{number}"]))
    return made


async def test_plain_functions_overlap_in_threads(add, registry):
    """A barrier proves it: neither gets past it unless both are there."""
    barrier = threading.Barrier(2)
    add(*make_steps(2, lambda: barrier.wait(5)))
    report = await registry.run("v")
    assert sorted(report[name] for name in report) == [0, 1]


async def test_the_event_loop_goes_on_meanwhile(add, registry):
    """A blocking step must not stop the server: the loop itself lets the body go."""
    started, go = threading.Event(), threading.Event()

    @step(views=["v"])
    def blocks():
        started.set()
        return go.wait(5)

    add(blocks)
    task = asyncio.create_task(registry.run("v"))
    while not started.is_set():  # noqa: ASYNC110 - it is a thread that sets it
        await asyncio.sleep(0)
    go.set()
    assert (await task)["blocks"] is True


async def test_the_pool_is_bounded(open_registry, make_plugin, gauge, wait_until):
    """A view of fifty blocking steps must not become fifty threads."""
    registry = open_registry(threads=3)
    registry.register(make_plugin("p", *make_steps(8, gauge)))
    task = asyncio.create_task(registry.run("v"))
    await wait_until(lambda: gauge.now == 3)
    gauge.go.set()
    report = await task

    assert report.completed
    assert gauge.total == 8
    assert gauge.most <= 3


async def test_threads_are_our_own_and_named(add, registry):
    """In a stack dump one must see whose threads these are; the loop's executor stays free for others."""

    @parallel
    def named():
        return threading.current_thread()

    loop = asyncio.get_running_loop()
    add(named)
    thread = (await registry.run("v"))["named"]
    assert thread.name.startswith("aiohttp-steps-")
    assert thread.daemon
    assert loop._default_executor is None


async def test_no_thread_is_started_before_it_is_needed(registry, pool_threads):
    """A registry that is only looked at, by `check` say, costs nothing."""
    assert pool_threads() == []
    await registry.close()
    assert pool_threads() == []


async def test_idle_threads_are_used_again(add, registry, wait_until):
    """Starting a thread costs more than most steps."""

    @parallel
    def which():
        return threading.get_ident()

    add(which)
    pool = registry.runners["thread"]._pool
    threads = set()
    for _ in range(20):
        threads.add((await registry.run("v"))["which"])
        await wait_until(lambda: pool.idle == len(pool._threads))
    assert len(threads) == 1


async def test_queue_wait_and_run_are_two_times(open_registry, make_plugin, gauge, wait_until):
    """A step that waited for a thread is not slow; the pool is small."""
    loop = asyncio.get_running_loop()
    registry = open_registry(threads=1)
    registry.register(make_plugin("p", *make_steps(2, gauge)))
    task = asyncio.create_task(registry.run("v"))
    await wait_until(lambda: gauge.now == 1)
    seen = loop.time()
    await asyncio.sleep(0)
    released = loop.time()
    gauge.go.set()
    first, second = (await task).outcomes

    assert second.queue_s >= released - seen
    assert first.run_s >= released - seen
    assert second.started_s == pytest.approx(second.queue_s, abs=1e-3)
    assert second.ended_s == pytest.approx(second.started_s + second.run_s)


async def test_a_step_that_waits_too_long_for_a_thread_never_runs(
    open_registry, make_plugin, gauge, wait_until
):
    """Its time is over before it began: running it later would be work for nobody."""
    registry = open_registry(threads=1)
    ran = []

    @step(concurrency="parallel", views=["w"], queue_timeout=0.01)
    def waits():
        ran.append("waits")

    registry.register(make_plugin("p", *make_steps(1, gauge), waits))
    busy = asyncio.create_task(registry.run("v"))
    await wait_until(lambda: gauge.now == 1)
    report = await registry.run("w")
    gauge.go.set()
    await busy

    outcome = report.outcome("waits")
    assert outcome.status is Status.TIMED_OUT
    assert isinstance(outcome.error, StepTimeoutError)
    assert outcome.error.waiting
    assert str(outcome.error) == "waited to start longer than 0.01 s"
    assert (outcome.started_s, outcome.run_s) == (None, 0.0)
    assert outcome.queue_s >= 0.01
    await registry.run("v")
    assert ran == []


async def test_waiting_for_a_thread_does_not_count_as_running(open_registry, make_plugin, gauge, wait_until):
    """`timeout` begins with the body: a full pool must not look like a slow step."""
    registry = open_registry(threads=1)
    sleeping = asyncio.Event()

    @step(concurrency="parallel", views=["w"], timeout=0.05)
    def waits():
        return "ran"

    registry.register(make_plugin("p", *make_steps(1, gauge), waits))
    busy = asyncio.create_task(registry.run("v"))
    await wait_until(lambda: gauge.now == 1)
    task = asyncio.create_task(registry.run("w"))
    asyncio.get_running_loop().call_later(0.1, sleeping.set)
    await sleeping.wait()
    gauge.go.set()
    await busy
    assert (await task)["waits"] == "ran"


async def test_a_body_that_outlives_its_timeout_is_left_behind_and_counted(
    open_registry, make_plugin, gauge, wait_until
):
    """A thread cannot be killed. The request goes on; the thread is shown until it ends."""
    registry = open_registry(threads=2)
    registry.register(make_plugin("p", *make_steps(1, gauge, timeout=0.01)))
    report = await registry.run("v")

    outcome = report.outcome("t0")
    assert outcome.status is Status.TIMED_OUT
    assert not outcome.error.waiting
    assert str(outcome.error) == "ran longer than 0.01 s"
    assert outcome.run_s >= 0.01
    assert registry.left_behind() == ("t0",)

    gauge.go.set()
    await wait_until(lambda: registry.left_behind() == ())
    assert report.outcome("t0").status is Status.TIMED_OUT


async def test_a_body_left_behind_keeps_its_thread(open_registry, make_plugin, gauge, wait_until):
    """Were it not counted, a hanging step would grow the pool by one thread per request."""
    registry = open_registry(threads=1)

    @step(concurrency="parallel", views=["w"], queue_timeout=0.01)
    def other(): ...

    registry.register(make_plugin("p", *make_steps(1, gauge, timeout=0.01), other))
    await registry.run("v")
    assert (await registry.run("w")).errors["other"].waiting

    gauge.go.set()
    await wait_until(lambda: registry.left_behind() == ())
    assert (await registry.run("w")).completed


async def test_a_body_that_ends_while_its_timeout_is_handled_is_not_counted_for_ever(
    open_registry, make_plugin, gauge, wait_until
):
    """The thread ends between the cancellation and its handling: it must not stay in the list."""
    registry = open_registry()
    registry.register(make_plugin("p", *make_steps(1, gauge)))
    runner = ThreadRunner(1)
    call = Call(registry.steps[0], None, {})
    call.is_expired = lambda: True
    task = asyncio.create_task(runner.bind(call.step)(call))
    await wait_until(lambda: gauge.now == 1)

    task.cancel()  # the deadline's; handled in the next turn
    gauge.go.set()
    idle = threading.Event()
    while runner._pool.idle == 0:  # the body has ended, and its thread is done with it
        idle.wait(0.001)
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)

    assert runner.left_behind() == ()
    await runner.close()


async def test_cancelling_a_run_waits_for_a_running_body(
    open_registry, make_plugin, gauge, wait_until, others
):
    """The handler's files and sessions must not be closed under a thread that still writes."""
    registry = open_registry()
    registry.register(make_plugin("p", *make_steps(2, gauge)))
    task = asyncio.create_task(registry.run("v"))
    await wait_until(lambda: gauge.now == 2)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert not task.done()

    gauge.go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gauge.now == 0
    assert others() == set()
    assert registry.left_behind() == ()


async def test_cancelling_a_run_withdraws_what_waits_for_a_thread(
    open_registry, make_plugin, gauge, wait_until
):
    """What has not begun never will: nobody wants it any more."""
    registry = open_registry(threads=1)
    registry.register(make_plugin("p", *make_steps(3, gauge)))
    task = asyncio.create_task(registry.run("v"))
    await wait_until(lambda: gauge.now == 1)
    task.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    gauge.go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gauge.total == 1


async def test_a_timeout_still_applies_while_a_cancelled_run_waits(
    open_registry, make_plugin, gauge, wait_until
):
    """A cancelled run waits for its threads only as long as these may run."""
    registry = open_registry()
    registry.register(make_plugin("p", *make_steps(2, gauge, timeout=0.05)))
    task = asyncio.create_task(registry.run("v"))
    await wait_until(lambda: gauge.now == 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(5):
            await task
    assert sorted(registry.left_behind()) == ["t0", "t1"]


async def test_closing_ends_idle_threads(add, registry, pool_threads):
    """A test suite or a reloading server opens many registries: none may leave threads."""
    barrier = threading.Barrier(3)
    add(*make_steps(3, lambda: barrier.wait(5)))
    await registry.run("v")
    assert len(pool_threads()) == 3
    await registry.close()
    assert pool_threads() == []
    await registry.close()


async def test_a_registry_can_be_used_again_after_it_was_closed(add, registry, pool_threads):
    """`close` says so; an app that is started twice in tests relies on it."""

    @parallel
    def answer():
        return 42

    add(answer)
    for _ in range(3):
        assert (await registry.run("v"))["answer"] == 42
        await registry.close()
        assert pool_threads() == []


@pytest.mark.parametrize("threads", [1, 2, 3])
async def test_a_registry_that_was_closed_with_a_body_left_behind_can_be_used_again(
    open_registry, make_plugin, gauge, wait_until, threads
):
    """The words that were meant for old threads must not end those that new work waits for."""
    registry = open_registry(threads=threads)

    @step(concurrency="parallel", views=["w"])
    def answer():
        return 42

    registry.register(make_plugin("p", *make_steps(1, gauge, timeout=0.01), answer))
    await registry.run("v")
    assert registry.left_behind() == ("t0",)
    if threads == 3:
        assert (await registry.run("w"))["answer"] == 42  # there is an idle thread besides
    await registry.close()

    task = asyncio.create_task(registry.run("w"))
    if threads == 1:
        await asyncio.sleep(0)
        gauge.go.set()
    async with asyncio.timeout(5):
        assert (await task)["answer"] == 42
    gauge.go.set()
    await wait_until(lambda: registry.left_behind() == ())


async def test_threads_left_behind_at_close_end_with_their_bodies(
    open_registry, make_plugin, gauge, wait_until, pool_threads
):
    """Closing does not wait for what hangs, and what hung does not come back as an idle thread."""
    registry = open_registry(threads=2)
    registry.register(make_plugin("p", *make_steps(1, gauge, timeout=0.01)))
    await registry.run("v")
    await registry.close()
    assert len(pool_threads()) == 1
    gauge.go.set()
    await wait_until(lambda: pool_threads() == [])


def test_one_registry_serves_several_event_loops_in_turn(add, registry):
    """Tests and command lines make a loop each; the threads stay."""

    @parallel
    def answer():
        return 42

    add(answer)
    answers = []
    for _ in range(3):
        loop = asyncio.new_event_loop()
        answers.append(loop.run_until_complete(registry.run("v"))["answer"])
        loop.close()
    assert answers == [42, 42, 42]


def test_a_body_that_outlives_its_loop_harms_nothing(open_registry, make_plugin, gauge):
    """The loop is closed when the thread wants to tell of its end: there is nobody to tell."""
    registry = open_registry(threads=1)

    @step(concurrency="parallel", views=["w"])
    def answer():
        return 42

    registry.register(make_plugin("p", *make_steps(1, gauge, timeout=0.01), answer))
    loop = asyncio.new_event_loop()
    loop.run_until_complete(registry.run("v"))
    loop.close()
    gauge.go.set()
    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(registry.run("w"))["answer"] == 42
    loop.close()
    assert registry.left_behind() == ()


async def test_many_tiny_jobs_from_many_tasks_all_come_back(open_registry, make_plugin):
    """A wake-up that gets lost hangs a request for ever: hundreds of jobs, four threads, no idle pause."""
    registry = open_registry(threads=4)
    registry.register(make_plugin("p", *make_steps(8, threading.get_ident)))

    async def work():
        for _ in range(25):
            report = await registry.run("v")
            assert report.completed

    async with asyncio.timeout(60):
        await asyncio.gather(*(work() for _ in range(16)))


async def test_errors_of_bodies_keep_their_traceback(add, registry):
    """The line in the step's own file is what its author needs."""

    @parallel
    def fails():
        raise LookupError("gone")

    add(fails)
    trace = (await registry.run("v")).errors["fails"].__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    assert trace.tb_frame.f_code.co_name == "fails"


async def test_a_keyboard_interrupt_raised_in_a_thread_is_not_swallowed(open_registry, make_plugin):
    """Whoever raises it in a thread means the program."""

    def interrupts():
        raise KeyboardInterrupt

    registry = open_registry()
    registry.register(make_plugin("p", step(views=["v"])(interrupts)))
    runner = ThreadRunner(1)
    call = Call(registry.steps[0], None, {})
    with pytest.raises(KeyboardInterrupt):
        await runner.bind(call.step)(call)
    await runner.close()


@pytest.mark.parametrize("runner", ["thread", "inline"])
def test_an_async_step_is_refused_on_runners_for_plain_functions(add, registry, runner):
    """It would give a coroutine that nobody awaits; better at start-up than at the first request."""

    @step(views=["v"], runner=runner)
    async def mistaken(): ...

    add(mistaken)
    with pytest.raises(
        PlanError,
        match=rf"plugin 'p', step 'mistaken' \(.*:\d+\): is an async def.*leave out runner='{runner}'",
    ):
        registry.plan("v")


def test_a_plain_function_is_refused_on_the_loop_runner(add, registry):
    """The event loop cannot await it, and running it there would block."""

    @step(views=["v"], runner="loop")
    def mistaken(): ...

    add(mistaken)
    with pytest.raises(PlanError, match=r"is a plain def.*runner='thread' or 'inline'"):
        registry.plan("v")


async def test_inline_bodies_run_in_the_event_loops_thread(add, registry):
    """For what takes microseconds a thread is the dearer way."""

    @step(views=["v"], runner="inline", concurrency="parallel")
    def inline():
        return threading.get_ident()

    add(inline)
    assert (await registry.run("v"))["inline"] == threading.get_ident()


async def test_body_that_asks_ends_when_its_run_is_cancelled(add, registry):
    """A thread cannot be stopped from outside; one that reads for long can look up from its work."""
    begun, go, pieces = threading.Event(), threading.Event(), []

    @parallel
    def read():
        check_cancelled()  # nothing has been cancelled yet
        pieces.append(1)
        begun.set()
        go.wait(10)
        check_cancelled()
        pieces.append(2)

    add(read)
    run = asyncio.create_task(registry.run("v"))
    await asyncio.to_thread(begun.wait, 10)
    run.cancel()
    await asyncio.sleep(0)
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert pieces == [1]


async def test_body_that_asks_ends_when_its_time_is_up(add, registry):
    """It is reported as timed out, and gives its thread back instead of being left behind to its end."""
    go, ended = threading.Event(), threading.Event()

    @step(concurrency="parallel", views=["v"], timeout=0.01)
    def read():
        go.wait(10)
        try:
            check_cancelled()
        except asyncio.CancelledError:
            ended.set()
            raise

    add(read)
    report = await registry.run("v")
    go.set()
    assert report.outcome("read").status is Status.TIMED_OUT
    assert await asyncio.to_thread(ended.wait, 10)


async def test_next_body_of_a_thread_is_wanted(add, open_registry, make_plugin):
    """The thread goes on with other work, of which nothing was cancelled."""
    registry = open_registry(threads=1)
    begun, go = threading.Event(), threading.Event()

    @step(concurrency="parallel", views=["first"])
    def first():
        begun.set()
        go.wait(10)

    @step(concurrency="parallel", views=["second"])
    def second():
        check_cancelled()
        return "read"

    registry.register(make_plugin("p", first, second))
    run = asyncio.create_task(registry.run("first"))
    await asyncio.to_thread(begun.wait, 10)
    run.cancel()
    go.set()
    await asyncio.wait([run])
    assert (await registry.run("second"))["second"] == "read"


def test_asking_outside_of_a_step_does_nothing():
    """A function that steps share with other code can ask in any case."""
    check_cancelled()


async def test_a_body_comes_back_although_being_told_of_its_start_fails(open_registry, make_plugin, gauge):
    """Bodies come back to the loop together: what a plugin raises for one must not keep any of them."""
    registry = open_registry()
    registry.register(make_plugin("p", *make_steps(2, gauge)))
    runner = ThreadRunner(2)
    loop = asyncio.get_running_loop()
    seen = []
    loop.set_exception_handler(lambda _loop, context: seen.append(context["exception"]))

    def fail():
        raise LookupError("of the plugin")

    calls = [Call(each, None, {}) for each in registry.steps]
    for call in calls:
        call.on_start = fail
    runs = [asyncio.create_task(runner.bind(call.step)(call)) for call in calls]
    await asyncio.sleep(0)
    idle = threading.Event()
    gauge.go.set()
    while runner._pool.idle < 2:  # all start and end while the loop does not listen
        idle.wait(0.001)
    async with asyncio.timeout(5):
        await asyncio.gather(*runs)

    assert [str(error) for error in seen] == ["of the plugin"] * 2
    assert all(call.started_at is not None for call in calls)
    await runner.close()
