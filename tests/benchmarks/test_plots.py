"""The pictures of what was measured: small, adaptive, the same from the same results."""

import json
import re
from xml.etree import ElementTree as ET

import pytest

pytest.importorskip("matplotlib", reason="matplotlib is of benchmarks/requirements.txt")

from benchmarks import plots

PICTURES = ["peers-chain.svg", "peers-flat.svg", "peers-growth.svg"]


def write_results(folder, python, *, quick=False):
    """Write what the benchmark would: three contenders, one of which has no chain, and a few sizes."""
    flat = {"aiohttp-steps": 0.5, "plain awaits": 0.03, "gather": 1.0, "cpex": 9.0, "apluggy": 1.04}
    chain = {"aiohttp-steps": 5.0, "plain awaits": 1.0, "gather": 12.0, "cpex": 81.0, "apluggy": None}
    growth = [
        [f"{size} {shape}", size * 1.0, size * 0.2, size * 2.0, None, size * 1.8, size * 2.1]
        for shape in ("flat", "chain", "diamond")
        for size in (1, 3, 10)
    ]
    columns = ["steps", "ours", "plain", "gather", "eager", "group", "level"]
    results = [
        {"name": "peers", "columns": ["contender", "10 / gather"], "rows": [*map(list, flat.items())]},
        {"name": "peers", "columns": ["contender", "10 / plain awaits"], "rows": [*map(list, chain.items())]},
        {"name": "peers", "columns": columns, "rows": growth},
    ]
    file = folder / f"{python}.json"
    file.write_text(json.dumps({"machine": {"python": python}, "quick": quick, "results": results}))
    return file


@pytest.fixture
def drawn(tmp_path):
    """Draw the results of three Pythons, the newest named first; give the folder."""
    files = [str(write_results(tmp_path, python)) for python in ("3.13.0", "3.9.1", "3.12.1")]
    assert plots.main([*files, "--to", str(tmp_path / "pictures")]) == 0
    return tmp_path / "pictures"


def read_texts(file):
    return [element.text for element in ET.parse(file).iter("{http://www.w3.org/2000/svg}text")]


def test_pictures_are_small_and_well_formed(drawn):
    """They are part of the documentation, and of every clone."""
    assert sorted(file.name for file in drawn.iterdir()) == PICTURES
    for file in drawn.iterdir():
        assert file.stat().st_size < 100_000
        assert read_texts(file)


def test_texts_stay_texts_and_pythons_stand_in_order(drawn):
    """Texts can be searched and read aloud; versions are no decimal fractions."""
    for name in PICTURES:
        pythons = [text for text in read_texts(drawn / name) if text.startswith("Python ")]
        assert pythons == ["Python 3.9", "Python 3.12", "Python 3.13"]
    texts = read_texts(drawn / "peers-flat.svg")
    assert {"aiohttp-steps", "cpex", "0.50", "9.0", "0.030"} <= {*texts}


def test_what_a_contender_cannot_do_is_no_bar(drawn):
    """No bar is not a bar of length none."""
    assert "apluggy" in read_texts(drawn / "peers-flat.svg")
    assert "apluggy" not in read_texts(drawn / "peers-chain.svg")


def test_colors_follow_the_readers_light_or_dark(drawn):
    """All of them, and the ground as well: black text on a dark page is none."""
    for file in drawn.iterdir():
        svg = file.read_text()
        head, body = svg.split("</style>", 1)
        assert "@media (prefers-color-scheme: dark)" in head
        assert set(re.findall(r"var\(--(\w+)\)", body)) <= set(re.findall(r"--(\w+):", head))
        assert "var(--ground)" in body
        assert not re.search(r"#[0-9a-f]{6}", body)


def test_same_results_give_the_same_bytes(drawn, tmp_path):
    """A picture that differs each time is a change each time: no dates, no random names."""
    files = [str(tmp_path / f"{python}.json") for python in ("3.9.1", "3.12.1", "3.13.0")]
    assert plots.main([*files, "--to", str(tmp_path / "again")]) == 0
    for name in PICTURES:
        svg = (drawn / name).read_text()
        assert svg == (tmp_path / "again" / name).read_text()
        assert not re.search(r"\b20\d\d-\d\d-\d\d", svg)


def test_quick_results_are_told(tmp_path, capsys):
    """Their pictures look like any others."""
    file = write_results(tmp_path, "3.13.0", quick=True)
    assert plots.main([str(file), "--to", str(tmp_path)]) == 0
    assert "of a quick run: look at the structure, not at the numbers" in capsys.readouterr().out


def test_file_without_results_of_peers_is_refused_with_the_remedy(tmp_path, capsys):
    """Whoever ran another benchmark learns which one to run."""
    file = tmp_path / "plan.json"
    file.write_text(json.dumps({"machine": {"python": "3.13.0"}, "quick": False, "results": []}))
    assert plots.main([str(file), "--to", str(tmp_path / "pictures")]) == 1
    assert f"python -m benchmarks --only peers --json {file}" in capsys.readouterr().err
    assert not (tmp_path / "pictures").exists()


@pytest.mark.parametrize("text", [None, "{}", "[]", "no JSON"], ids=["missing", "empty", "a list", "no JSON"])
def test_file_that_is_no_results_is_refused_with_the_remedy(tmp_path, capsys, text):
    """A slip in a name must not end in a traceback."""
    file = tmp_path / "3.11.json"
    if text is not None:
        file.write_text(text)
    assert plots.main([str(file), "--to", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"{file}: no results of benchmarks")
    assert f"python -m benchmarks --only peers --json {file}" in told
