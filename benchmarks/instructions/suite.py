"""Counting with the kept figures beside, and the table of both."""

from __future__ import annotations

from itertools import chain

from benchmarks.instructions import callgrind, kept
from benchmarks.instructions.judge import INTERPRETER, LIBRARIES, Ending, Verdict, judge, list_differences
from benchmarks.instructions.kept import Kept
from benchmarks.instructions.scenarios import SCENARIOS
from benchmarks.report import Result

NAME = "instructions"
TITLE = "instructions of one call, beside those that are kept"
MODULE = f"python -m benchmarks.{NAME}"
NO_VALGRIND = "nothing was counted, as valgrind is not on the path (apt-get install valgrind)"
PACKAGES = {name: scenario.packages for name, scenario in SCENARIOS.items()}
ALL_PACKAGES = sorted(set(chain.from_iterable(PACKAGES.values())))
QUICK = tuple(SCENARIOS)[:3]


def run(*, quick: bool) -> list[Result]:
    """Count, and show what changed."""
    if not callgrind.is_installed():
        return [Result(name=NAME, title=TITLE, compares=f"left out: {NO_VALGRIND}")]
    counted = count(QUICK if quick else tuple(SCENARIOS))
    return [make_table(counted, judge_here(counted))]


def count(names: tuple[str, ...] = tuple(SCENARIOS)) -> Kept:
    """Count scenarios, and read what the counts depend on."""
    return Kept(kept.read_conditions(ALL_PACKAGES), callgrind.count(names))


def judge_here(counted: Kept) -> list[Verdict] | None:
    """Judge by what is kept for this Python; `None` if nothing is."""
    before = kept.load().get(kept.name_python())
    return None if before is None else judge(before, counted, PACKAGES)


def explain_basis() -> str:
    """Say what figures are judged by here, and why."""
    python = kept.name_python()
    before = kept.load().get(python)
    if before is None:
        return f"Not judged: no figures are kept for {python}; `{MODULE} --update` keeps them."
    here = kept.read_conditions(ALL_PACKAGES)
    if other := list_differences(before.conditions, here, INTERPRETER):
        return f"Not judged, as ratios do not hold from one interpreter to another: {', '.join(other)}."
    different = list_differences(before.conditions, here, (*LIBRARIES, *ALL_PACKAGES))
    if not different:
        return f"Interpreter and libraries are those that {python}'s kept figures were counted with."
    return f"What depends on these is judged by its ratio, less sharply: {', '.join(different)}."


def make_table(counted: Kept, verdicts: list[Verdict] | None) -> Result:
    """Return what was counted, and what was kept, side by side."""
    judged = {verdict.scenario: verdict for verdict in verdicts or ()}
    rows = []
    for name, figure in counted.figures.items():
        verdict = judged.get(name)
        rows.append(
            (
                name,
                figure.count,
                SCENARIOS[name].by,
                figure.ratio,
                *(_describe(verdict) if verdict else (None, None, None, "not judged")),
            )
        )
    return Result(
        name=NAME,
        title=TITLE,
        compares=(
            "Counted by valgrind, garbage collection off. / reference: the same by hand, counted in the same "
            f"run. kept: the count, or the ratio where it is judged by that. {explain_basis()}"
        ),
        columns=(
            "scenario",
            "counted",
            "reference",
            "/ reference",
            "judged by",
            "kept",
            "change %",
            "verdict",
        ),
        rows=tuple(rows),
    )


def _describe(verdict: Verdict) -> tuple[str, float | None, str | None, str]:
    change = None if verdict.change is None else f"{verdict.change * 100:+.2f}"
    ending = verdict.ending.value.upper() if verdict.ending is Ending.OVER else verdict.ending.value
    return verdict.by, verdict.kept, change, ending
