"""The check of instruction counts: what it judges, what it says and does, and one real count."""

import dataclasses
import json

import pytest

pytest.importorskip("rich", reason="the benchmarks print their tables with rich, of the extra `cli`")

from benchmarks.instructions import __main__ as command
from benchmarks.instructions import callgrind, kept, scenarios, suite
from benchmarks.instructions.judge import Ending, judge, list_differences
from benchmarks.instructions.kept import Figure, Kept

NAME = "run, 1 step"
REQUEST = "request, view 3"
PACKAGES = {NAME: ("pluggy",), REQUEST: ("pluggy", "aiohttp")}
CONDITIONS = {
    "python": "3.11.7",
    "build": "GCC 12.2.0 -O3",
    "libc": "glibc 2.36",
    "machine": "x86_64",
    "pluggy": "1.7.0",
    "aiohttp": "3.14.5",
}


def make(count, reference=1_000.0, name=NAME, **conditions):
    """Make what somebody counted for one scenario, under other conditions where some are named."""
    return Kept({**CONDITIONS, **conditions}, {name: Figure(count, reference)})


def judge_one(before, counted):
    (verdict,) = judge(before, counted, PACKAGES)
    return verdict


@pytest.mark.parametrize(
    ("count", "ending"),
    [
        pytest.param(10_000.0, Ending.WITHIN, id="the same"),
        pytest.param(10_290.0, Ending.WITHIN, id="a little more"),
        pytest.param(10_310.0, Ending.OVER, id="too much more"),
        pytest.param(9_710.0, Ending.WITHIN, id="a little less"),
        pytest.param(9_690.0, Ending.BETTER, id="much less"),
    ],
)
def test_under_the_same_conditions_the_count_may_rise_by_three_percent(count, ending):
    """Whatever the reference does: the count itself is the sharper measure where nothing else changed."""
    verdict = judge_one(make(10_000.0), make(count, reference=5.0))
    assert (verdict.ending, verdict.by) == (ending, "count")
    assert verdict.change == pytest.approx(count / 10_000.0 - 1)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"libc": "glibc 2.41"}, id="C library"),
        pytest.param({"pluggy": "1.8.0"}, id="package"),
    ],
)
@pytest.mark.parametrize(
    ("count", "reference", "ending"),
    [
        pytest.param(20_000.0, 2_000.0, Ending.WITHIN, id="twice as much of both"),
        pytest.param(21_800.0, 2_000.0, Ending.WITHIN, id="a little more of the reference"),
        pytest.param(22_200.0, 2_000.0, Ending.OVER, id="too much more of the reference"),
        pytest.param(17_800.0, 2_000.0, Ending.BETTER, id="much less of the reference"),
    ],
)
def test_with_other_libraries_the_ratio_may_rise_by_ten_percent(other, count, reference, ending):
    """They change counts; what is by hand uses the same ones, and changes with it."""
    verdict = judge_one(make(10_000.0), make(count, reference, **other))
    assert (verdict.ending, verdict.by) == (ending, "ratio")
    assert verdict.kept == pytest.approx(10.0)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"python": "3.11.9"}, id="Python's patch version"),
        pytest.param({"build": "Clang 17 -O2"}, id="compiler"),
        pytest.param({"machine": "aarch64"}, id="machine"),
    ],
)
@pytest.mark.parametrize("count", [1_000.0, 10_000.0, 30_000.0], ids=["less", "the same", "more"])
def test_another_interpreter_is_compared_by_ratio_and_not_judged(other, count):
    """A patch release made exceptions cheaper, and ratios fell by a third: no fault and no merit of ours."""
    verdict = judge_one(make(10_000.0), make(count, **other))
    assert (verdict.ending, verdict.by) == (Ending.NOT_JUDGED, "ratio")
    assert verdict.change == pytest.approx(count / 10_000.0 - 1)


def test_check_on_another_interpreter_says_so_and_is_no_failure(file, counting, capsys, monkeypatch):
    """Somebody with another build than that of CI sees numbers, and why they are not judged."""
    counting(100_000.0)
    command.main(["--update"])
    counting(150_000.0)
    monkeypatch.setattr(kept.platform, "machine", lambda: "pdp11")
    assert command.main(["--check"]) == 0
    output = " ".join(capsys.readouterr().out.split())
    assert "ratios do not hold from one interpreter to another: machine pdp11 (kept: " in output
    assert "Nothing was judged; to keep figures of this interpreter" in output


def test_only_what_uses_a_package_is_judged_less_sharply_for_its_version():
    """A new aiohttp says nothing of the engine, whose counts stay as sharp as they are."""
    before = Kept(CONDITIONS, {NAME: Figure(100.0, 1.0), REQUEST: Figure(100.0, 1.0)})
    after = dataclasses.replace(before, conditions={**CONDITIONS, "aiohttp": "3.15.0"})
    assert [verdict.by for verdict in judge(before, after, PACKAGES)] == ["count", "ratio"]


@pytest.mark.parametrize("other", [{}, {"machine": "aarch64"}], ids=["the same interpreter", "another"])
def test_scenario_without_a_kept_figure_is_not_judged(other):
    """Who adds a scenario is told to keep its figure, and is not stopped."""
    before = Kept(CONDITIONS, {})
    verdict = judge_one(before, make(10.0, **other))
    assert (verdict.ending, verdict.kept, verdict.change) == (Ending.NOT_KEPT, None, None)


