"""Benchmark `real`: the steps of the view `project` beside the commands that people would use instead."""

from __future__ import annotations

import asyncio
import os
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure import cost_interleaved, summarize
from benchmarks.project import GIT_ENVIRONMENT, SESSION, Size, make_project
from benchmarks.report import Goal, Result
from benchmarks.view import MOST_STALL_MS, STEPS, find_missing, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.measure import Cost
    from benchmarks.project import Project
    from benchmarks.view import Samples

FULL = (
    Size(files=1_000, changed=50, commits=30, transcript_bytes=1_000_000),
    Size(files=20_000, changed=300, commits=30, transcript_bytes=100_000_000),
    Size(files=100_000, changed=300, commits=30, transcript_bytes=1_000_000_000),
)
QUICK = (
    Size(files=200, changed=10, commits=3, transcript_bytes=1_000_000),
    Size(files=1_000, changed=50, commits=3, transcript_bytes=10_000_000),
)
PAIRS = {
    "git_status": "git status",
    "git_log": "git log",
    "git_branch": "git branch",
    "chat_history": "tail",
}
"""Steps, and the commands that do the same work."""

LIMIT = 20
MESSAGES = 50
MOST_OF_SMALLEST = 1.01
"""Bytes read for a page of the largest transcript, by those for one of the smallest."""

PROCESS_IO = Path("/proc/self/io")


@dataclass(frozen=True, slots=True)
class Measured:
    """What came out for one size.

    Attributes:
        commands: costs of each step and each command, round by round.
        parts: the same of the calls of libgit2 that a status is made of.
        page_bytes: what a page of the transcript took from the file; `None` if the system does not say.
        view: what requests for the view took.
    """

    size: Size
    commands: dict[str, list[Cost]]
    parts: dict[str, list[Cost]]
    page_bytes: int | None
    view: Samples


def run(*, quick: bool) -> list[Result]:
    """Measure steps, commands and the whole view, on projects of several sizes."""
    left_out = find_missing("git", "tail")
    if left_out:
        return [Result(name="real", title="steps and commands", compares=left_out)]
    found = [_measure_size(size, quick=quick) for size in (QUICK if quick else FULL)]
    return [
        _describe_commands(found, quick=quick),
        _describe_parts(found),
        _describe_view(found, quick=quick),
    ]


def _measure_size(size: Size, *, quick: bool) -> Measured:
    rounds = 3 if quick else 30
    with tempfile.TemporaryDirectory(prefix="aiohttp-steps-benchmark-") as folder:
        project = make_project(Path(folder), size)
        with asyncio.Runner() as runner:
            contenders = _make_contenders(project, runner)
            commands = cost_interleaved(contenders, rounds=rounds, budget_s=12.0)
            page_bytes = _count_bytes_read(contenders["chat_history"])
        parts = cost_interleaved(_make_parts(project), rounds=rounds, budget_s=6.0)
        view, _ = asyncio.run(measure(project, runs=3 if quick else 10))
    return Measured(size, commands, parts, page_bytes, view["parallel"])


def _make_contenders(project: Project, runner: asyncio.Runner) -> dict[str, Callable[[], Any]]:
    """Return the steps as they are called by the engine, and commands that do the same."""
    from aiohttp_steps_chat import chat_history  # noqa: PLC0415 - not installed everywhere
    from aiohttp_steps_git import git_branch, git_log, git_status  # noqa: PLC0415 - the same

    path = project.repository
    # Locks would have git write the index. Untracked files and renames are in it by default, as in the step.
    git = partial(_run_command, "git", "--no-optional-locks", "-C", str(path))
    transcript = str(project.chat_folder / f"{SESSION}.jsonl")
    return {
        "git_status": partial(git_status, project_path=path),
        "git status": partial(git, "status", "--porcelain=v2", "--branch", "-z"),
        "git_log": partial(git_log, project_path=path, log_limit=LIMIT),
        "git log": partial(git, "log", f"-n{LIMIT}", "--format=%H%x00%s%x00%an%x00%ae%x00%aI%x00%P"),
        "git_branch": partial(git_branch, project_path=path),
        "git branch": partial(git, "branch", "--show-current"),
        "chat_history": lambda: runner.run(
            chat_history(chat_folder=project.chat_folder, session_id=SESSION, limit=MESSAGES)
        ),
        "tail": partial(_run_command, "tail", "-n", str(MESSAGES), transcript),
        "a process": partial(_run_command, "git", "--version"),
    }


def _make_parts(project: Project) -> dict[str, Callable[[], Any]]:
    """Return the long calls that a status is made of, each alone, in one thread and undivided."""
    import pygit2  # noqa: PLC0415 - not installed everywhere
    from pygit2.enums import DiffOption  # noqa: PLC0415 - the same

    repo = pygit2.Repository(os.fspath(project.repository))
    index, head = repo.index, repo.head.peel(pygit2.Tree)
    flags = (
        DiffOption.INCLUDE_UNTRACKED
        | DiffOption.INCLUDE_IGNORED
        | DiffOption.INCLUDE_TYPECHANGE
        | DiffOption.SKIP_BINARY_CHECK
    )
    return {
        "index": lambda: pygit2.Repository(repo.path).index,
        "staged": lambda: index.diff_to_tree(head, flags),
        "worktree": lambda: index.diff_to_workdir(flags),
    }


