"""From what was seen of a stall to who is to blame for it. A pure function of facts."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiohttp_steps.types import Step

    from aiohttp_steps_stalls.look import Look, ThreadLook
    from aiohttp_steps_stalls.stacks import Spot, Stack, StepCodes
    from aiohttp_steps_stalls.stall import How

_COMPUTES = 0.4
"""Share of a stall that the loop's own thread must have computed to be what held it."""

_HOGS = 0.25
"""Share of a stall that another thread must have computed to be suspected: a busy machine takes its part."""

_COMPARABLE = 0.5
"""Of two threads, one that computed half as much as the other cannot be told apart from it."""

_ONE_THING = 0.2
"""Share of the threshold for which the loop must have been seen in one thing to be held by that."""

_STARVED = 4
"""A loop that waits for the GIL among threads that compute gets it within so many switch intervals."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a stall, in seconds.

    Attributes:
        threshold_s: from which on it counts.
        lasted_s: how long it was.
        denied_s: how long the loop could have run, but had no processor.
        loop_cpu_s: how long it had one.
        looks: taken from another thread meanwhile.
        last: taken by the loop itself as soon as it turned.
        cpu_s: how long other threads had a processor, by native id; empty if nobody can tell.
        begun: steps that have begun in threads, and not ended: how long ago.
        untold: steps that may have begun in threads.
    """

    threshold_s: float
    lasted_s: float
    denied_s: float
    loop_cpu_s: float
    looks: Sequence[Look]
    last: Look
    cpu_s: Mapping[int, float]
    begun: Mapping[Step, float] = field(default_factory=dict)
    untold: tuple[Step, ...] = ()

    @property
    def own_s(self) -> float:
        """The part that is not the machine's."""
        return self.lasted_s - self.denied_s

    @property
    def least_s(self) -> float:
        """How long a thread must have computed to be suspected."""
        # Who holds the GIL may be stopped by the machine, for as long as it likes.
        return min(_HOGS * self.own_s, self.threshold_s)

    def may_have_held(self, step: Step) -> bool:
        """Whether a step was there for long enough; else its thread has done the same for another before."""
        return self.begun.get(step, self.lasted_s) >= self.least_s


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who held the loop.

    Attributes:
        how: from within, or by the GIL.
        steps: the steps; none if it was other code.
        where: `"file:line"`.
        inside: the innermost function.
    """

    how: How
    steps: tuple[Step, ...]
    where: str
    inside: str


def judge(evidence: Evidence, codes: StepCodes) -> Verdict | None:
    """Say who held the event loop; `None`: nobody, the machine did, or many short turns.

    In order: what computed in the loop's own thread; what waited there while others could have the GIL; the
    threads that computed, but for those that were seen to do it without the GIL.
    """
    if evidence.own_s < evidence.threshold_s:
        return None
    if evidence.loop_cpu_s >= _COMPUTES * evidence.own_s:
        return _blame_loop(evidence, codes)
    if not evidence.cpu_s and _was_kept_out(evidence):
        return _blame_threads(evidence, codes, list(evidence.last.threads))
    hogs = _find_hogs(evidence)
    if _is_waiting(evidence, has_hogs=bool(hogs)):
        return _blame_loop(evidence, codes)
    return _blame_threads(evidence, codes, hogs) if hogs else None


def _blame_loop(evidence: Evidence, codes: StepCodes) -> Verdict | None:
    """Name what the loop's thread was in, if it was in one thing and not in many short ones."""
    seen_s: dict[object, float] = {}
    spots: dict[object, Spot] = {}
    before_at, before = 0.0, None
    for look in evidence.looks:
        spot, callback = codes.locate(look.loop), _outermost_callback(look.loop)
        key = None if spot is None or callback is None else (callback, spot.place.code)
        if spot is not None and key is not None:
            # In it since the last look, if that saw the same; else for as long as nobody else got in.
            weight_s = look.at - before_at if key == before else look.waited_s
            seen_s[key] = seen_s.get(key, 0.0) + weight_s
            spots[key] = spot
        before_at, before = look.at, key
    longest = max(seen_s, key=lambda key: seen_s[key], default=None)
    if longest is None or seen_s[longest] < _ONE_THING * evidence.threshold_s:
        return None
    spot = spots[longest]
    return Verdict("blocked", spot.steps, spot.place.location, spot.inside)


