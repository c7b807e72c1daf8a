"""`await_with_pauses`: to what is awaited it is a plain `await`, whatever happens and when."""

from __future__ import annotations

import asyncio
import types

import pytest
from aiohttp_steps.race.pausing import await_with_pauses, take_turns
from hypothesis import given
from hypothesis import strategies as st

TURN = None
"""What a pause yields; what is awaited here never yields it."""

DEEDS = st.lists(
    st.sampled_from(["wait", "wait and catch", "wait and clean", "raise", "return"]), min_size=1, max_size=6
)
EVENTS = st.lists(
    st.tuples(st.sampled_from(["send", "send", "throw", "close"]), st.integers(0, 3)), max_size=8
)


@types.coroutine
def wait_for(thing):
    return (yield thing)


async def perform(deeds, log):
    """Do what was drawn, and write down all that comes in from outside."""
    for number, deed in enumerate(deeds):
        if deed == "raise":
            raise LookupError(number)
        if deed == "return":
            return number
        try:
            log.append(("got", await wait_for(("waits", number))))
        except asyncio.CancelledError as error:
            log.append(("cancelled", str(error)))
            if deed != "wait and catch":
                raise
        finally:
            log.append(("left", number))
            if deed == "wait and clean":
                log.append(("cleaned", await wait_for(("cleans", number))))
    return "end"


def drive(coroutine, events, *, are_pauses_cut):
    """Send, throw and close as drawn; return what came out.

    A pause is waited for to its end, but one that an error or the end cuts: that comes after `cut` turns.
    """
    seen = []
    try:
        seen.append(coroutine.send(None))
        for what, cut in events:
            if what == "send":
                value = coroutine.send(("sent", cut))
                while value is TURN:
                    value = coroutine.send(None)
            else:
                if are_pauses_cut and cut:  # the wait has ended, the pause begins, and then it comes
                    for _ in range(cut):
                        if coroutine.send(("sent", cut)) is not TURN:
                            raise AssertionError("the pause is too short")
                if what == "close":
                    coroutine.close()
                    return [*seen, "closed"]
                value = coroutine.throw(asyncio.CancelledError(cut))
            seen.append(value)
        coroutine.close()
    except StopIteration as stop:
        return [*seen, ("returned", stop.value)]
    except (asyncio.CancelledError, LookupError, RuntimeError) as error:
        return [*seen, (type(error), str(error))]
    return seen


@given(deeds=DEEDS, events=EVENTS, turns=st.integers(0, 5), are_pauses_cut=st.booleans())
def test_what_is_awaited_cannot_tell_it_from_a_plain_await(deeds, events, turns, are_pauses_cut):
    """Results, errors, cancellation and closing: the same in, the same out, pauses aside."""
    plain_log, log = [], []
    are_pauses_cut = are_pauses_cut and turns > 3
    plain = drive(perform(deeds, plain_log), events, are_pauses_cut=False)
    paused = drive(
        await_with_pauses(perform(deeds, log), lambda: take_turns(turns)),
        events,
        are_pauses_cut=are_pauses_cut,
    )
    assert paused == plain
    assert log == plain_log


async def test_each_wait_is_followed_by_its_pause():
    """The turns are what others need to come in between."""
    order = []

    async def waits():
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        order.append("done")

    async def counts():
        for number in range(8):
            order.append(number)
            await asyncio.sleep(0)

    async def paused():
        await await_with_pauses(waits(), lambda: take_turns(2))

    await asyncio.gather(paused(), counts())
    assert order[:7] == [0, 1, 2, 3, 4, 5, "done"]


async def test_a_task_that_is_cancelled_in_a_pause_ends_cancelled():
    """As one that is cancelled in the turn in which its wait ends."""
    cleaned = []

    async def waits():
        try:
            await asyncio.sleep(0)
        finally:
            cleaned.append(True)

    async def paused():
        await await_with_pauses(waits(), lambda: take_turns(100))

    task = asyncio.create_task(paused())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not cleaned
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned


async def test_any_awaitable_will_do():
    """A middleware may give a future."""
    future = asyncio.get_running_loop().create_future()
    future.set_result(3)

    async def paused():
        return await await_with_pauses(future, lambda: take_turns(1))

    assert await paused() == 3
