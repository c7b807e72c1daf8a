"""The benchmarks run and end by themselves; what they measure is not judged here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 90

pytest.importorskip("rich", reason="the benchmarks print their tables with rich, of the extra `cli`")


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Run two benchmarks that need neither plugins nor waiting; give the process and its document."""
    file = tmp_path_factory.mktemp("benchmarks") / "results.json"
    process = run("--quick", "--only", "plan,peers", "--json", str(file))
    assert process.returncode == 0, process.stderr
    return process, json.loads(file.read_text())


def test_only_the_named_benchmarks_run_in_their_usual_order(done):
    """Two runs can be laid side by side however their names were given."""
    process, document = done
    assert list(dict.fromkeys(result["name"] for result in document["results"])) == ["peers", "plan"]
    assert "seed:" not in process.stdout


def test_the_document_says_what_numbers_depend_on(done):
    """A number without its Python, its machine and its mode says nothing."""
    _, document = done
    assert document["quick"] is True
    assert document["machine"]["python"].split(".")[:2] == [str(part) for part in sys.version_info[:2]]
    assert document["machine"]["cpus"] >= 1


def test_each_row_has_a_cell_for_each_column(done):
    """Programs read rows by the place of their column."""
    for result in done[1]["results"]:
        assert result["title"]
        assert result["compares"]
        assert result["rows"]
        assert {len(row) for row in result["rows"]} == {len(result["columns"])}


def find(done, words):
    (found,) = [result for result in done[1]["results"] if words in result["title"]]
    return found


def test_async_steps_cover_sizes_and_shapes(done):
    """The table is about growth, which one size cannot show; the quick run leaves out the large ones."""
    table = find(done, "async steps by shape and size")
    assert [row[0] for row in table["rows"]] == [
        *["1 flat", "3 flat", "10 flat", "3 chain", "10 chain", "10 diamond", "10 layered"]
    ]
    assert all(row[table["columns"].index("ours")] > 0 for row in table["rows"])


def test_eager_tasks_are_a_contender_where_python_has_them(done):
    """What asyncio does best by hand belongs beside the engine, also where it makes it look worse."""
    table = find(done, "async steps by shape and size")
    cells = [row[table["columns"].index("/ eager")] for row in table["rows"]]
    assert all((cell is not None) == (sys.version_info >= (3, 12)) for cell in cells)


def test_every_body_and_fault_has_a_cell_for_each_shape_and_size(done):
    """A combination that nobody measured is where a slow path hides."""
    loop, threads = find(done, "in the loop"), find(done, "in threads, by shape")
    assert loop["columns"][1::2] == [
        "async, fails us",
        "async, times out us",
        "inline us",
        "inline, fails us",
    ]
    assert threads["columns"][1::2] == ["thread us", "thread, fails us", "thread, times out us"]
    assert all(cell > 0 for table in (loop, threads) for row in table["rows"] for cell in row[1:])


def test_plan_covers_sizes_and_shapes(done):
    """Wide, deep and random graphs each have their own way to be slow; a quick run leaves out the largest."""
    plan = done[1]["results"][-1]
    assert [row[:2] for row in plan["rows"]] == [
        [shape, size] for shape in ("wide", "deep", "random", "mixed") for size in (10, 100, 1_000)
    ]


def test_a_goal_that_was_measured_says_whether_it_was_met(done):
    """The verdict follows from the numbers that stand beside it, on paper as in the document."""
    process, document = done
    goals = [goal for result in document["results"] for goal in result["goals"]]
    judged = [goal for goal in goals if goal["measured"] is not None]
    assert len(judged) == 6
    for goal in judged:
        assert goal["met"] is (goal["measured"] <= goal["limit"])
    assert process.stdout.count("met: yes") == sum(goal["met"] for goal in judged)


def test_a_goal_that_was_not_measured_is_not_judged(done):
    """A quick run must not pass for a proof."""
    process, document = done
    plan = document["results"][-1]
    assert [goal["met"] for goal in plan["goals"]] == [None] * 5
    assert process.stdout.count("not judged in this run") == 5


def test_an_unknown_name_is_refused_with_the_known_ones():
    """A slip must not look like a run that had nothing to say."""
    process = run("--only", "sead")
    assert process.returncode == 2
    assert "no benchmark sead; there are: seed, view, real, switch, peers, plan" in process.stderr
