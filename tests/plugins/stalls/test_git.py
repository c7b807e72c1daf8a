"""The pair that this plugin was made for: one repository, one question, asked in two ways."""

from __future__ import annotations

import os
import subprocess
import time

import aiohttp_steps_git
import pytest
from aiohttp_steps_stalls import StallMonitor

pygit2 = pytest.importorskip("pygit2")

pytestmark = pytest.mark.flaky(reruns=2)  # as in test_blame

FILES = 20_000


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """Return the path of a repository with some thousand files, of which one in twenty was changed."""
    path = tmp_path_factory.mktemp("repository")
    for number in range(FILES):
        folder = path / f"d{number // 200}"
        folder.mkdir(exist_ok=True)
        (folder / str(number)).write_text(f"{number}\n")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        apart = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        names = {f"GIT_{who}_{what}": "ada" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        subprocess.run(["git", *command], cwd=path, check=True, env={**os.environ, **apart, **names})
    for number in range(0, FILES, 20):
        (path / f"d{number // 200}" / str(number)).write_text("changed\n")
    return path


@pytest.fixture(scope="module")
def threshold_s(repository):
    """Return a third of what pygit2's own function takes here: it holds the GIL for certain from half on."""
    times = []
    for _ in range(3):
        began_s = time.thread_time()
        pygit2.Repository(repository).status()
        times.append(time.thread_time() - began_s)
    return min(times) / 3


@pytest.fixture
async def monitor(registry, threshold_s):
    async with StallMonitor(registry, threshold_s=threshold_s) as monitor:
        registry.register(monitor)
        yield monitor


async def test_status_by_pygit2s_own_function_is_named(add, registry, monitor, repository, named) -> None:
    """It holds the GIL from start to end. A busy machine may hide one such run, but not all."""
    add(slow_status=lambda: pygit2.Repository(repository).status())
    for _ in range(30):
        await registry.run("v")
        if named(monitor):
            break
    assert named(monitor) == {"slow_status"}
    assert {stall.how for stall in monitor.stalls if stall.steps} == {"gil"}


async def test_shipped_git_status_is_not_named(registry, monitor, repository) -> None:
    """The same answer in the same time, by calls that let go of the GIL.

    A machine that stops the loop and this step just so can make it a suspect, but not time and again.
    """
    registry.register(aiohttp_steps_git, "git")
    for _ in range(10):
        report = await registry.run(wanted=["git_status"], inputs={"project_path": repository})
        assert report["git_status"].counts.unstaged == FILES // 20
    assert sum("git_status" in stall.steps for stall in monitor.stalls) <= 2
