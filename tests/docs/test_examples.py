"""The examples of READMEs and docs, run as a reader would run them.

A fenced block of a page is an example if the line before it is one of these comments:

- `<!-- file: NAME -->`: the block is the content of the file NAME.
- `<!-- run -->`: the block is a console: lines that start with `$ ` are commands, what follows is printed.
- `<!-- serve -->`: a console too; its last command is a server, which runs to the end of the page, or until
  the next one starts.

All examples of a page run in order, in one empty folder, with a copy of this checkout as `aiohttp-steps` if
the page says `<!-- needs: checkout -->`. What is printed is compared after `normalize`; a line `...` stands
for any lines.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "plugins").glob("*/README.md")),
]

EXAMPLE = re.compile(
    r"^ *<!-- (?P<kind>file|serve|run)(?:: (?P<name>\S+))? -->\n+"
    r"(?P<indent> *)```\w*[^\n]*\n(?P<text>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)
PORT = "8080"
"""The port that pages show; a free one takes its place."""

FOLDER = "/home/ada/try"
"""The folder that pages show; the example's own one takes its place."""

START_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Example:
    """One marked block.

    Attributes:
        kind: `file`, `serve` or `run`.
        name: of the file.
        text: what stands in the block.
        line: where the block stands in its page.
    """

    kind: str
    name: str | None
    text: str
    line: int


@dataclass
class Command:
    """One command of a console, and what it prints."""

    line: str
    expected: list[str]


def read_examples(page: Path) -> list[Example]:
    """Return the examples of a page, in order."""
    content = page.read_text()
    return [
        Example(
            found["kind"],
            found["name"],
            "".join(line.removeprefix(found["indent"]) for line in found["text"].splitlines(keepends=True)),
            content.count("\n", 0, found.start()) + 1,
        )
        for found in EXAMPLE.finditer(content)
    ]


def read_commands(text: str) -> list[Command]:
    """Return the commands of a console; one that ends in a backslash goes on in the next line."""
    commands: list[Command] = []
    goes_on = False
    for line in text.splitlines():
        if goes_on:
            commands[-1].line += "\n" + line
        elif line.startswith("$ "):
            commands.append(Command(line.removeprefix("$ "), []))
        else:
            commands[-1].expected.append(line)
            continue
        goes_on = line.endswith("\\")
    return commands


def normalize(line: str) -> str:
    """Return a printed line without what differs from run to run: times, ids, sizes of tables."""
    line = re.sub(r"\x1b\[[0-9;]*m", "", line)
    line = re.sub(r"\b[0-9a-f]{40}\b", "<id>", line)
    line = re.sub(r"\S+\.py:\d+", "<place>", line)
    line = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:\d\d)?", "<time>", line)
    line = re.sub(r"(?<=Date: ).*", "<time>", line)
    line = re.sub(r"(?<=Server: ).*", "<server>", line)
    line = re.sub(r"(?<=Content-Length: )\d+", "<size>", line)
    line = re.sub(r"\d+\.\d+(?= ms\b|s$)|(?<=dur=)\d+\.\d+|(?<=_ms\": )\d+\.\d+", "<n>", line)
    line = re.sub(r"(?<=^critical path ).*(?=:)", "<steps>", line)
    if re.search(r" (succeeded|failed|timed_out|skipped|cancelled|not_started) ", line):
        # Columns that say nothing on one machine may say something on another.
        line = re.sub(r"(would )?brings? \d+\.\d+", "", line)
        line = re.sub(r"(\s*\d+\.\d+)+", " <n>", line)
    line = re.sub(r"(?<=^step)( +status) .*(?=timeline)", r"\1 <columns> ", line)
    line = re.sub(r"(?<=the same in )\d+(?= of)", "<n>", line)
    line = re.sub(r"[━·]+(?:\s*[━·]+)*", "", line)
    return re.sub(r"\s+", " ", line).strip()


def normalize_json(value: Any) -> Any:
    """Return a JSON value without what differs from run to run."""
    if isinstance(value, dict):
        return {
            # Which of two equally quick steps ended last is chance.
            name: "<n>" if name.endswith("_ms") or name == "critical_path" else normalize_json(member)
            for name, member in value.items()
        }
    if isinstance(value, list):
        return [normalize_json(member) for member in value]
    return normalize(value) if isinstance(value, str) else value


def check_output(expected: list[str], printed: str) -> None:
    """Fail if `printed` is not what a page shows. JSON is compared as JSON: pages break its long lines.

    Raises:
        AssertionError: it is not.
    """
    shown = "\n".join(expected)
    with contextlib.suppress(json.JSONDecodeError):
        assert normalize_json(json.loads(printed)) == normalize_json(json.loads(shown)), printed
        return
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == "..." else re.escape(normalize(line)) + r"\n"
        for line in expected
        if line.strip()
    )
    lines = "".join(f"{normalize(line)}\n" for line in printed.splitlines() if line.strip())
    if not re.fullmatch(pattern, lines):
        message = f"the page shows\n{shown}\nbut this was printed\n{printed}"
        raise AssertionError(message)


