"""What benchmarks leave: tables with their goals, as text for people and as JSON for programs."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

WIDTH = 130
"""Columns of text where the output is no terminal, which would tell its own."""

Cell = str | int | float | None


@dataclass(frozen=True, slots=True)
class Goal:
    """What was to be reached.

    Attributes:
        text: in words, with the limit.
        limit: the most that is good, or the least.
        measured: what came out; `None` if this run does not say, as a quick one on less data.
        at_least: whether `limit` is the least.
    """

    text: str
    limit: float
    measured: float | None
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """Whether it was reached; `None` if this run does not say."""
        if self.measured is None:
            return None
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


@dataclass(frozen=True, slots=True)
class Result:
    """One table.

    Attributes:
        name: of the benchmark it belongs to.
        title: what it shows.
        compares: what is compared with what, in a sentence or two.
        columns: headings, with units.
        rows: cells; `None` where there is nothing to say.
        goals: what was to be reached.
    """

    name: str
    title: str
    compares: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    goals: tuple[Goal, ...] = ()


def describe_machine() -> dict[str, Any]:
    """Return what numbers depend on besides the code."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": platform.platform(terse=True),
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
    }


def to_document(results: list[Result], *, quick: bool) -> dict[str, Any]:
    """Return all results as plain values for JSON."""
    return {
        "machine": describe_machine(),
        "quick": quick,
        "results": [
            {**asdict(result), "goals": [{**asdict(goal), "met": goal.met} for goal in result.goals]}
            for result in results
        ],
    }


class Printer:
    """Prints results as they come."""

    def __init__(self) -> None:
        self._console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)

    def start(self, *, quick: bool) -> None:
        """Say where this runs, and what is to be thought of it."""
        machine = describe_machine()
        self._console.print(
            f"{machine['implementation']} {machine['python']}, {machine['cpus']} processors, "
            f"load {machine['load']} at the start, {machine['system']}"
        )
        if quick:
            self._console.print("Quick: few rounds and less data; look at the structure, not at the numbers.")

    def show(self, result: Result) -> None:
        """Print one table, what it compares, and its goals."""
        self._console.print()
        self._console.print(f"[bold]{result.name}: {result.title}[/bold]")
        self._console.print(result.compares)
        if result.rows:
            table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
            for number, heading in enumerate(result.columns):
                table.add_column(heading, justify="right" if number else "left", no_wrap=not number)
            for row in result.rows:
                table.add_row(*map(_to_text, row))
            self._console.print(table)
        for goal in result.goals:
            self._console.print(_describe(goal))


def _describe(goal: Goal) -> str:
    match goal.met:
        case None:
            return f"goal: {goal.text}: not judged in this run"
        case True:
            verdict = "[green]yes[/green]"
        case False:
            verdict = "[red]no[/red]"
    return f"goal: {goal.text}: measured {goal.measured:,.3f}, met: {verdict}"


def _to_text(cell: Cell) -> str:
    """Write a number with three digits that count, but never less than it has before the point."""
    if cell is None:
        return "-"
    if not isinstance(cell, float):
        return f"{cell:,}" if isinstance(cell, int) else str(cell)
    digits = 3 if abs(cell) < 1 else 2 if abs(cell) < 10 else 1 if abs(cell) < 100 else 0
    return f"{cell:,.{digits}f}"