def test_differences_say_what_is_here_and_what_was_there():
    """A reader decides by them whether to keep new figures."""
    here = {**CONDITIONS, "pluggy": "1.8.0"}
    assert list_differences(CONDITIONS, here, ("python", "pluggy")) == ["pluggy 1.8.0 (kept: 1.7.0)"]


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Keep figures in a file of the test's; give its path."""
    path = tmp_path / "kept.json"
    monkeypatch.setattr(kept, "FILE", path)
    return path


@pytest.fixture
def counting(monkeypatch):
    """Let a test say what valgrind counts: figures as they would be, without the half minute."""

    def say(count, reference=1_000.0):
        figures = dict.fromkeys(scenarios.SCENARIOS, Figure(count, reference))
        monkeypatch.setattr(callgrind, "is_installed", lambda: True)
        monkeypatch.setattr(callgrind, "count", lambda names: {name: figures[name] for name in names})

    return say


def test_check_fails_with_what_was_kept_what_was_counted_and_the_remedy(file, counting, capsys):
    """Whoever made it dearer learns by how much, and how to say that it is meant."""
    counting(100_000.0)
    assert command.main(["--update"]) == 0
    counting(104_000.0)
    assert command.main(["--check"]) == 1
    output = capsys.readouterr().out
    assert f"  {NAME}: count 104,000, kept 100,000, +4.00%, allowed 3%" in output
    assert "`python -m benchmarks.instructions --update` and commit kept.json" in output


def test_without_check_more_is_told_and_no_failure(file, counting, capsys):
    """Somebody at work wants the numbers, and not a verdict."""
    counting(100_000.0)
    command.main(["--update"])
    counting(104_000.0)
    assert command.main([]) == 0
    assert "+4.00%, allowed 3%" in capsys.readouterr().out


def test_less_is_no_failure_and_asks_to_be_kept(file, counting, capsys):
    """Otherwise a relapse by as much would go unnoticed."""
    counting(100_000.0)
    command.main(["--update"])
    counting(90_000.0)
    assert command.main(["--check"]) == 0
    assert "Less by more than the tolerance, so that a relapse would pass" in capsys.readouterr().out


def test_python_without_kept_figures_is_not_judged(file, counting, capsys):
    """Another minor version is another interpreter: no ratio of the one holds for the other."""
    counting(100_000.0)
    assert command.main(["--check"]) == 0
    output = capsys.readouterr().out
    assert f"no figures are kept for {kept.name_python()}" in " ".join(output.split())
    assert "Nothing was judged" in output


def test_update_leaves_the_figures_of_other_pythons(file, counting):
    """Each Python is counted by itself, and they share a file."""
    other = Kept({"python": "3.99.0"}, {NAME: Figure(1.0, 2.0)})
    kept.save("cpython 3.99", other)
    counting(100_000.0)
    assert command.main(["--update"]) == 0
    assert kept.load().keys() == {"cpython 3.99", kept.name_python()}
    assert kept.load()["cpython 3.99"] == other


@pytest.mark.parametrize(("arguments", "code"), [(["--check"], 0), (["--check", "--require"], 1)])
def test_missing_valgrind_is_told_and_fails_where_it_is_required(monkeypatch, capsys, arguments, code):
    """A check that did nothing must not look like one that found nothing."""
    monkeypatch.setenv("PATH", "")
    assert command.main(arguments) == code
    assert "nothing was counted, as valgrind is not on the path (apt-get install valgrind)" in (
        capsys.readouterr().out
    )


def test_benchmark_is_left_out_without_valgrind(monkeypatch):
    """The other benchmarks run on a machine that has none."""
    monkeypatch.setenv("PATH", "")
    (result,) = suite.run(quick=True)
    assert result.rows == ()
    assert result.compares.startswith("left out: nothing was counted")


def test_all_scenarios_of_the_committed_figures_are_there():
    """A scenario that was renamed would not be judged any more, and nobody would see it."""
    committed = json.loads(kept.FILE.read_text())
    assert "cpython 3.11" in committed
    for entry in committed.values():
        assert entry["figures"].keys() == scenarios.SCENARIOS.keys()
        assert entry["conditions"].keys() >= {"python", "build", "libc", "machine", "pluggy", "aiohttp"}


@pytest.mark.parametrize("name", scenarios.SCENARIOS)
async def test_scenario_and_its_reference_can_be_called_as_often_as_they_are_counted(name):
    """Without valgrind, so that it is seen wherever the tests run."""
    for opener in (scenarios.SCENARIOS[name].ours, scenarios.SCENARIOS[name].by_hand):
        async with opener(3) as call:
            results = [await call() for _ in range(3)]
        assert all(result is not None for result in results)


@pytest.mark.parametrize("shape", ["layered", "diamond"])
def test_loop_by_hand_finds_an_order_of_all_steps(shape):
    """What compiling is held against has to do the work as well."""
    steps = scenarios.make_steps(scenarios.graph.SHAPES[shape](101))
    order = scenarios.sort_steps(steps)
    assert sorted(order) == sorted(step.name for step in steps)
    for step in steps:
        assert all(order.index(taken.name) < order.index(step.name) for taken in step.dependencies)


@pytest.mark.skipif(not callgrind.is_installed(), reason="valgrind is not on the path")
def test_a_count_is_a_plausible_number_of_instructions():
    """The marks are found, and the counts of the one are not taken for those of the other."""
    figure = callgrind.count([NAME])[NAME]
    assert 5_000 < figure.count < 100_000
    assert 0.05 < figure.ratio < 1.5


def test_a_scenario_that_fails_is_told_with_its_error():
    """What valgrind would say of it helps nobody."""
    with pytest.raises(callgrind.CountError, match="invalid choice: 'no such'"):
        callgrind.count(["no such"])
