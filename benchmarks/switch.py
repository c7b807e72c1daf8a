"""Benchmark `switch`: from the press on a tab of `serve`'s front page until the view is on the screen."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure import limit_rounds, summarize
from benchmarks.project import make_project
from benchmarks.report import Goal, Result
from benchmarks.view import FULL, PLUGINS, QUICK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from benchmarks.project import Project, Size

NAME = "switch"
TITLE = "switching to the view project in a browser"
MOST_MS = 200.0
PASSED_BY = 9
"""Views that are switched through, before the last of a quick round."""

PAUSE_MS = 5
PHASE_SECONDS = 40.0
MOST_SECONDS = 150.0
ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]

# In the page: presses tabs as people do, and waits for the page's own measure of the last one.
SWITCH = """
async ([names, pauseMs]) => {
    performance.clearMeasures();
    performance.clearResourceTimings();
    const drawn = new Promise((resolve) => {
        new PerformanceObserver((list, observer) => {
            if (!list.getEntriesByName("switch").length) return;
            observer.disconnect();
            resolve();
        }).observe({ type: "measure" });
    });
    for (const [number, name] of names.entries()) {
        if (number) await new Promise((next) => setTimeout(next, pauseMs));
        document.querySelector(`[data-view=${name}]`).click();
    }
    await drawn;
    const took = performance.getEntriesByName("switch").at(-1);
    // The browser may tell of the request a little later than the page has drawn its answer.
    const path = `/views/${names.at(-1)}`;
    const find = () => performance.getEntriesByType("resource").findLast((one) => one.name.includes(path));
    while (!find()) await new Promise(requestAnimationFrame);
    const asked = find();
    const failed = document.querySelectorAll(".failed, .alert").length;
    return { view: took.detail.view, took: took.duration, asked: asked.duration, failed };
}
"""


@dataclass(slots=True)
class Samples:
    """What switches took, in milliseconds.

    Attributes:
        took: from the press until the view was on the screen.
        asked: the part of it between request and the end of the answer.
    """

    took: list[float] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)


def run(*, quick: bool) -> list[Result]:
    """Time switches that are waited for, and the last of many that are not."""
    missing = [name for name in (*PLUGINS, "playwright") if importlib.util.find_spec(name) is None]
    missing += [name for name in ("git", "chromium") if shutil.which(name) is None]
    if missing:
        left_out = f"left out, because it is not installed: {', '.join(missing)}"
        return [Result(name=NAME, title=TITLE, compares=left_out)]
    size = QUICK if quick else FULL
    with tempfile.TemporaryDirectory(prefix="aiohttp-steps-benchmark-") as folder:
        project = make_project(Path(folder), size)
        samples = asyncio.run(_measure(project, runs=3 if quick else 50))
    return [_describe(size, samples, quick=quick)]


async def _measure(project: Project, runs: int) -> dict[str, Samples]:
    from playwright.async_api import async_playwright  # noqa: PLC0415 - not installed everywhere

    waited, hurried = Samples(), Samples()
    async with asyncio.timeout(MOST_SECONDS), _serving(project) as url, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM)
        page = await browser.new_page()
        await page.goto(f"{url}/#chat_send")
        await page.get_by_role("tab", name="project").wait_for()
        there_and_back = ["chat_send", "project"]
        in_a_row = [there_and_back[number % 2] for number in range(PASSED_BY)] + ["project"]
        for number in limit_rounds(runs + 1, PHASE_SECONDS):
            for samples, names in ((waited, there_and_back), (hurried, in_a_row)):
                into = samples if number else Samples()  # the first one opens files and starts threads
                await _switch(page, names, into)
        await browser.close()
    return {"waited for": waited, f"after {PASSED_BY} in a row": hurried}


async def _switch(page: Any, names: list[str], into: Samples) -> None:
    """Switch through views, and add what the last one took.

    Raises:
        RuntimeError: it was not drawn as it should be.
    """
    measured = await page.evaluate(SWITCH, [names, PAUSE_MS])
    if measured["view"] != names[-1] or measured["failed"]:
        message = f"the page did not show the view {names[-1]} without errors: {measured}"
        raise RuntimeError(message)
    into.took.append(measured["took"])
    into.asked.append(measured["asked"])


@contextlib.asynccontextmanager
async def _serving(project: Project) -> AsyncIterator[str]:
    """Run `aiohttp-steps serve` in the repository, as people do, and end it as they do."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "aiohttp_steps",
        "serve",
        "--port",
        "0",
        cwd=project.repository,
        env={**os.environ, "AIOHTTP_STEPS_CHAT_FOLDER": str(project.chat_folder)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    if process.stdout is None:
        message = "the server's process has no pipe"
        raise RuntimeError(message)
    try:
        line = (await process.stdout.readline()).decode()
        if not line.startswith("Serving on "):
            message = f"the server did not start: {line}"
            raise RuntimeError(message)
        yield line.removeprefix("Serving on ").strip()
        process.terminate()
        await asyncio.wait_for(process.wait(), timeout=15.0)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _describe(size: Size, samples: dict[str, Samples], *, quick: bool) -> Result:
    rows = tuple(
        (
            name,
            summarize(each.took).median,
            sorted(each.took)[len(each.took) * 95 // 100],
            max(each.took),
            summarize(each.asked).median,
            sum(took <= MOST_MS for took in each.took) / len(each.took),
        )
        for name, each in samples.items()
    )
    goals = tuple(
        Goal(
            f"{name}: each switch takes at most {MOST_MS:.0f} ms, worst of {len(each.took)}",
            MOST_MS,
            None if quick else max(each.took),
        )
        for name, each in samples.items()
    )
    return Result(
        name=NAME,
        title=TITLE,
        compares=(
            f"{size.described}. `aiohttp-steps serve` and a headless Chromium, both on this machine. From "
            "the press on the tab until the view is on the screen, as the page measures it; asked: the part "
            "between the request and the end of its answer. In a row: tabs are pressed every "
            f"{PAUSE_MS} ms, so that the runs of all but the last are cancelled."
        ),
        columns=("switches", "p50 ms", "p95 ms", "worst ms", "asked p50 ms", "share within 200 ms"),
        rows=rows,
        goals=goals,
    )
