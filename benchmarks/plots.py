"""`python -m benchmarks.plots`: pictures of what `peers` measured, one results file for each Python.

Pictures carry their own background and colours for light and dark, so that they can be read wherever they are
shown. The same results give the same bytes.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.axes import Axes

    Table = Mapping[str, Any]

OURS = "aiohttp-steps"
SIZE = 10
"""Steps of the runs whose costs are drawn as bars."""

SETTINGS = {
    "svg.hashsalt": "aiohttp-steps",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
}

COLORS = {  # in matplotlib's hands: on a light page, on a dark one
    "ground": ("#ffffff", "#1f2129"),
    "ink": ("#24292f", "#e6e8ee"),
    "faint": ("#5d6570", "#a3abb8"),
    "grid": ("#e3e6ea", "#363a46"),
    "ours": ("#c2410c", "#ff9b52"),
    "hand": ("#2f6fb5", "#75b0f0"),
    "peer": ("#9aa3ae", "#757e8c"),
    "group": ("#6d4bb5", "#b79bf5"),
    "eager": ("#23804f", "#62cf97"),
}
LIGHT = {name: light for name, (light, _) in COLORS.items()}

SHAPES = {"flat": "independent steps", "chain": "each takes the one before"}
SIZES = (1, 3, 10, 100, 1_000)

LINES = {  # column of the table: name, color, marker
    "ours": (OURS, "ours", "o"),
    "gather": ("gather", "hand", "s"),
    "group": ("TaskGroup", "group", "^"),
    "eager": ("gather (eager tasks)", "eager", "D"),
}


class ResultsError(Exception):
    """A file holds no results that can be drawn."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one file holds of `peers`.

    Attributes:
        python: major and minor version.
        quick: whether it was a quick run, whose numbers say nothing.
        flat, chain: tables of contenders.
        growth: table of async steps by shape and size.
    """

    python: str
    quick: bool
    flat: Table
    chain: Table
    growth: Table


def read_results(file: Path) -> Measured:
    """Read a file that `python -m benchmarks --json` wrote.

    Raises:
        ResultsError: it cannot be read, or has no results of `peers`.
    """
    remedy = f"make them with: python -m benchmarks --only peers --json {file}"
    try:
        document = json.loads(file.read_text())
        tables = [result for result in document["results"] if result["name"] == "peers"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"{file}: no results of benchmarks ({type(error).__name__}: {error}); {remedy}"
        raise ResultsError(message) from error

    def find(column: str) -> Table:
        for table in tables:
            if column in table["columns"]:
                found: Table = table
                return found
        message = f"{file}: no results of peers; {remedy}"
        raise ResultsError(message)

    return Measured(
        python=".".join(document["machine"]["python"].split(".")[:2]),
        quick=document["quick"],
        flat=find(f"{SIZE} / gather"),
        chain=find(f"{SIZE} / plain awaits"),
        growth=find("level"),
    )


def draw_bars(measured: Sequence[Measured], shape: str) -> Figure:
    """Draw what a run costs each contender, by what it costs the one that all are compared with."""
    base = "gather" if shape == "flat" else "plain awaits"
    ratios = {each.python: _read_ratios(getattr(each, shape), base) for each in measured}
    names = _order(ratios)
    figure = Figure(figsize=(9.4, 0.9 + 0.27 * len(names)), layout="constrained")
    panels = figure.subplots(1, len(ratios), sharey=True, sharex=True, squeeze=False)[0]
    for panel, (python, costs) in zip(panels, ratios.items(), strict=True):
        _draw_panel(panel, names, costs)
        panel.set_title(f"Python {python}", loc="left", color=LIGHT["ink"], weight="bold")
    drawn = [cost for costs in ratios.values() for cost in costs.values()]
    # Room for the numbers at the ends of bars; the line at 1 is where all of them begin.
    panels[0].set_xlim(min(1 / 1.1, min(drawn) / 4), max(drawn) * 3)
    figure.supxlabel(
        f"cost of a run of {SIZE} {'independent' if shape == 'flat' else 'chained'} steps that do nothing, "
        f"{base} = 1",
        color=LIGHT["faint"],
        size=9.5,
    )
    return figure


def draw_growth(measured: Sequence[Measured]) -> Figure:
    """Draw what each way adds to a step, on top of plain awaits, by how many steps there are."""
    figure = Figure(figsize=(9.4, 5.0), layout="constrained")
    panels = figure.subplots(2, len(measured), sharey=True, sharex=True, squeeze=False)
    for row, shape in enumerate(SHAPES):
        for panel, each in zip(panels[row], measured, strict=True):
            _draw_lines(panel, each.growth, shape)
    for panel, each in zip(panels[0], measured, strict=True):
        panel.set_title(f"Python {each.python}", loc="left", color=LIGHT["ink"], weight="bold")
    known: dict[str, Any] = {}
    for panel in figure.axes:
        handles, labels = panel.get_legend_handles_labels()
        known.update(zip(labels, handles, strict=True))
    figure.legend(
        known.values(), known, loc="outside upper left", ncols=4, frameon=False, labelcolor=LIGHT["ink"]
    )
    figure.supxlabel("steps in a run", color=LIGHT["faint"], size=9.5)
    figure.supylabel("microseconds that each step adds to plain awaits", color=LIGHT["faint"], size=9.5)
    return figure


def _read_ratios(table: Table, base: str) -> dict[str, float]:
    place = table["columns"].index(f"{SIZE} / {base}")
    return {row[0]: row[place] for row in table["rows"] if row[place] is not None and row[0] != base}


def _order(ratios: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return contenders from the cheapest to the dearest, on the first Python that has them."""
    costs: dict[str, float] = {}
    for each in ratios.values():
        costs = {**each, **costs}
    return sorted(costs, key=lambda name: costs[name])