def _run_command(name: str, *arguments: str) -> None:
    """Run a command to its end, and throw away what it prints: no cheaper way to start one is known.

    Raises:
        RuntimeError: it failed.
    """
    ignore = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    started = os.posix_spawnp(
        name, [name, *arguments], {**os.environ, **GIT_ENVIRONMENT}, file_actions=ignore
    )
    _, status = os.waitpid(started, 0)
    if status:
        message = f"{name} {' '.join(arguments)} ended with {os.waitstatus_to_exitcode(status)}"
        raise RuntimeError(message)


def _count_bytes_read(function: Callable[[], Any]) -> int | None:
    """Return the bytes that a call has this process read, as Linux counts them."""
    try:
        before = _read_counter()
        nothing = _read_counter() - before
        before = _read_counter()
        function()
        return _read_counter() - before - nothing
    except OSError:
        return None


def _read_counter() -> int:
    return int(PROCESS_IO.read_text().split()[1])


def _median(costs: Mapping[str, list[Cost]], name: str) -> tuple[float, float]:
    walls, cpus = zip(*((cost.wall, cost.cpu) for cost in costs[name]), strict=True)
    return summarize(walls).median * 1000, summarize(cpus).median * 1000


def _ratio(costs: Mapping[str, list[Cost]], name: str, other: str) -> float:
    """Return the median of the ratios of wall times in the same rounds."""
    pairs = zip(costs[name], costs[other], strict=True)
    return summarize([ours.wall / theirs.wall for ours, theirs in pairs]).median


def _describe_commands(found: list[Measured], *, quick: bool) -> Result:
    rows, goals = [], []
    for each in found:
        for step, command in PAIRS.items():
            ratio = _ratio(each.commands, step, command)
            where = _describe_size(each.size)
            ours, theirs = _median(each.commands, step), _median(each.commands, command)
            work_ms = theirs[0] - _median(each.commands, "a process")[0]
            of_work = ours[0] / work_ms if command.startswith("git") and work_ms > 1.0 else None
            rows.append((where, step, *ours, command, *theirs, ratio, of_work))
            if step != "chat_history":
                text = f"{step} takes no longer than {command}, {each.size.files:,} files"
                goals.append(Goal(text, 1.0, None if quick else ratio))
    read = [each.page_bytes for each in found]
    flat = None if read[0] is None or read[-1] is None else read[-1] / read[0]
    text = (
        f"a page of {_describe_size(found[-1].size)} reads at most {MOST_OF_SMALLEST} of the bytes of one of "
    )
    goals.append(Goal(text + _describe_size(found[0].size), MOST_OF_SMALLEST, flat))
    return Result(
        name="real",
        title="steps and commands",
        compares=(
            "Wall and processor time (all threads; the command's own process), medians of interleaved "
            "rounds. / command: median of the ratios of wall times within a round. A command's time begins "
            "with the start of its process, as it would in a server; / work leaves out what `git --version` "
            f"takes, where more than 1 ms is left. {LIMIT} commits, {MESSAGES} messages; git with "
            "--no-optional-locks, untracked files and renames."
        ),
        columns=("project", "step", "ms", "cpu ms", "command", "ms", "cpu ms", "/ command", "/ work"),
        rows=tuple(rows),
        goals=tuple(goals),
    )


def _describe_size(size: Size) -> str:
    return f"{size.files:,} files, {size.transcript_bytes / 1e6:,.0f} MB"


def _describe_parts(found: list[Measured]) -> Result:
    rows = []
    for each in found:
        index, staged, worktree = (_median(each.parts, name)[0] for name in ("index", "staged", "worktree"))
        wall, cpu = _median(each.commands, "git_status")
        total = index + staged + worktree
        read = None if each.page_bytes is None else each.page_bytes / 1000
        rows.append(
            (_describe_size(each.size), index, staged, worktree, total, wall, wall / total, cpu, read)
        )
    return Result(
        name="real",
        title="what the time of git_status goes to, and what chat_history reads",
        compares=(
            "The calls of libgit2 alone, undivided, in one thread: reading the index, HEAD to index, index "
            "to work tree. git_status makes them in threads, reads the index once in each, and pairs renames "
            "besides. page: what is read for a page of the transcript."
        ),
        columns=(
            "project",
            "index ms",
            "staged ms",
            "work tree ms",
            "sum ms",
            "git_status ms",
            "/ sum",
            "cpu ms",
            "page kB",
        ),
        rows=tuple(rows),
    )


def _describe_view(found: list[Measured], *, quick: bool) -> Result:
    rows, goals = [], []
    for each in found:
        runs = [summarize(each.view.run[name]).median for name in STEPS]
        worst, own = max(each.view.stall), max(each.view.own_stall)
        rows.append((_describe_size(each.size), summarize(each.view.wall).median, *runs, worst, own))
        text = f"the loop is never held for over {MOST_STALL_MS:.0f} ms, own, {each.size.files:,} files"
        goals.append(Goal(text, MOST_STALL_MS, None if quick else own))
    return Result(
        name="real",
        title="the view project over HTTP, by size",
        compares=(
            "As benchmark `view`: requests to the real application in a process of its own; medians of wall "
            "time, and of each step beside the others; the worst stall of the loop, and its own share."
        ),
        columns=("project", "wall ms", *(f"{name} ms" for name in STEPS), "stall ms", "own ms"),
        rows=tuple(rows),
        goals=tuple(goals),
    )
