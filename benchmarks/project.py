"""Makes projects for `view`, `real` and `switch`: a repository with changes, and a chat transcript."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SESSION = "made"
GIT_SECONDS = 60.0
"""Most that one git command may take."""

GIT_ENVIRONMENT = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
"""What makes git commands the same for everybody who runs this."""

_AUTHOR = "Ada <ada@example.org>"
_PER_FOLDER = 100
_BLOCKS_AT_ENDS = 2
"""Blocks of a thousand messages at either end of a transcript."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much to make.

    Attributes:
        files: in the repository, all of them committed.
        changed: as many files are modified, as many are staged and as many are untracked.
        commits: of the history.
        transcript_bytes: about.
    """

    files: int
    changed: int
    commits: int
    transcript_bytes: int

    @property
    def described(self) -> str:
        """The size in words."""
        return (
            f"{self.files:,} files, {self.changed} of them modified, {self.changed} staged, "
            f"{self.changed} untracked beside them; a transcript of {self.transcript_bytes / 1e6:.0f} MB"
        )


@dataclass(frozen=True, slots=True)
class Project:
    """Where things were made."""

    repository: Path
    chat_folder: Path


def make_project(folder: Path, size: Size) -> Project:
    """Make repository and transcript in an empty folder, which the caller removes.

    Raises:
        subprocess.SubprocessError: git failed, or took too long.
    """
    project = Project(folder / "repository", folder / "chat")
    _make_repository(project.repository, size)
    project.chat_folder.mkdir()
    write_transcript(project.chat_folder / f"{SESSION}.jsonl", size.transcript_bytes)
    return project


def _make_repository(repository: Path, size: Size) -> None:
    repository.mkdir()
    _git(repository, "init", "-q", "-b", "main")
    _git(repository, "fast-import", "--quiet", text="".join(_write_stream(size)))
    _git(repository, "reset", "-q", "--hard")
    paths = [repository / _name(number) for number in range(size.files)]
    # As in a repository that is in use: files are older than the index, or git has to read each of them.
    an_hour_ago = time.time() - 3600
    for path in paths:
        os.utime(path, (an_hour_ago, an_hour_ago))
    # Spread over all folders, as work on one thing seldom is: the dearer case.
    stride = size.files // (2 * size.changed)
    for path in paths[: 2 * size.changed * stride : 2 * stride]:
        path.write_text("staged\n")
        os.utime(path, (an_hour_ago, an_hour_ago))
    _git(repository, "add", "-u")
    for path in paths[stride : 2 * size.changed * stride : 2 * stride]:
        path.write_text("modified\n")
        path.with_suffix(".new").write_text("untracked\n")


def _name(number: int) -> str:
    return f"d{number // _PER_FOLDER:03}/f{number:05}.txt"


def _write_stream(size: Size) -> Iterator[str]:
    """Write the history as `git fast-import` reads it: `git add` and `git commit` look at each file."""
    for commit in range(size.commits):
        message = f"Change number {commit}"
        yield f"commit refs/heads/main\ncommitter {_AUTHOR} {1_700_000_000 + commit} +0000\n"
        yield f"data {len(message)}\n{message}\n"
        for number in range(0 if commit else size.files):
            text = f"file {number}\n" * 5
            yield f"M 644 inline {_name(number)}\ndata {len(text)}\n{text}\n"


def _git(repository: Path, *arguments: str, text: str = "") -> None:
    subprocess.run(
        ["git", *arguments],
        cwd=repository,
        env={**os.environ, **GIT_ENVIRONMENT},
        check=True,
        timeout=GIT_SECONDS,
        input=text,
        stdout=subprocess.DEVNULL,
        text=True,
    )


def write_transcript(path: Path, size_bytes: int) -> None:
    """Write messages of about 1 kB, the same thousand over and over, which no reader of pages can tell.

    A large one has a hole between its first and its last messages, so that it is made in no time.
    """
    messages = (
        {
            "role": "assistant" if number % 2 else "user",
            "content": f"Message {number}. " + "What was said is of no matter here. " * 25,
            "timestamp": f"2025-01-01T00:{number // 60 % 60:02}:{number % 60:02}Z",
            "model": "none",
        }
        for number in range(1000)
    )
    block = "".join(json.dumps(message) + "\n" for message in messages).encode()
    blocks = max(1, round(size_bytes / len(block)))
    with path.open("wb") as file:
        for _ in range(min(blocks, _BLOCKS_AT_ENDS)):
            file.write(block)
        if blocks > 2 * _BLOCKS_AT_ENDS:
            file.seek((blocks - 2 * _BLOCKS_AT_ENDS) * len(block), os.SEEK_CUR)
        for _ in range(min(blocks, 2 * _BLOCKS_AT_ENDS) - _BLOCKS_AT_ENDS):
            file.write(block)
