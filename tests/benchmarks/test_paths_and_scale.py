"""Benchmarks `paths` and `scale` run and end by themselves, and what they reckon with is right."""

import itertools
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rich", reason="the benchmarks print their tables with rich, of the extra `cli`")

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.graphs import SHAPES, Graph, draw_even, draw_graph  # noqa: E402 - found by the line above

SECONDS = 80


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Run both, and give their tables."""
    file = tmp_path_factory.mktemp("benchmarks") / "results.json"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", "paths,scale", "--json", str(file)]
    process = subprocess.run(
        command, cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    return json.loads(file.read_text())["results"]


def test_each_table_has_rows_that_fit_its_columns(results):
    """Programs read rows by the place of their column."""
    assert [result["name"] for result in results] == ["paths"] * 3 + ["scale"] * 4
    for result in results:
        assert result["rows"]
        assert {len(row) for row in result["rows"]} == {len(result["columns"])}


def test_no_run_is_faster_than_its_longest_path(results):
    """A ratio below 1 would say that a step was not run, or that the path was reckoned wrong."""
    free = results[0]
    for column in ("/ told", "/ measured"):
        assert all(row[free["columns"].index(column)] >= 0.999 for row in free["rows"])
    limited = results[1]
    for column in ("arrival", "path"):
        assert all(row[limited["columns"].index(column)] >= 0.999 for row in limited["rows"])


def test_every_request_of_the_crowd_is_answered(results):
    """By hand and by the engine."""
    crowd = next(result for result in results if "in flight" in result["columns"])
    assert [row[0] for row in crowd["rows"]] == ["gather", "view"]
    assert [row[-1] for row in crowd["rows"]] == [0, 0]
    assert crowd["goals"][0]["met"] is True


def test_all_made_plugins_are_loaded_and_none_costs_a_module_beforehand(results):
    """What is imported before plugins does not depend on how many there are."""
    started = results[-1]
    assert [row[0] for row in started["rows"]] == ["0", "10"]
    assert len({row[1] for row in started["rows"]}) == 1


@pytest.mark.parametrize("shape", SHAPES)
def test_longest_path_is_that_of_all_paths(shape):
    """Walked one by one, in graphs that are small enough for that."""
    graph = draw_graph(1, shape, 9, draw_even(1.0, 2.0))

    def walk(number):
        yield [number]
        for taken in graph.takes[number]:
            yield from ([*path, number] for path in walk(taken))

    paths = itertools.chain.from_iterable(walk(number) for number in range(9))
    longest = max(paths, key=lambda path: sum(graph.seconds[number] for number in path))
    assert graph.find_longest() == longest
    assert graph.measure_longest() == pytest.approx(sum(graph.seconds[number] for number in longest))


def test_graphs_are_the_same_each_time():
    """Two runs can be laid side by side."""
    random.seed(1)
    first = draw_graph(3, "random", 30, draw_even(1.0, 2.0))
    random.seed(2)
    assert draw_graph(3, "random", 30, draw_even(1.0, 2.0)) == first
    assert draw_graph(4, "random", 30, draw_even(1.0, 2.0)) != first


def test_no_order_beats_the_bound():
    """The longest path with many slots, all work in one row with one."""
    graph = Graph((1.0, 2.0, 4.0), ((), (0,), ()))
    assert [graph.bound(slots) for slots in (1, 2, 3)] == [7.0, 4.0, 4.0]
