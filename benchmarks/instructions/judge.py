"""Whether what was counted is a regression: from kept and counted figures alone, without counting."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.instructions.kept import Figure, Kept

MOST_COUNT = 0.03
"""How much more instructions there may be, where all that they depend on is the same."""

MOST_RATIO = 0.10
"""How much more of the reference it may be, where a library is another one: it is the same for both."""

INTERPRETER = ("python", "build", "machine")
"""Where one of these is another, no ratio holds.

Python 3.11.2 looks for the line of each exception that is caught, 3.11.7 does not: a chain of steps takes two
thirds more of what it takes by hand, with the same code of ours.
"""

LIBRARIES = ("libc",)
"""What every scenario depends on as well; the others are packages that some use."""


class Ending(enum.Enum):
    """What came out for one scenario."""

    WITHIN = "within"
    OVER = "over"
    BETTER = "better"
    NOT_KEPT = "not kept"
    NOT_JUDGED = "not judged"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of one scenario.

    Attributes:
        scenario: its name.
        ending: what came out.
        by: "count" or "ratio": which of the two was compared.
        kept: the kept one of these; `None` where none is kept.
        counted: the one that was counted.
        tolerance: by how much it may be more, or less, as a fraction.
    """

    scenario: str
    ending: Ending
    by: str
    kept: float | None
    counted: float
    tolerance: float

    @property
    def change(self) -> float | None:
        """By how much more it is, as a fraction of what was kept."""
        return None if self.kept is None else self.counted / self.kept - 1


def list_differences(kept: Mapping[str, str], here: Mapping[str, str], names: Sequence[str]) -> list[str]:
    """Say which of these conditions are others than those of the kept figures."""
    return [
        f"{name} {here.get(name)} (kept: {kept.get(name)})"
        for name in names
        if kept.get(name) != here.get(name)
    ]


def judge(kept: Kept, counted: Kept, packages: Mapping[str, Sequence[str]]) -> list[Verdict]:
    """Judge each scenario that was counted.

    Args:
        packages: for each scenario the packages whose versions its count depends on.
    """
    verdicts = []
    for name, figure in counted.figures.items():
        libraries = (*LIBRARIES, *packages[name])
        is_same = not list_differences(kept.conditions, counted.conditions, (*INTERPRETER, *libraries))
        verdict = _judge_one(name, kept.figures.get(name), figure, is_same=is_same)
        if verdict.kept is not None and list_differences(kept.conditions, counted.conditions, INTERPRETER):
            verdict = replace(verdict, ending=Ending.NOT_JUDGED)
        verdicts.append(verdict)
    return verdicts


def _judge_one(name: str, kept: Figure | None, counted: Figure, *, is_same: bool) -> Verdict:
    by, tolerance = ("count", MOST_COUNT) if is_same else ("ratio", MOST_RATIO)
    value = counted.count if is_same else counted.ratio
    if kept is None:
        return Verdict(name, Ending.NOT_KEPT, by, None, value, tolerance)
    before = kept.count if is_same else kept.ratio
    change = value / before - 1
    ending = Ending.OVER if change > tolerance else Ending.BETTER if change < -tolerance else Ending.WITHIN
    return Verdict(name, ending, by, before, value, tolerance)