def _draw_panel(panel: Axes, names: Sequence[str], costs: Mapping[str, float]) -> None:
    panel.set_xscale("log")
    by_hand = ("plain awaits", "gather", "TaskGroup")
    for place, name in enumerate(names):
        cost = costs.get(name)
        if cost is None:
            continue
        is_hand = name.startswith(by_hand)
        color = LIGHT["ours" if name == OURS else "hand" if is_hand else "peer"]
        panel.barh(place, cost - 1, left=1, height=0.62, color=color, linewidth=0)
        panel.annotate(
            f"{cost:#.2g}" if cost < 10 else f"{cost:.0f}",
            (cost, place),
            xytext=(-4 if cost < 1 else 4, 0),
            textcoords="offset points",
            ha="right" if cost < 1 else "left",
            va="center",
            color=LIGHT["ink"],
            size=8.5,
            weight="bold" if name == OURS else "normal",
        )
    panel.axvline(1, color=LIGHT["ink"], linewidth=1)
    panel.set_yticks(range(len(names)), names)
    for label in panel.get_yticklabels():
        if label.get_text() == OURS:
            label.set_weight("bold")
    panel.set_ylim(len(names) - 0.4, -0.6)
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    _tidy(panel, "x")


def _draw_lines(panel: Axes, table: Table, shape: str) -> None:
    columns = table["columns"]
    rows = [(int(size), row) for row in table["rows"] for size, of in [row[0].split()] if of == shape]
    plain = columns.index("plain")
    for name, (label, color, marker) in LINES.items():
        place = columns.index(name)
        points = [(size, (row[place] - row[plain]) / size) for size, row in rows if row[place] is not None]
        if points:
            panel.plot(
                *zip(*points, strict=True),
                label=label,
                color=LIGHT[color],
                marker=marker,
                markersize=4.5,
                linewidth=2.4 if name == "ours" else 1.5,
                zorder=3 if name == "ours" else 2,
            )
    panel.set_xscale("log")
    panel.set_xticks(SIZES, [f"{size:,}" for size in SIZES])
    panel.text(
        0.97, 0.95, SHAPES[shape], transform=panel.transAxes, ha="right", va="top", color=LIGHT["faint"]
    )
    panel.set_ylim(bottom=0)
    _tidy(panel, "y")


def _tidy(panel: Axes, axis: Any) -> None:
    panel.xaxis.set_minor_locator(NullLocator())
    panel.grid(axis=axis, color=LIGHT["grid"], linewidth=0.8)
    panel.tick_params(length=0, colors=LIGHT["faint"], labelcolor=LIGHT["ink"])
    panel.spines["bottom"].set_color(LIGHT["grid"])


def to_svg(figure: Figure) -> str:
    """Return the picture as SVG that turns dark with the reader's system; its texts stay texts."""
    figure.set_facecolor(LIGHT["ground"])
    for panel in figure.axes:
        panel.set_facecolor("none")
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return _make_adaptive(buffer.getvalue())


def _make_adaptive(svg: str) -> str:
    """Let colors be looked up in a style sheet that knows light and dark, and fonts be the reader's own."""
    for name, light in LIGHT.items():
        svg = svg.replace(light, f"var(--{name})")
    svg = re.sub(r"font-family: [^;\"]+", "font-family: system-ui, sans-serif", svg)
    light, dark = (
        "".join(f"--{name}: {pair[number]}; " for name, pair in COLORS.items()) for number in (0, 1)
    )
    style = f"<style>svg {{ {light}}} @media (prefers-color-scheme: dark) {{ svg {{ {dark}}} }}</style>"
    return re.sub(r"(<svg\b[^>]*>)", lambda found: f"{found[1]}\n {style}", svg, count=1)


def main(arguments: list[str] | None = None) -> int:
    """Read the files that the command line names, and write the pictures."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.plots", description="Draws what peers measured."
    )
    parser.add_argument(
        "files", type=Path, nargs="+", help="results of `python -m benchmarks --json`, a file a Python"
    )
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="where the pictures go")
    options = parser.parse_args(arguments)
    try:
        measured = sorted(
            map(read_results, options.files), key=lambda each: [*map(int, each.python.split("."))]
        )
    except ResultsError as error:
        print(error, file=sys.stderr)
        return 1
    options.to.mkdir(parents=True, exist_ok=True)
    pictures: dict[str, Callable[[], Figure]] = {
        "peers-flat.svg": lambda: draw_bars(measured, "flat"),
        "peers-chain.svg": lambda: draw_bars(measured, "chain"),
        "peers-growth.svg": lambda: draw_growth(measured),
    }
    for name, draw in pictures.items():
        with mpl.rc_context(SETTINGS):
            svg = to_svg(draw())
        (options.to / name).write_text(svg)
        print(options.to / name)
    if any(each.quick for each in measured):
        print("of a quick run: look at the structure, not at the numbers")
    return 0


if __name__ == "__main__":
    sys.exit(main())
