"""The shipped plugins call their steps parallel; this holds them to it, on real files."""

from __future__ import annotations

import subprocess

import pytest
from aiohttp_steps import StepRegistry


@pytest.fixture
def repository(tmp_path):
    """Return a repository with a commit, a change and a new file."""
    folder = tmp_path / "repository"
    folder.mkdir()

    def git(*arguments):
        identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    (folder / "a").write_text("a\n")
    git("add", "-A")
    git("commit", "-q", "-m", "first")
    (folder / "a").write_text("b\n")
    (folder / "new").write_text("new\n")
    return folder


async def test_the_view_of_git_and_chat_has_no_race(check_race, repository, tmp_path):
    """Nor do its steps leave a trace in the files that they read."""
    import aiohttp_steps_chat
    import aiohttp_steps_git

    chat = tmp_path / "chat"
    chat.mkdir()
    message = {"role": "user", "content": "Hello"}
    for session_id in ("first", "second"):
        await aiohttp_steps_chat.send_chat_message(chat_folder=chat, session_id=session_id, message=message)
    async with StepRegistry() as registry:
        registry.register(aiohttp_steps_git, "git")
        registry.register(aiohttp_steps_chat, "chat")
        report = await check_race(
            registry,
            "project",
            inputs={"project_path": repository, "chat_folder": chat},
            files=[repository, chat],
            restore=False,
            trials=20,
        )
    assert report.pairs == 10
    assert not report.opaque
