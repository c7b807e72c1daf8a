"""`explain --analyze`: where the time of real runs went, and what parallel running brings."""

from __future__ import annotations

import statistics
from collections import Counter
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from aiohttp_steps.cli.common import Console, count
from aiohttp_steps.engine import describe_outcome, describe_timing, to_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import rich.console

    from aiohttp_steps.types import Outcome, Plan, Report, TierKind

STYLES: dict[TierKind, str] = {"gate": "magenta", "sequential": "yellow", "parallel": "green"}

MOST_BAR_CELLS, LEAST_BAR_CELLS = 40, 10
"""Width of the timeline of a run: what the other columns leave of the console's."""

LEAST_NAME_CELLS = 12
"""Width of a name below which other columns give way."""

GIVE_WAY = ("what if", "p95", "lock", "idle")
"""Columns that are left out where they say nothing, or where the terminal is narrow: the first goes first."""

NOTHING = {"0.0", ""}
"""Cells that say nothing."""

WORTH_TELLING_S = 0.00005
"""Less than this prints as 0.0 ms."""


class Analysis:
    """Some real runs of one view.

    Args:
        reports: of the runs, at least one; plugins may have selected different steps for each.

    Attributes:
        report: the run whose wall time is the median; where one run is shown, it is this.
    """

    def __init__(self, reports: Sequence[Report]) -> None:
        self.reports = reports
        by_wall = sorted(reports, key=lambda report: report.timing.wall_s)
        self.report = by_wall[(len(by_wall) - 1) // 2]

    @property
    def plan(self) -> Plan:
        """What ran in that run."""
        return self.report.plan

    def outcomes(self, name: str) -> list[Outcome]:
        """Return how a step ended in each run that had it."""
        return [report.outcome(name) for report in self.reports if name in report]

    def what_if_s(self, name: str) -> float | None:
        """Return the median of what being parallel brings or would bring; `None` for a gate."""
        gains = [report.what_if[name] for report in self.reports if name in report.what_if]
        return statistics.median(gains) if gains else None

    def describe_step(self, name: str) -> dict[str, Any]:
        """Return a step's outcome in the median run, and its times over all runs, in milliseconds."""
        outcomes = self.outcomes(name)
        gain_s = self.what_if_s(name)
        parts: dict[str, Callable[[Outcome], float]] = {
            "barrier_ms": lambda outcome: outcome.barrier_s,
            "queue_ms": lambda outcome: outcome.queue_s,
            "lock_ms": lambda outcome: outcome.lock_s,
            "run_ms": lambda outcome: outcome.run_s,
        }
        return {
            "outcome": describe_outcome(self.report.outcome(name)),
            "statuses": Counter(outcome.status.value for outcome in outcomes),
            "times": {
                part: _describe_spread([read(one) for one in outcomes]) for part, read in parts.items()
            },
            "what_if_ms": None if gain_s is None else to_ms(gain_s),
        }

    def describe(self) -> dict[str, Any]:
        """Return the times of the median run as a whole, and of all runs."""
        timings = [report.timing for report in self.reports]
        return {
            **describe_timing(self.report),
            "idle_ms": to_ms(self.report.timing.idle_s),
            "runs": len(timings),
            "wall": _describe_spread([timing.wall_s for timing in timings]),
            "sum": _describe_spread([timing.sum_s for timing in timings]),
        }

    def print(self) -> None:
        """Print the tiers and steps as a tree with times and bars, and what follows from them."""
        console = Console.results()
        console.print(self._make_table(console))
        self._print_sums(console)
        for name, error in self.report.errors.items():
            told = f"{type(error).__name__}: {error}"
            console.print(f"[yellow]{escape(name)}:[/] {escape(told)}", soft_wrap=True)

    def _make_table(self, console: rich.console.Console) -> Table:
        rows = {name: self._describe_cells(name) for name in self.report}
        columns, cells = self._choose_columns(rows, console.width)
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("step", overflow="fold")  # where the terminal is narrow, names give way, not times
        for title in columns:
            is_number = title not in ("status", "what if")
            table.add_column(title, justify="right" if is_number else "left", no_wrap=True)
        table.add_column("timeline", no_wrap=True)
        cell_s = self.report.timing.wall_s / cells
        for number, tier in enumerate(self.plan.tiers, start=1):
            head, rest = ("└─", "  ") if number == len(self.plan.tiers) else ("├─", "│ ")
            table.add_row(f"[dim]{head}[/] [bold {STYLES[tier.kind]}]{number} {tier.kind}[/]")
            for node in tier.nodes:
                name = node.step.name
                style = "red" if name in self.report.timing.critical_path else "green"
                told = f"[bold red]{escape(name)}[/]" if style == "red" else escape(name)
                table.add_row(
                    f"[dim]{rest} {'└─' if node is tier.nodes[-1] else '├─'}[/] {told}",
                    *(rows[name][title] for title in columns),
                    _draw(self.report.outcome(name), cell_s, style),
                )
        return table

    def _describe_cells(self, name: str) -> dict[str, str]:
        """Return what the columns between name and timeline say of a step, by their titles."""
        outcomes = self.outcomes(name)
        runs = [one.run_s for one in outcomes]
        return {
            "status": _describe_statuses(outcomes),
            "idle": _median_ms([one.barrier_s for one in outcomes]),
            "queue": _median_ms([one.queue_s - one.lock_s for one in outcomes]),
            "lock": _median_ms([one.lock_s for one in outcomes]),
            "run ms": _median_ms(runs),
            "p95": f"{_p95(runs) * 1000:.1f}" if len(self.reports) > 1 else "",
            "what if": self._describe_gain(name),
        }

    def _choose_columns(self, rows: Mapping[str, Mapping[str, str]], width: int) -> tuple[list[str], int]:
        """Return the titles of the columns that there is room for, and the cells left for the timeline."""
        titles = list(next(iter(rows.values()), ()))
        names = max(map(len, rows), default=0) + len("│  ├─ ")
        widths = {
            title: 2 + max(len(title), *(len(cells[title]) for cells in rows.values())) for title in titles
        }
        for title in GIVE_WAY:
            is_mute = all(cells[title] in NOTHING for cells in rows.values())
            room = width - min(names, LEAST_NAME_CELLS) - sum(widths[each] for each in titles) - 2
            if title in titles and (is_mute or room < LEAST_BAR_CELLS):
                titles.remove(title)
        room = width - names - sum(widths[title] for title in titles) - 2
        return titles, max(LEAST_BAR_CELLS, min(MOST_BAR_CELLS, room))

    def _describe_gain(self, name: str) -> str:
        gain_s = self.what_if_s(name)
        if gain_s is None or gain_s < WORTH_TELLING_S:
            return ""
        is_made = self.report.outcome(name).step.kind == "parallel" and not self.plan.sequential
        return f"{'brings' if is_made else 'would bring'} {gain_s * 1000:.1f}"

    def _print_sums(self, console: rich.console.Console) -> None:
        timing, number = self.report.timing, len(self.reports)
        walls = [report.timing.wall_s for report in self.reports]
        sum_s = statistics.median(report.timing.sum_s for report in self.reports)
        wall_s = statistics.median(walls)
        spread = f" (median of {count(number, 'run')}; p95 {_p95(walls) * 1000:.1f} ms)" if number > 1 else ""
        console.print(
            f"wall [bold]{wall_s * 1000:.1f} ms[/]{spread}; one after another {sum_s * 1000:.1f} ms"
        )
        path = " → ".join(timing.critical_path)
        same = sum(report.timing.critical_path == timing.critical_path for report in self.reports)
        often = f" (the same in {same} of {number} runs)" if number > 1 else ""
        critical = f"critical path [bold red]{escape(path)}[/]: {timing.critical_path_s * 1000:.1f} ms{often}"
        console.print(critical, soft_wrap=True)
        if sum_s - wall_s > WORTH_TELLING_S:
            console.print(f"saved by running in parallel: {(sum_s - wall_s) * 1000:.1f} ms")


def _describe_statuses(outcomes: Sequence[Outcome]) -> str:
    """Say how a step ended: in a word if always the same, else how often it did not succeed."""
    statuses = Counter(outcome.status.value for outcome in outcomes)
    most, often = statuses.most_common(1)[0]
    return most if often == len(outcomes) else f"{most} {often}/{len(outcomes)}"


def _median_ms(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds) * 1000:.1f}"


def _draw(outcome: Outcome, cell_s: float, style: str) -> str:
    """Draw when a step waited (dotted) and ran (solid), one character for each `cell_s` seconds."""
    if outcome.started_s is None or not cell_s:
        return ""
    queued = round((outcome.started_s - outcome.queue_s) / cell_s)
    start = round(outcome.started_s / cell_s)
    length = max(1, round((outcome.started_s + outcome.run_s) / cell_s) - start)
    return " " * queued + f"[dim]{'·' * (start - queued)}[/][{style}]{'━' * length}[/]"


def _p95(seconds: Sequence[float]) -> float:
    """Return what 19 in 20 do not exceed."""
    return statistics.quantiles(seconds, n=20, method="inclusive")[-1] if len(seconds) > 1 else seconds[0]


def _describe_spread(seconds: Sequence[float]) -> dict[str, float]:
    return {"median": to_ms(statistics.median(seconds)), "p95": to_ms(_p95(seconds))}
