"""A stranger's plugin, from its wheel to its answer over HTTP, without a line changed in any app."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.name == "nt", reason="signals and pipes of POSIX"),
]


def run(*command, **options):
    """Run a command to its end; its output is in the failure if it fails."""
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, encoding="utf-8", check=False, **options
    )
    assert done.returncode == 0, f"{command} exited with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def copy_sources(target):
    """Copy what the two wheels are built from: a build leaves its traces beside its sources."""
    left_out = shutil.ignore_patterns("*.egg-info", "__pycache__", "build")
    framework = target / "framework"
    framework.mkdir()
    for name in ("pyproject.toml", "setup.cfg", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, framework / name)
    shutil.copytree(ROOT / "core", framework / "core", ignore=left_out)
    shutil.copytree(HERE / "thirdparty", target / "thirdparty", ignore=left_out)
    return framework, target / "thirdparty"


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Give the folder of commands of a new virtual environment with both wheels, and nothing else of ours."""
    home = tmp_path_factory.mktemp("thirdparty")
    sources = copy_sources(home)
    wheels = home / "wheels"
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", wheels, *sources, cwd=home)
    run(sys.executable, "-m", "venv", home / "venv")
    commands = home / "venv" / "bin"
    (framework,) = wheels.glob("aiohttp_steps-*.whl")
    (plugin,) = wheels.glob("wordcount_steps-*.whl")
    run(commands / "python", "-m", "pip", "install", f"{framework}[cli]", plugin, cwd=home)
    return commands


@pytest.fixture
def outside(tmp_path):
    """Give an empty folder and variables in which nothing leads back to this checkout."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
    return {"cwd": tmp_path, "env": {**kept, "COLUMNS": "200", "NO_COLOR": "1"}}


class Serving:
    """A running `aiohttp-steps serve`."""

    def __init__(self, process):
        self.process = process
        self.seen = []
        self.url = self.wait_for(r"http://127\.0\.0\.1:\d+")

    def wait_for(self, pattern):
        """Read what it prints up to a line that has the pattern."""
        for line in self.process.stdout:
            self.seen.append(line)
            if found := re.search(pattern, line):
                return found[0]
        raise AssertionError(f"it ended without printing {pattern!r}: {''.join(self.seen)}")

    def get(self, path, **headers):
        """Return status and JSON of a GET."""
        request = urllib.request.Request(self.url + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def stop(self):
        """Send SIGTERM and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        with self.process.stdout:
            self.seen += self.process.stdout
        return self.process.wait(60)


@pytest.fixture
def serve(environment, outside):
    """Give a function that starts the server on a free port, counting the words of a file."""
    with contextlib.ExitStack() as stack:

        def start(text_path):
            command = (
                environment / "aiohttp-steps",
                "serve",
                "--port",
                "0",
                "--input",
                f"text_path={text_path}",
            )
            process = subprocess.Popen(
                list(map(str, command)),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                **outside,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return Serving(process)

        yield start


def test_plugin_is_seen_by_its_entry_point(environment, outside):
    """Installing is all that it takes; the list tells where it came from."""
    listed = json.loads(run(environment / "aiohttp-steps", "plugins", "--json", **outside))
    (plugin,) = listed["plugins"]
    assert listed["failures"] == []
    assert (plugin["name"], plugin["distribution"], plugin["version"]) == (
        "wordcount",
        "wordcount-steps",
        "1.2.3",
    )
    assert [(one["name"], one["runner"], one["views"]) for one in plugin["steps"]] == [
        ("words", "thread", []),
        ("common_words", "loop", ["words", "project"]),
        ("headline", "loop", ["project"]),
    ]
    shown = run(environment / "aiohttp-steps", "plugins", **outside)
    assert re.search(r"wordcount\W+wordcount-steps 1\.2\.3", shown)
    assert "common_words" in shown


def test_plugin_answers_over_http(serve, tmp_path):
    """Its views, inputs, results and refusals, from a server that knows nothing of it."""
    text = tmp_path / "text"
    text.write_text("a b a c b a")
    server = serve(text)
    status, listed = server.get("/views")
    assert (status, [one["name"] for one in listed["views"]]) == (200, ["project", "words"])
    assert [one["name"] for one in listed["views"][1]["inputs"]] == ["top"]
    status, report = server.get("/views/words?top=2")
    assert (status, report["completed"]) == (200, True)
    assert report["data"] == {"common_words": [{"word": "a", "count": 3}, {"word": "b", "count": 2}]}
    status, report = server.get("/views/project")
    assert (status, report["data"]["headline"]) == (200, "a on nowhere")
    assert server.get("/views/words?text_path=/etc/passwd")[0] == 400
    assert server.get("/views/words", Host="evil.example")[0] == 403
    text.unlink()
    status, report = server.get("/views/words")
    assert (status, report["data"]) == (200, {"common_words": None})
    assert report["errors"]["words"] == {
        "type": "no_text",
        "message": "there is no text",
        "plugin": "wordcount",
    }
    assert server.stop() == 0


def test_sigterm_lets_a_request_under_way_finish(serve, tmp_path):
    """A deployment must not cut answers in half: what runs finishes, and the exit code is 0."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    server = serve(pipe)
    answers = []
    client = threading.Thread(target=lambda: answers.append(server.get("/views/words")))
    client.start()
    with pipe.open("w") as words:  # opens when the step reads: it is under way now
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("stopping")
        words.write("x y x")
    client.join(60)
    (answer,) = answers
    assert answer[0] == 200
    assert answer[1]["data"] == {"common_words": [{"word": "x", "count": 2}]}
    with server.process.stdout:
        server.seen += server.process.stdout
    assert server.process.wait(60) == 0
