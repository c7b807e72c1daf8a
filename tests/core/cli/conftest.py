"""The command line on made distributions: real metadata and modules in a folder that is on the path."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from textwrap import dedent

import pytest
from aiohttp_steps.cli import main

GROUP = "aiohttp_steps"

COLOURS = ("COLUMNS", "FORCE_COLOR", "GITHUB_ACTIONS", "NO_COLOR", "PY_COLORS", "TTY_COMPATIBLE")
"""What in the environment decides on colour and width of output."""


class Shelf:
    """A folder on `sys.path` with distributions, as pip would leave them there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, name, source=None, *, version="1.0", target=None):
        """Install a distribution whose entry point `name` is the module `made_NAME` with this source."""
        if source is not None:
            (self.folder / f"made_{name}.py").write_text(dedent(source))
        self.describe(f"made-{name}", version, f"[{GROUP}]\n{name} = {target or f'made_{name}'}\n")
        importlib.invalidate_caches()

    def describe(self, distribution, version, entry_points):
        info = self.folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(entry_points)


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """Return where to install plugins; those that happen to be installed for real are not seen."""
    shelf = Shelf(tmp_path / "shelf")
    shelf.folder.mkdir()
    for distribution in metadata.distributions():
        if distribution.entry_points.select(group=GROUP):
            # The first one of a name on the path counts.
            shelf.describe(distribution.name, "0", "")
    monkeypatch.syspath_prepend(shelf.folder)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    for name in COLOURS:
        monkeypatch.delenv(name, raising=False)
    known = set(sys.modules)
    yield shelf
    for name in set(sys.modules) - known:
        if name.startswith("made_"):
            del sys.modules[name]


@dataclass(frozen=True)
class Ended:
    """What a command left."""

    code: int | str | None
    out: str
    err: str

    @property
    def shown(self):
        """Standard error without the frames and line breaks that depend on the terminal's width."""
        return " ".join(re.sub("[╭╮╰╯│─]", " ", self.err).split())


@pytest.fixture
def command(shelf, capsys, monkeypatch):
    """Return what runs a command in this process, by the function that the installed script calls."""

    def run(*args):
        monkeypatch.setattr(sys, "argv", ["aiohttp-steps", *map(str, args)])
        # In a thread: `asyncio.run` would take the main thread's event loop away from other tests.
        with ThreadPoolExecutor(1) as pool:
            error = pool.submit(main).exception()
        if error is not None and not isinstance(error, SystemExit):
            raise error
        out, err = capsys.readouterr()
        return Ended(error.code if isinstance(error, SystemExit) else 0, out, err)

    return run


@pytest.fixture
def python(shelf):
    """Return the arguments with which to start another Python that sees the shelf."""
    left_out = (*COLOURS, "PYTHONUNBUFFERED")  # output is buffered, as it is for users
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    paths = [str(shelf.folder), os.environ.get("PYTHONPATH")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return {"args": [sys.executable, "-W", "error"], "env": environment}


@pytest.fixture
def process(python):
    """Return what runs a command as a process of its own, to its end."""

    def run(*args, **options):
        given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": python["env"], **options}
        ended = subprocess.run(
            [*python["args"], "-m", "aiohttp_steps", *args], text=True, timeout=60, check=False, **given
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    return run
