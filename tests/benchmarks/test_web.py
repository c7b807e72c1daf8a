"""The benchmarks of whole requests: whether those who are compared do the same, and that they run and end."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60

pytest.importorskip("rich", reason="the benchmarks print their tables with rich, of the extra `cli`")


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """The benchmarks are run from the root of the repository, and imported from there."""
    monkeypatch.syspath_prepend(str(ROOT))


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """Run the benchmark over HTTP with real servers and a real wrk; give the one table of its quick form."""
    if shutil.which("wrk") is None:
        pytest.skip("wrk is not on the path")
    file = tmp_path_factory.mktemp("http") / "results.json"
    process = run("--only", "http", "--json", str(file))
    assert process.returncode == 0, process.stderr
    (result,) = json.loads(file.read_text())["results"]
    return result


def test_all_servers_are_asked_and_answer_without_errors(asked):
    """A server that refuses quickly must not look fast; one whose packages are absent is named instead."""
    columns = asked["columns"]
    rows = {row[0]: row for row in asked["rows"]}
    assert list(rows)[:4] == ["by hand", "inject", "by hand, document", "view"]
    fastapi_is_there = all(map(importlib.util.find_spec, ("fastapi", "uvicorn", "httptools")))
    assert ("FastAPI" in rows) is fastapi_is_there
    assert ("Left out, as packages are not installed: FastAPI" in asked["compares"]) is not fastapi_is_there
    for row in rows.values():
        assert row[columns.index("errors")] == 0
        assert row[columns.index("requests/s")] > 0
        assert row[columns.index("cpu us/request")] > 0
        assert row[columns.index("p50 ms")] <= row[columns.index("p99 ms")]


def test_a_quick_run_states_the_goals_and_judges_none(asked):
    """One second of load on a machine that runs tests besides says nothing of speed."""
    goals = {goal["text"]: goal for goal in asked["goals"]}
    assert [goal["met"] for goal in goals.values()] == [None] * 4
    assert goals["inject: requests a second by those by hand: at least 1.00"]["at_least"] is True
    assert goals["inject and view: p99 at most 1.1 of by hand"]["at_least"] is False


def test_without_wrk_the_benchmark_says_what_to_install(tmp_path):
    """A machine without it still runs all other benchmarks, and the reader knows what is missing."""
    process = run("--only", "http", PATH=str(tmp_path))
    assert process.returncode == 0, process.stderr
    assert "left out, because wrk is not on the path" in process.stdout
    assert "apt install wrk" in process.stdout


def test_requests_without_sockets_cover_each_handler_and_work():
    """The table for profiling has to name what it leaves out, so it leaves out nothing."""
    process = run("--only", "request")
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    for work, count in (("none", 4), ("three", 7), ("ten", 7)):
        assert sum(line.startswith(f" {work} ") for line in lines) == count


@pytest.fixture
def ask():
    """Return a function that asks a contender's application once, and gives status line, headers and body."""
    from benchmarks.web.contenders import CONTENDERS
    from benchmarks.web.inprocess import ask_often

    async def ask_once(name, work):
        answer = await ask_often(CONTENDERS[name], work, 2)
        head, _, body = answer.partition(b"\r\n\r\n")
        status, *headers = head.decode().split("\r\n")
        return status, sorted(line for line in headers if not line.startswith("Date:")), body

    return ask_once


@pytest.mark.parametrize("work", ["none", "three", "ten", "ten_waiting"])
async def test_inject_sends_the_bytes_that_the_handlers_by_hand_send(ask, work):
    """A handler that sends less has less to do."""
    by_hand = await ask("by hand", work)
    assert by_hand[0] == "HTTP/1.1 200 OK"
    assert len(json.loads(by_hand[2])) == {"none": 0, "three": 3}.get(work, 10)
    assert await ask("inject", work) == by_hand
    assert await ask("by hand, awaits", work) == by_hand
    _, headers, body = await ask("by hand, no header", work)
    assert body == by_hand[2]
    assert [*headers, "Steps-Completed: true"] == by_hand[1]


@pytest.mark.parametrize("work", ["three", "ten", "ten_waiting"])
@pytest.mark.parametrize("name", ["view", "/views/NAME"])
async def test_views_send_the_document_that_is_made_by_hand(ask, name, work):
    """The whole contract, names and their order included; times differ from one run to the next."""

    def without_times(answer):
        status, headers, body = answer
        document = json.loads(body)
        timing = document.pop("timing")
        assert timing["sum_ms"] >= timing["critical_path_ms"] >= 0
        kept = [line for line in headers if not line.startswith("Content-Length:")]
        return status, kept, json.dumps(document), list(timing), len(timing["critical_path"])

    ours, by_hand = await ask(name, work), await ask("by hand, document", work)
    assert without_times(ours) == without_times(by_hand)


@pytest.fixture
def answer():
    """Return a function that makes an answer."""
    from benchmarks.web.answers import Answer

    return lambda body, status=200, **headers: Answer(status, {"Content-Type": "j", **headers}, body)


DOCUMENT = b'{"data": {"a": %d}, "timing": {"wall_ms": %d, "critical_path": ["a"]}}'


@pytest.mark.parametrize(
    ("other", "options"),
    [
        ({"body": b"[2]"}, {}),
        ({"body": b"[1]", "status": 500}, {}),
        ({"body": b"[1]", "Content-Type": "text"}, {}),
        ({"body": b"[1]", "X-More": "1"}, {"headers": True}),
        ({"body": DOCUMENT % (2, 7), "like": DOCUMENT % (1, 7)}, {"document": True}),
    ],
    ids=["body", "status", "content type", "header", "document"],
)
def test_contenders_that_answer_otherwise_are_not_compared(answer, other, options):
    """Speed is worth nothing if the work is another."""
    from benchmarks.web.answers import compare

    base = answer(other.pop("like", b"[1]"))
    with pytest.raises(ValueError, match="slow does not answer as it should"):
        compare("slow", answer(**other), base, **{"headers": False, "document": False, **options})


@pytest.mark.parametrize(
    ("other", "options"),
    [
        ({"body": b"[1]", "Date": "today"}, {"headers": True}),
        ({"body": b"[1]", "X-More": "1"}, {}),
        ({"body": DOCUMENT % (1, 8), "like": DOCUMENT % (1, 7)}, {"document": True}),
    ],
    ids=["date", "header of another server", "times"],
)
def test_what_must_differ_is_no_difference(answer, other, options):
    """Dates, the name of the server and times are not the work."""
    from benchmarks.web.answers import compare

    base = answer(other.pop("like", b"[1]"))
    compare("slow", answer(**other), base, **{"headers": False, "document": False, **options})


def test_a_server_ends_with_whoever_started_it():
    """A benchmark that is killed must not leave servers behind."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.web.server", "by hand"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert json.loads(process.stdout.readline())["port"]
        process.stdin.write("\n")
        process.stdin.flush()
        assert float(process.stdout.readline()) > 0
        process.stdin.close()
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize(
    ("measured", "at_least", "met"),
    [(1.0, False, True), (1.1, False, False), (1.0, True, True), (0.9, True, False), (None, True, None)],
)
def test_a_goal_is_a_most_or_a_least(measured, at_least, met):
    """A limit on the wrong side would praise what is bad."""
    from benchmarks.report import Goal

    assert Goal("so fast", 1.0, measured, at_least=at_least).met is met