def _outermost_callback(stack: Stack) -> object | None:
    """Return the outermost frame that is not the event loop's own: the same one means the same turn."""
    if stack and stack[0].module == "selectors":
        return None  # it waits for work, or for the GIL to go on with it
    callback = None
    for place in stack:
        if place.is_machinery:
            if callback is not None:
                return callback
        else:
            callback = place.frame
    return None


def _is_waiting(evidence: Evidence, *, has_hogs: bool) -> bool:
    """Tell whether the loop's thread was inside of something that let go of the GIL: a sleep, a lock, a disk.

    Others then got the GIL at once, and found the loop's thread where it had been before.
    """
    free = [
        look
        for look in evidence.looks
        if look.waited_s < evidence.lasted_s / 2 and look.loop and not look.loop[0].is_machinery
    ]
    if not free or (has_hogs and _was_kept_out(evidence)):
        return False
    if not has_hogs:
        return True
    first, last = free[0], free[-1]
    is_same = first.loop[0].frame is last.loop[0].frame and first.loop[0].line == last.loop[0].line
    return is_same and last.at - first.at > _STARVED * sys.getswitchinterval()


def _was_kept_out(evidence: Evidence) -> bool:
    """Tell whether the thread that looks did not get in either for much of the stall."""
    return sum(look.waited_s for look in evidence.looks) >= evidence.lasted_s / 2


def _find_hogs(evidence: Evidence) -> list[int]:
    """Return the threads that computed as if they had the GIL, those that computed most first."""
    looks = [*evidence.looks, evidence.last]
    free = frozenset.union(*(look.free for look in looks))
    used = {
        number: cpu_s
        for number, cpu_s in evidence.cpu_s.items()
        if cpu_s >= evidence.least_s and number not in free and number in evidence.last.threads
    }
    most = max(used.values(), default=0.0)
    hogs = [number for number, cpu_s in used.items() if cpu_s >= _COMPARABLE * most]
    return sorted(hogs, key=lambda number: -used[number])


def _blame_threads(evidence: Evidence, codes: StepCodes, hogs: list[int]) -> Verdict:
    """Name the steps of these threads."""
    looks = [look for look in (*evidence.looks, evidence.last) if look.threads]
    found: list[Spot] = []
    others: list[Spot] = []
    for number in hogs:
        # The first look after the hold saw the thread at the very line; later ones where it went from there.
        spots = [codes.locate(look.threads[number].stack) for look in looks if number in look.threads]
        named = [spot for spot in spots if spot is not None and any(map(evidence.may_have_held, spot.steps))]
        found += named[:1]
        others += [] if named else [spot for spot in spots if spot is not None][:1]
    steps = tuple(dict.fromkeys(step for spot in found for step in _narrow(spot.steps, evidence)))
    if found:
        return Verdict("gil", steps, found[0].place.location, found[0].inside)
    gone = _find_gone(evidence, codes)
    if gone:
        return Verdict("gil", gone, str(gone[0].location), "")
    where = others[0].place.location if others else ""
    return Verdict("gil", (), where, "")


def _narrow(steps: tuple[Step, ...], evidence: Evidence) -> tuple[Step, ...]:
    """Of steps that share their code, keep those that run."""
    running = evidence.begun.keys() | set(evidence.untold)
    return tuple(step for step in steps if step in running) or steps


def _find_gone(evidence: Evidence, codes: StepCodes) -> tuple[Step, ...]:
    """Return the steps that have begun, and are on no stack any more: their bodies have just ended."""
    seen = {step for thread in evidence.last.threads.values() for step in _steps_of(thread, codes)}
    gone = [step for step in (*evidence.begun, *evidence.untold) if step in codes and step not in seen]
    begun = tuple(step for step in gone if step in evidence.begun and evidence.may_have_held(step))
    return begun or tuple(step for step in gone if step in evidence.untold)


def _steps_of(thread: ThreadLook, codes: StepCodes) -> tuple[Step, ...]:
    spot = codes.locate(thread.stack)
    return spot.steps if spot is not None else ()
