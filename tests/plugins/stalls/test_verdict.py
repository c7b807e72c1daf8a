"""Judging from facts: the cases that no test can bring about at will, least of all on a busy machine."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from aiohttp_steps import StepRegistry, step
from aiohttp_steps_stalls.look import Look, ThreadLook
from aiohttp_steps_stalls.stacks import Place, StepCodes
from aiohttp_steps_stalls.verdict import Evidence, judge


def idle():
    """Stand for a frame of something else."""
    return sys._getframe()


def a():
    return sys._getframe()


def b():
    return sys._getframe()


@pytest.fixture(scope="module")
def steps():
    registry = StepRegistry()
    mark = step(concurrency="parallel", views=["v"], runner="thread")
    registry.register(SimpleNamespace(a=mark(a), b=mark(b)), "p")
    return dict(zip("ab", registry.steps, strict=True))


@pytest.fixture
def decide(steps):
    """Return a function that judges a stall of 100 ms, of which nothing is known but what is said."""

    def judge_this(**facts):
        facts = {"denied_s": 0.0, "loop_cpu_s": 0.0, "looks": [], "cpu_s": {}, **facts}
        facts.setdefault("last", look_of(1.0))
        evidence = Evidence(threshold_s=0.01, lasted_s=0.1, **facts)
        verdict = judge(evidence, StepCodes(steps.values()))
        return None if verdict is None else (verdict.how, [each.name for each in verdict.steps])

    return judge_this


def place(frame, module="app"):
    return Place(frame.f_code, frame.f_lineno, module, frame)


def waiting():
    """Return the stack of a loop that waits for events."""
    return (place(idle(), "selectors"), place(idle(), "asyncio.base_events"), place(idle()))


def within(*frames):
    """Return the stack of a loop that is in these frames."""
    return (*map(place, frames), place(idle(), "asyncio.events"), place(idle()))


def look_of(at, waited_s=0.0, *, loop=(), threads=(), free=()):
    found = {
        number: ThreadLook(number, "thread", tuple(map(place, frames)), 0.0)
        for number, frames in enumerate(threads, start=1)
    }
    return Look(at, waited_s, loop, found, frozenset(free))


def test_machine_that_let_nobody_run_is_nobodys_fault(decide) -> None:
    """Neither the loop nor any thread has done anything: the host was busy, or the machine was suspended."""
    assert decide(looks=[look_of(0.1, 0.09, loop=waiting())], cpu_s={1: 0.001}) is None


def test_loop_that_was_denied_a_processor_is_nobodys_fault(decide) -> None:
    """A thread that computed meanwhile was luckier, and not guilty."""
    last = look_of(1.0, threads=[[a()]])
    assert decide(last=last, cpu_s={1: 0.09}) == ("gil", ["a"])
    assert decide(last=last, cpu_s={1: 0.09}, denied_s=0.095) is None


def test_loop_that_computed_many_short_things_is_nobodys_fault(decide) -> None:
    """Two looks found two things, and got in at once: a thousand requests that were ready at once, say."""
    looks = [
        look_of(0.01, loop=within(a())),
        look_of(0.02, loop=within(a())),
        look_of(0.03, loop=within(b())),
    ]
    assert decide(looks=looks, loop_cpu_s=0.1) is None


def test_loop_that_computed_one_thing_is_blocked_by_it(decide) -> None:
    """The same frame each time is the same call."""
    stack = within(a())
    looks = [look_of(at / 100, loop=stack) for at in range(1, 9)]
    assert decide(looks=looks, loop_cpu_s=0.1) == ("blocked", ["a"])


def test_loop_that_let_nobody_else_in_is_blocked_by_where_it_is_then(decide) -> None:
    """One call that holds the GIL in the loop's own thread: the only look is late."""
    assert decide(looks=[look_of(0.1, 0.09, loop=within(b()))], loop_cpu_s=0.1) == ("blocked", ["b"])


