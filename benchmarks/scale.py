"""Benchmark `scale`: memory of steps and runs, ten thousand requests at once, start-up with many plugins."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import crowd
from benchmarks.memory import GATHER, RUNS, SIZE, weigh_runs, weigh_steps
from benchmarks.report import Goal, Result

if TYPE_CHECKING:
    from benchmarks.report import Cell

MOST_RUN_BYTES = 8_000
IN_FLIGHT, QUICK_IN_FLIGHT = 10_000, 300

GROUP = "aiohttp_steps_scale"
PLUGINS, QUICK_PLUGINS = (0, 1, 10, 100, 1_000), (0, 10)

START = f"""
import json, sys, time
began = time.process_time()
import aiohttp_steps
imported = time.process_time()
modules = len(sys.modules)
registry = aiohttp_steps.StepRegistry()
loaded = registry.load_entry_points({GROUP!r}, strict=True)
read = time.process_time()
steps = len(registry.program("scale").bodies) if loaded else 0
ends = time.process_time()
print(json.dumps([loaded, steps, modules, began, imported - began, read - imported, ends - read]))
"""

PLUGIN = """
from aiohttp_steps import step

@step(concurrency="parallel", views=["scale"])
async def step_{number}(): ...
"""


def run(*, quick: bool) -> list[Result]:
    """Measure memory, then a crowd over HTTP, then start-up with many plugins."""
    return [_weigh_steps(quick=quick), _weigh_runs(quick=quick), _crowd(quick=quick), _start(quick=quick)]


def _weigh_steps(*, quick: bool) -> Result:
    counts = (100,) if quick else (100, 1_000, 10_000)
    return Result(
        name="scale",
        title="memory of a step that nobody runs",
        compares=(
            "Bytes per step that tracemalloc counts, without the function itself. registered: its options, "
            "pluggy's hook implementation, the step as it was read. compiled: its place in the plan and the "
            "program of one view besides."
        ),
        columns=("steps", "registered", "compiled"),
        rows=tuple((f"{count:,}", *weigh_steps(count)) for count in counts),
    )


def _weigh_runs(*, quick: bool) -> Result:
    runs = 50 if quick else 500
    rows: list[tuple[Cell, ...]] = []
    beyond = {}
    for name in (GATHER, *RUNS):
        total, alone = weigh_runs(name, runs)
        beyond[name] = total - alone
        rows.append((name, total, alone, beyond[name], beyond[name] / beyond[GATHER]))
    text = f"{SIZE} parallel steps that all wait: at most {MOST_RUN_BYTES:,} bytes beyond the steps' own"
    return Result(
        name="scale",
        title=f"memory of a run under way: {SIZE} steps, all that may have begun wait; {runs} runs",
        compares=(
            "Bytes per run that tracemalloc counts. own: coroutines of the steps by themselves, suspended "
            "without anybody who runs them, and a task that stands for the request's; beyond: what the "
            "engine adds; / gather: that by what gather adds, which knows neither times nor guards."
        ),
        columns=("steps", "bytes", "own", "beyond", "/ gather"),
        rows=tuple(rows),
        goals=(Goal(text, MOST_RUN_BYTES, None if quick else beyond["parallel"]),),
    )


def _crowd(*, quick: bool) -> Result:
    size = QUICK_IN_FLIGHT if quick else IN_FLIGHT
    rows: list[tuple[Cell, ...]] = []
    wrong = 0
    for way in ("gather", "view"):
        came = crowd.ask(size, way)
        wrong += came.wrong
        rows.append(
            (
                way,
                size,
                came.opened_s,
                came.answered_s,
                came.processor_s / size * 1e6,
                came.resident_bytes / size / 1e3,
                came.wrong,
            )
        )
    return Result(
        name="scale",
        title=f"requests over HTTP of which none is answered before all wait, {SIZE} steps each",
        compares=(
            "One server process, a connection for each request. opened: until the last request was sent; "
            "answered: from then until the last answer was there; us: processor time of the server for each; "
            "kB: growth of its resident memory for each, with aiohttp's own part. gather: a handler by hand."
        ),
        columns=("handler", "in flight", "opened s", "answered s", "us", "kB", "wrong"),
        rows=tuple(rows),
        goals=(Goal("every one of them is answered: wrong answers at most 0", 0, wrong),),
    )


def _start(*, quick: bool) -> Result:
    rows: list[tuple[Cell, ...]] = []
    for count in QUICK_PLUGINS if quick else PLUGINS:
        with tempfile.TemporaryDirectory(prefix="aiohttp-steps-scale-") as folder:
            _install(Path(folder), count)
            starts = [_time_start(Path(folder), count) for _ in range(1 if quick else 3)]
        times = zip(*(times for _, times in starts), strict=True)
        rows.append((f"{count:,}", starts[0][0], *(statistics.median(each) * 1e3 for each in times)))
    return Result(
        name="scale",
        title="start-up with plugins, a distribution and a step each",
        compares=(
            "Processor time of a new interpreter, ms, medians; modules: that it has imported before plugins. "
            "python: before our first line; import: of aiohttp_steps, with aiohttp; plugins: finding, "
            "importing and registering them; program: compiling a view of all their steps."
        ),
        columns=("plugins", "modules", "python", "import", "plugins ms", "program"),
        rows=tuple(rows),
    )


def _install(folder: Path, count: int) -> None:
    """Write distributions as an installer leaves them, with an entry point each; compile their modules."""
    for number in range(count):
        name = f"scale_plugin_{number}"
        (folder / f"{name}.py").write_text(PLUGIN.format(number=number))
        info = folder / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{GROUP}]\nplugin{number} = {name}\n")
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(folder)], check=True)


def _time_start(folder: Path, count: int) -> tuple[int, list[float]]:
    """Return the number of modules, and the seconds of each part of one start."""
    code = f"import sys; sys.path.insert(0, {str(folder)!r})\n{START}"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded, steps, modules, *times = json.loads(printed.stdout)
    assert loaded == steps == count
    return modules, times
