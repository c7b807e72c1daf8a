"""Benchmark `switch` runs and ends by itself; what it measures is not judged here."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_benchmark_switches_in_a_browser(browser, tmp_path):
    """A row for switches that are waited for, and one for those in a row; a quick run judges none."""
    for name in ("rich", "aiohttp_steps_git", "aiohttp_steps_chat"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    if shutil.which("git") is None:
        pytest.skip("git makes the repository, and is not installed")
    file = tmp_path / "results.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--only", "switch", "--json", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (result,) = json.loads(file.read_text())["results"]
    assert [row[0] for row in result["rows"]] == ["waited for", "after 9 in a row"]
    assert {len(row) for row in result["rows"]} == {len(result["columns"])}
    assert [goal["met"] for goal in result["goals"]] == [None, None]