class Runner:
    """Runs examples in one folder.

    Args:
        folder: an empty folder.
        environment: of all commands.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = self._here = folder
        self._environment = environment
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = str(free.getsockname()[1])
        self._server: subprocess.Popen[bytes] | None = None

    def run(self, example: Example) -> None:
        """Run one example and check what it prints."""
        text = example.text.replace(PORT, self._port)
        if example.kind == "file":
            assert example.name is not None, "a file needs a name"
            path = self._folder / example.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            return
        commands = read_commands(text)
        served = commands.pop() if example.kind == "serve" else None
        for command in commands:
            if command.line.startswith("cd "):
                self._here = self._here / command.line.removeprefix("cd ")
            else:
                printed = self._call(command.line)
                # How much pip says depends on its version and on where it looks.
                if not command.line.startswith("pip "):
                    check_output(command.expected, printed)
        if served is not None:
            self._serve(served)

    def _call(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self._here,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        printed = done.stdout.decode().replace(str(self._folder), FOLDER)
        if command.startswith("pip "):
            assert done.returncode == 0, printed
        return printed

    def _serve(self, command: Command) -> None:
        self.stop()
        if "--port" not in command.line:
            # `serve` without options is what pages show; its default port may be taken here.
            command.line = re.sub(r"(aiohttp-steps serve)", rf"\1 --port {self._port}", command.line)
        output = self._folder / ".server-output"
        with output.open("wb") as sink:
            self._server = subprocess.Popen(
                ["bash", "-c", re.sub(r"(.* && )?(.*)", r"\1exec \2", command.line, count=1)],
                cwd=self._here,
                env=self._environment,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )
        self._wait_until_it_answers(output)
        self._wait_until_it_prints([*command.expected, "..."], output)

    def _wait_until_it_answers(self, output: Path) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            assert self._server is not None
            assert self._server.poll() is None, output.read_text()
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", int(self._port)), 1):
                return
            assert time.monotonic() < deadline, output.read_text()
            time.sleep(0.05)

    def _wait_until_it_prints(self, expected: list[str], output: Path) -> None:
        """Wait for what a server prints after it has begun to listen."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            with contextlib.suppress(AssertionError):
                check_output(expected, output.read_text())
                return
            time.sleep(0.05)
        check_output(expected, output.read_text())

    def stop(self) -> None:
        """End the server, if one runs, by SIGTERM; it has to end well."""
        if self._server is not None:
            self._server.send_signal(signal.SIGTERM)
            code = self._server.wait(timeout=30)
            self._server = None
            assert code == 0, f"the server ended with {code}"


def make_environment(folder: Path) -> dict[str, str]:
    """Return what commands may rely on: the tools of this Python, and nobody's settings."""
    settings = folder.parent / "gitconfig"
    settings.write_text("[user]\nname = Ada\nemail = ada@example.org\n[init]\ndefaultBranch = main\n")
    # A page that makes an environment has it activated from then on.
    tools = (folder / ".venv" / "bin", Path(sys.executable).parent)
    foreign = ("AIOHTTP_", "COV_", "GIT_", "PYTEST", "PYTHON")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(foreign)},
        "PATH": os.pathsep.join([*map(str, tools), os.environ["PATH"]]),
        "GIT_CONFIG_GLOBAL": str(settings),
        "XDG_STATE_HOME": str(folder.parent / "state"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": "250",
        "NO_COLOR": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_PLUGINS": "aiohttp_steps_pytest.plugin",
        "TZ": "UTC",
    }


def copy_checkout(target: Path) -> None:
    """Copy what is needed to install this checkout and its plugins."""
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "dist")
    for name in ("core", "plugins"):
        shutil.copytree(ROOT / name, target / name, ignore=ignore)
    for name in ("pyproject.toml", "setup.cfg", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, target)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "page", [page for page in PAGES if read_examples(page)], ids=lambda page: str(page.relative_to(ROOT))
)
def test_examples_do_what_the_page_shows(page, tmp_path):
    """Examples are what people copy; one that has gone stale costs each of them an hour."""
    folder = tmp_path / "work"
    folder.mkdir()
    if "<!-- needs: checkout -->" in page.read_text():
        copy_checkout(folder / "aiohttp-steps")
    runner = Runner(folder, make_environment(folder))
    try:
        for example in read_examples(page):
            try:
                runner.run(example)
            except AssertionError as error:
                pytest.fail(f"{page.relative_to(ROOT)}, line {example.line}: {error}", pytrace=False)
    finally:
        runner.stop()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_blocks_compile(page):
    """Blocks that do not run, because they are parts of something, are Python all the same."""
    for block in re.findall(r"^```python[^\n]*\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
        compile(block, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("mark", ["run", "test"])
def test_readme_command_is_one_line_after_its_mark(mark):
    """`.ci/run` takes the two commands from the README by these marks."""
    found = re.findall(
        rf"^<!-- ci: {mark} -->\n```sh\n(.+)\n```$", (ROOT / "README.md").read_text(), re.MULTILINE
    )

    assert len(found) == 1


def test_output_that_differs_is_noticed():
    """The comparison forgives times and ids, nothing else."""
    check_output(["ran 12.5 ms", "...", "end"], "ran 3.1 ms\nmore\nend\n")
    check_output(['{"a": 1, "wall_ms": 2.5}'], '{"a":1,"wall_ms":7.25}')

    with pytest.raises(AssertionError, match="was printed"):
        check_output(["ran 12.5 ms"], "walked 12.5 ms\n")
    with pytest.raises(AssertionError):
        check_output(['{"a": 1}'], '{"a": 2}')
