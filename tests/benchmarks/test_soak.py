"""The short form of the soak: a few seconds of everything at once, over HTTP."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytest.importorskip("rich", reason="the benchmarks print their tables with rich, of the extra `cli`")


def test_crowd_gets_right_answers_or_declared_errors_and_leaves_nothing_behind(tmp_path):
    """Failures, hangs, departures, killed workers and changes of plugins, all at once, as in the long run."""
    file = tmp_path / "results.json"
    process = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--only", "soak", "--json", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    (result,) = json.loads(file.read_text())["results"]
    counts = dict(result["rows"])
    assert counts["wrong answers, broken laws"] == 0, result["compares"]
    assert counts["left over"] == 0, result["compares"]
    for seen in ("answered 200", "answered 401", "clients that left", "changes of plugins"):
        assert counts[seen] > 0
    for what in ("declared: soaked", "hangs: timeout", "late: skipped"):
        assert counts[f"step {what}"] > 0
