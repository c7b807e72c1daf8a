"""Makes the project that benchmark `view` looks at: a repository with changes, and a chat transcript."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SESSION = "made"
GIT_SECONDS = 60.0
"""Most that one git command may take."""

_ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
}
_PER_FOLDER = 100


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
    _write_transcript(project.chat_folder / f"{SESSION}.jsonl", size.transcript_bytes)
    return project


def _make_repository(repository: Path, size: Size) -> None:
    paths = [
        repository / f"d{number // _PER_FOLDER:03}" / f"f{number:05}.txt" for number in range(size.files)
    ]
    # As in a repository that is in use: files are older than the index, or git has to read each of them.
    an_hour_ago = time.time() - 3600
    for number, path in enumerate(paths):
        if not number % _PER_FOLDER:
            path.parent.mkdir(parents=True)
        path.write_text(f"file {number}\n" * 5)
        os.utime(path, (an_hour_ago, an_hour_ago))
    _git(repository, "init", "-q", "-b", "main")
    _git(repository, "add", "-A")
    _git(repository, "commit", "-q", "-m", "Change number 0")
    for number in range(1, size.commits):
        # `git commit` would look at each file, each time.
        made = _git(repository, "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", f"Change number {number}")
        _git(repository, "update-ref", "HEAD", made)
    # Spread over all folders, as work on one thing seldom is: the dearer case.
    stride = size.files // (2 * size.changed)
    for path in paths[: 2 * size.changed * stride : 2 * stride]:
        path.write_text("staged\n")
        os.utime(path, (an_hour_ago, an_hour_ago))
    _git(repository, "add", "-u")
    for path in paths[stride : 2 * size.changed * stride : 2 * stride]:
        path.write_text("modified\n")
        path.with_suffix(".new").write_text("untracked\n")


def _git(repository: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd=repository,
        env={**os.environ, **_ENVIRONMENT},
        check=True,
        timeout=GIT_SECONDS,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout.strip()


def _write_transcript(path: Path, size_bytes: int) -> None:
    """Write messages of about 1 kB; the same thousand over and over, which no reader of pages can tell."""
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
    with path.open("wb") as file:
        for _ in range(max(1, round(size_bytes / len(block)))):
            file.write(block)
