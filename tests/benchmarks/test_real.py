"""The benchmark of the real view: times are not judged here, only counts, which no load changes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SIZES = ("200 files, 1 MB", "1,000 files, 10 MB")

pytest.importorskip("rich", reason="the benchmarks print their tables with rich, of the extra `cli`")
pytest.importorskip("aiohttp_steps_git")
pytest.importorskip("aiohttp_steps_chat")
if shutil.which("git") is None:
    pytest.skip("the benchmark compares with git", allow_module_level=True)


@pytest.fixture(scope="module")
def made_in(tmp_path_factory):
    """Return the folder in which projects are made."""
    return tmp_path_factory.mktemp("made")


@pytest.fixture(scope="module")
def results(made_in, tmp_path_factory):
    """Run it once, short."""
    file = tmp_path_factory.mktemp("real") / "results.json"
    process = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--only", "real", "--json", str(file)],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(made_in)},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return json.loads(file.read_text())["results"]


def test_each_step_stands_beside_its_command_for_each_size(results):
    """A ratio says something only beside the same work on the same project."""
    steps = ("git_status", "git_log", "git_branch", "chat_history")
    assert [tuple(row[:2]) for row in results[0]["rows"]] == [
        (size, step) for size in SIZES for step in steps
    ]
    assert all(row[2] > 0 and row[5] > 0 and row[7] > 0 for row in results[0]["rows"])


def test_page_of_a_long_transcript_reads_no_more_than_one_of_a_short_one(results):
    """Counted by the system, in the process that has read."""
    (flat,) = [goal for goal in results[0]["goals"] if goal["text"].startswith("a page of")]
    if flat["measured"] is None:
        pytest.skip("this system does not count bytes that are read")
    assert flat["met"]
    assert all(60 < row[-1] < 70 for row in results[1]["rows"])


def test_view_is_measured_for_each_size(results):
    """The same application, requests and stalls as in benchmark `view`."""
    assert [row[0] for row in results[2]["rows"]] == list(SIZES)
    assert {len(row) for row in results[2]["rows"]} == {len(results[2]["columns"])}


def test_nothing_of_the_projects_is_left(results, made_in):
    """The large ones have a hundred thousand files."""
    assert results
    assert list(made_in.iterdir()) == []