def test_longest_of_several_things_is_named(decide) -> None:
    """A turn may go through several steps."""
    first, second = within(a()), within(b())
    looks = [look_of(at / 100, loop=first) for at in (1, 2, 3)] + [
        look_of(at / 100, loop=second) for at in (4, 9)
    ]
    assert decide(looks=looks, loop_cpu_s=0.1) == ("blocked", ["b"])


def test_step_that_was_under_way_when_the_gil_was_taken_is_not_named(decide) -> None:
    """The loop was in the middle of an innocent step, and got no further for want of the GIL."""
    looks = [look_of(0.1, 0.09, loop=within(b()))]
    last = look_of(1.0, threads=[[a()]])
    assert decide(looks=looks, last=last, cpu_s={1: 0.1}) == ("gil", ["a"])


def test_threads_that_cannot_be_told_apart_are_all_suspects(decide) -> None:
    """Better two names than the wrong one; who computed most stands first."""
    last = look_of(1.0, threads=[[a()], [b()]])
    assert decide(last=last, cpu_s={1: 0.08, 2: 0.09}) == ("gil", ["b", "a"])


def test_thread_that_ran_without_the_gil_is_no_suspect(decide) -> None:
    """It was seen to compute while another had the GIL."""
    last = look_of(1.0, threads=[[a()], [b()]], free=[2])
    assert decide(last=last, cpu_s={1: 0.08, 2: 0.09}) == ("gil", ["a"])
    assert decide(last=last, cpu_s={2: 0.09}) is None


def test_thread_that_the_machine_stopped_while_it_held_the_gil_is_a_suspect(decide) -> None:
    """The others wait for the GIL and not for a processor, so that nothing of it is denied to them."""
    assert decide(last=look_of(1.0, threads=[[a()]]), cpu_s={1: 0.015}) == ("gil", ["a"])


def test_thread_is_named_by_where_it_was_first(decide) -> None:
    """Later looks see where it went from there."""
    looks = [look_of(0.1, 0.09, loop=waiting(), threads=[[a()]])]
    assert decide(looks=looks, last=look_of(1.0, threads=[[idle()]]), cpu_s={1: 0.1}) == ("gil", ["a"])


def test_step_that_has_begun_and_is_on_no_stack_is_named(decide, steps) -> None:
    """Its body has ended, and the loop has not heard of it yet."""
    last = look_of(1.0, threads=[[idle()], [b()]])
    assert decide(last=last, cpu_s={1: 0.1}, begun={steps["a"]: 0.1, steps["b"]: 0.1}) == ("gil", ["a"])
    assert decide(last=last, cpu_s={1: 0.1}, untold=(steps["a"],)) == ("gil", ["a"])
    assert decide(last=last, cpu_s={1: 0.1}) == ("gil", [])


def test_step_that_a_thread_has_just_taken_on_is_not_named(decide, steps) -> None:
    """Its thread has computed for the one before, which has ended, and of which the loop has not heard."""
    last = look_of(1.0, threads=[[b()]])
    begun = {steps["a"]: 0.1, steps["b"]: 0.001}
    assert decide(last=last, cpu_s={1: 0.1}, begun=begun) == ("gil", ["a"])


def test_without_clocks_those_who_may_have_held_the_gil_are_suspects(decide) -> None:
    """Only Linux tells the times of other threads."""
    looks = [look_of(0.1, 0.09, loop=waiting())]
    last = look_of(1.0, threads=[[a()], [idle()]])
    assert decide(looks=looks, last=last) == ("gil", ["a"])
    assert decide(looks=[look_of(0.1, loop=waiting())], last=last) is None


def test_functions_without_code_name_nobody() -> None:
    """A step may be any callable; one that is written in C is on no stack."""

    class Callable:
        def __call__(self):
            return sys._getframe()

    class Stand:
        def __init__(self, function):
            self.function = function

    made = Callable()
    codes = StepCodes([Stand(max), Stand(made)])
    spot = codes.locate((place(made()),))
    assert spot is not None
    assert [each.function for each in spot.steps] == [made]
    assert codes.locate(()) is None
