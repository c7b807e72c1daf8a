"""What a race check found, as facts and as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from aiohttp_steps.race.observing import Difference

Cause = Literal["context", "order", "overlap"]
"""Why steps disagree. `"context"`: one sets a context variable that others, or the caller, do not get when
both are parallel. `"order"`: they give something else in the other order, without overlapping. `"overlap"`:
one at a time, in either order, they give the same, but not when they overlap."""

_MEANING: dict[Cause, str] = {
    "context": "a context variable that one sets does not reach the other when both are parallel",
    "order": "run one at a time, they give something else in the other order",
    "overlap": "one at a time they give the same; when they overlap, they do not",
}
_OTHERWISE: dict[Cause, str] = {
    "context": "beside others",
    "order": "in the other order",
    "overlap": "together",
}
_ALONE = (
    "what it gives or leaves is not the same when it has a copy of the context, as steps beside others have"
)


@dataclass(frozen=True)
class Disagreement:
    """The smallest set of steps found that do not give what they give one after another.

    Attributes:
        steps: their names, in plan order: mostly two; one that leaves a context variable changed.
        cause: why they disagree.
        seed: of the trial that shows it again.
        differences: what was different in the smallest run that showed it.
        gave: for each of `steps` what it gave one after another, and in that run.
    """

    steps: tuple[str, ...]
    cause: Cause
    seed: int
    differences: tuple[Difference, ...]
    gave: dict[str, tuple[str, str]]


@dataclass(frozen=True)
class RaceReport:
    """The result of a race check.

    Attributes:
        view: the view, `None` if functions were checked.
        seeds: of the trials that were run, in order.
        runs: how many runs that took in all.
        pairs: how many pairs of steps may overlap; without any there is nothing to try.
        unsteady: what differed although nothing overlapped: the view is not deterministic, so that trials
            say nothing.
        disagreement: what was found, `None` if all trials agreed.
        opaque: names of steps of whose values only types could be compared.
        ignored: names that were left out of the comparison.
    """

    view: str | None
    seeds: tuple[int, ...]
    runs: int
    pairs: int
    unsteady: tuple[Difference, ...] = ()
    disagreement: Disagreement | None = None
    opaque: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether all runs gave the same."""
        return not self.unsteady and self.disagreement is None

    def describe(self) -> str:
        """Return all that is worth telling as lines of text."""
        what = f"view {self.view!r}" if self.view else "the steps"
        if self.unsteady:
            lines = self._describe_unsteady(what)
        elif self.disagreement is not None:
            lines = self._describe_disagreement(what, self.disagreement)
        elif not self.pairs:
            lines = [f"{what}: no two steps may overlap, so there is nothing to try"]
        else:
            trials = "1 trial" if len(self.seeds) == 1 else f"{len(self.seeds)} trials"
            pairs = "1 pair" if self.pairs == 1 else f"{self.pairs} pairs"
            lines = [f"{what}: no race found in {trials}; {pairs} of steps may overlap"]
        if self.opaque:
            lines.append(f"  compared by type alone: {', '.join(self.opaque)}")
        if self.ignored:
            lines.append(f"  not compared: {', '.join(self.ignored)}")
        return "\n".join(lines)

    def _describe_unsteady(self, what: str) -> list[str]:
        return [
            f"{what} is not deterministic: run one after another, it gave something else each time",
            *_describe_differences(self.unsteady, "first", "then"),
            "  Is it a time, an id, chance, or something kept from the run before? Make it an input, give",
            "  inputs by a function that makes them anew, or leave it out: --ignore NAME, ignore=[NAME]",
        ]

    @staticmethod
    def _describe_disagreement(what: str, found: Disagreement) -> list[str]:
        is_alone = len(found.steps) == 1
        names = " and ".join(found.steps)
        told = "depends on what runs beside it" if is_alone else "disagree"
        lines = [
            f"{what}: {names} {told} (seed {found.seed})",
            f"  {_ALONE if is_alone and found.cause == 'context' else _MEANING[found.cause]}",
        ]
        differing = {difference.name for difference in found.differences if difference.kind == "step"}
        for name, (expected, _) in found.gave.items():
            if name not in differing:
                lines.append(f"  step {name}: {expected}, in both")
        return lines + _describe_differences(found.differences, "one after another", _OTHERWISE[found.cause])


def _describe_differences(differences: tuple[Difference, ...], first: str, second: str) -> list[str]:
    lines = []
    for difference in differences:
        lines.append(f"  {difference.kind} {difference.name}")
        lines.append(f"    {first}: {difference.expected}")
        lines.append(f"    {second}: {difference.found}")
    return lines
