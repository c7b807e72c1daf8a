"""`python -m benchmarks.instructions`: count instructions, and check them against those that are kept."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from benchmarks.instructions import callgrind, kept, suite
from benchmarks.instructions.judge import Ending
from benchmarks.report import Printer

if TYPE_CHECKING:
    from benchmarks.instructions.judge import Verdict


def main(arguments: list[str] | None = None) -> int:
    """Count and print; the exit code is 1 if `--check` found something to cost more than it may."""
    parser = argparse.ArgumentParser(
        prog=suite.MODULE, description="Instructions of runs, plans and requests."
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="exit 1 if something costs more than is kept")
    what.add_argument("--update", action="store_true", help="keep what is counted now, for this Python")
    parser.add_argument("--require", action="store_true", help="exit 1 if valgrind is missing")
    options = parser.parse_args(arguments)
    if not callgrind.is_installed():
        print(suite.NO_VALGRIND)
        return 1 if options.require else 0
    try:
        counted = suite.count()
    except callgrind.CountError as error:
        print(error, file=sys.stderr)
        return 1
    verdicts = suite.judge_here(counted)
    Printer().show(suite.make_table(counted, verdicts))
    if options.update:
        kept.save(kept.name_python(), counted)
        print(f"Kept for {kept.name_python()} in {kept.FILE}: commit it.")
        return 0
    print(conclude(verdicts or []))
    return 1 if options.check and is_over(verdicts or []) else 0


def is_over(verdicts: list[Verdict]) -> bool:
    """Tell whether anything costs more than it may."""
    return any(verdict.ending is Ending.OVER for verdict in verdicts)


def conclude(verdicts: list[Verdict]) -> str:
    """Say what came out, and what to do about it."""
    accept = f"`{suite.MODULE} --update` and commit {kept.FILE.name}"
    lines = []
    for ending, text in (
        (Ending.OVER, f"More than the tolerance; if it is meant: {accept}"),
        (Ending.BETTER, f"Less by more than the tolerance, so that a relapse would pass: {accept}"),
        (Ending.NOT_KEPT, f"Not judged, as no figure is kept: {accept}"),
    ):
        found = [verdict for verdict in verdicts if verdict.ending is ending]
        if found:
            lines.append(f"{text}:")
            lines += [f"  {_describe(verdict)}" for verdict in found]
    if lines:
        return "\n".join(lines)
    if any(verdict.ending is Ending.WITHIN for verdict in verdicts):
        return "Nothing costs more than is kept."
    return f"Nothing was judged; to keep figures of this interpreter in place of the others: {accept}"


def _describe(verdict: Verdict) -> str:
    number = "{:,.0f}" if verdict.by == "count" else "{:.3f}"
    counted = number.format(verdict.counted)
    if verdict.kept is None or verdict.change is None:
        return f"{verdict.scenario}: {verdict.by} {counted}"
    return (
        f"{verdict.scenario}: {verdict.by} {counted}, kept {number.format(verdict.kept)}, "
        f"{verdict.change:+.2%}, allowed {verdict.tolerance:.0%}"
    )


if __name__ == "__main__":
    sys.exit(main())
