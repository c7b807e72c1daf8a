"""The baton: threads run one at a time, in an order that follows from the seed."""

from __future__ import annotations

import gc
import sys
import threading

import pytest
from aiohttp_steps.race import baton as module
from aiohttp_steps.race.baton import Baton


@pytest.fixture(autouse=True)
def no_collections():
    """Keep finalizers and callbacks of others out of the threads, as a check does."""
    gc.disable()
    yield
    gc.enable()


def run_threads(seed, functions):
    """Run functions in threads that a baton holds together; return their errors."""
    baton = Baton(seed)
    errors = []

    def run(name, function):
        try:
            baton.wrap(name, function)()
        except ValueError as error:
            errors.append((name, str(error)))

    threads = [threading.Thread(target=run, args=item, daemon=True) for item in functions.items()]
    for name in functions:
        baton.expect(name)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    return errors


def make_noter(trace, name, lines=20):
    def note():
        for number in range(lines):
            trace.append((name, number))

    return note


def test_the_interleaving_of_threads_follows_from_the_seed(monkeypatch):
    """The operating system has no say in it, as long as it does not leave a thread out for long."""
    monkeypatch.setattr(module, "PATIENCE_S", 10.0)
    traces = {}
    for seed in "abcdefgh" * 3:
        trace = []
        run_threads(seed, {name: make_noter(trace, name) for name in ("one", "two", "three")})
        assert traces.setdefault(seed, trace) == trace
    assert len({tuple(trace) for trace in traces.values()}) == 8


def test_threads_that_wait_for_each_other_get_on():
    """Who holds the baton and waits shows no sign of life, and loses it."""
    met = threading.Barrier(2)
    run_threads("a", {"one": lambda: met.wait(10), "two": lambda: met.wait(10)})


def test_one_that_never_comes_is_not_waited_for():
    """It was cancelled on its way, or there was no thread for it."""
    baton = Baton("a")
    baton.expect("lost")
    assert baton.wrap("one", lambda: 1)() == 1


def test_errors_go_through_and_hand_the_baton_on():
    """The others must not wait for a thread that has ended."""

    def fail():
        raise ValueError("no")

    trace = []
    assert run_threads("a", {"one": fail, "two": make_noter(trace, "two")}) == [("one", "no")]
    assert len(trace) == 20


def test_the_trace_function_of_before_is_back_in_place():
    """A debugger or coverage goes on where it was."""
    seen = []

    def trace(frame, event, argument):
        return trace

    def body():
        seen.append(sys.gettrace())

    def run():
        sys.settrace(trace)
        Baton("a").wrap("one", body)()
        seen.append(sys.gettrace())
        sys.settrace(None)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen[0] is not trace
    assert seen[1] is trace


def test_a_long_body_is_let_go(monkeypatch):
    """Tracing costs; a body of a million lines runs on without."""
    monkeypatch.setattr(module, "MOST_LINES", 50)
    traced = []

    def body():
        for _ in range(100):
            is_traced = sys.gettrace() is not None
            traced.append(is_traced)

    thread = threading.Thread(target=Baton("a").wrap("one", body))
    thread.start()
    thread.join()
    assert traced[0]
    assert not traced[-1]


@pytest.mark.parametrize("names", [("one",), ("one", "two")], ids=["alone", "two"])
def test_results_are_those_of_the_function(names):
    """It is the same call, in the same thread."""
    results = {}

    def make(name):
        def body(*positional, **arguments):
            results[name] = positional, arguments, threading.current_thread()
            return name

        return body

    baton = Baton("a")
    for name in names:
        assert baton.wrap(name, make(name))(1, a=2) == name
        assert results[name] == ((1,), {"a": 2}, threading.current_thread())
