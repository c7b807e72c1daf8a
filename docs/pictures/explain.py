"""Draws what `explain --analyze` prints of real runs: `python docs/pictures/explain.py`."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

PICTURE = Path(__file__).with_name("explain.svg")
COLUMNS = 112

PLUGIN = """
import asyncio
import time

from aiohttp_steps import step


@step(concurrency="gate", views=["page"])
async def user():
    await asyncio.sleep(0.004)


@step(views=["page"], after=["user"])
async def save_draft():
    await asyncio.sleep(0.012)


@step(views=["page"])
async def project_info():
    await asyncio.sleep(0.031)


@step(concurrency="parallel", views=["page"])
async def history():
    await asyncio.sleep(0.117)


@step(concurrency="parallel", views=["page"])
def status():
    time.sleep(0.019)


@step(concurrency="parallel", views=["page"])
def branch():
    time.sleep(0.009)


@step(concurrency="parallel", views=["page"])
async def headline(*, branch, status):
    await asyncio.sleep(0.002)
"""

FORMAT = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" role="img"
     xmlns="http://www.w3.org/2000/svg">
<title>What aiohttp-steps explain page --analyze --allow-writes printed</title>
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width;
}}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
<rect fill="#191919" width="{width}" height="{height}" rx="8"/>
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""Rich's own template asks a server for a font."""


def install(folder: Path) -> None:
    """Put the plugin where Python finds it as if it were installed."""
    (folder / "page_steps.py").write_text(PLUGIN)
    facts = folder / "page_steps-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: page-steps\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[aiohttp_steps]\npage = page_steps\n")


def run_in_terminal(command: list[str], environment: dict[str, str], folder: Path) -> str:
    """Return what a command writes to a terminal, colours and all."""
    ours, theirs = pty.openpty()
    streams = {"stdout": theirs, "stderr": theirs}
    with subprocess.Popen(command, **streams, env=environment, cwd=folder) as started:
        os.close(theirs)
        written = b""
        try:
            while more := os.read(ours, 65536):
                written += more
        except OSError:  # how Linux says that the last writer has gone
            pass
        finally:
            os.close(ours)
    if started.returncode:
        sys.exit(f"{command} ended with {started.returncode}: {written.decode()}")
    return written.decode().replace("\r\n", "\n")


def main() -> None:
    """Run the command and draw it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        install(folder)
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "PYTHONPATH": name}
        environment.pop("NO_COLOR", None)
        command = [sys.executable, "-m", "aiohttp_steps", "explain", "page", "--analyze", "--allow-writes"]
        written = run_in_terminal([*command, "--runs", "20"], environment, folder)
    console = Console(record=True, width=COLUMNS, file=StringIO())
    console.print(Text("$ aiohttp-steps explain page --analyze --allow-writes --runs 20", style="bold"))
    console.print(Text.from_ansi(written))
    console.save_svg(str(PICTURE), code_format=FORMAT, theme=DIMMED_MONOKAI, unique_id="explain")
    print(f"{PICTURE}: {PICTURE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
