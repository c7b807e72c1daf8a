"""Makes the pictures of the front page: a small repository, `aiohttp-steps serve` in it, and a browser.

Run it from the root of the project, with the extras `cli` and `browser`, `plugins/git` and `plugins/chat`
installed, and `git` and `chromium` on the path: `python docs/pictures/make.py`.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.async_api import async_playwright

HERE = Path(__file__).parent
FILES = {
    "README.md": "# Tea house\n",
    "tea/brew.py": "MINUTES = 4\n",
    "tea/stock.py": "POUNDS = 12\n",
    "tests/test_brew.py": "def test_brew(): ...\n",
}
COMMITS = [
    "Brew tea",
    "Keep stock of leaves",
    "Let green tea brew for three minutes",
    "Say when the water boils",
]
MESSAGES = [
    ("user", "Which tests cover the brewing time?"),
    ("assistant", "tests/test_brew.py does, for black tea alone. Shall I add green tea?"),
    ("user", "Yes, and white tea as well."),
]
PICTURES = {
    "front-light": ("light", 1000, 720),
    "front-dark": ("dark", 1000, 720),
}


def make_project(folder: Path) -> Path:
    """Make a repository with some changes, and a chat beside it; returns where the repository is."""
    repository = folder / "tea-house"
    for name, text in FILES.items():
        path = repository / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(repository, "init", "-q", "-b", "main")
    git(repository, "add", "-A")
    for number, message in enumerate(COMMITS):
        git(repository, "commit", "-q", "--allow-empty", "-m", message, day=number + 1)
    (repository / "tea/brew.py").write_text("MINUTES = 3\n")
    git(repository, "add", "-u")
    (repository / "README.md").write_text("# Tea house\n\nOpen from four to six.\n")
    (repository / "tea/white.py").write_text("MINUTES = 5\n")
    lines = [
        {"role": role, "content": content, "timestamp": f"2026-11-05T09:0{number}:00Z"}
        for number, (role, content) in enumerate(MESSAGES)
    ]
    (folder / "chat").mkdir()
    (folder / "chat/white-tea.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return repository


def git(repository: Path, *arguments: str, day: int = 1) -> None:
    """Run git as nobody in particular, on a day in November."""
    at = f"2026-11-0{day}T10:00:00+01:00"
    who = {"NAME": "Ada", "EMAIL": "ada@example.org", "DATE": at}
    named = {f"GIT_{role}_{key}": text for role in ("AUTHOR", "COMMITTER") for key, text in who.items()}
    settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    environment = {**os.environ, **named, **settings}
    subprocess.run(["git", *arguments], cwd=repository, env=environment, check=True)


async def take(url: str) -> None:
    """Take all pictures of the view `project`."""
    async with async_playwright() as playwright:
        program = shutil.which("chromium")
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for name, (scheme, width, height) in PICTURES.items():
            size = {"width": width, "height": height}
            page = await browser.new_page(color_scheme=scheme, viewport=size)  # type: ignore[arg-type]
            await page.goto(f"{url}/#project")
            await page.get_by_text("on the screen after").wait_for()
            await page.get_by_role("button", name="Run again").click()  # the first run opens files
            await page.get_by_text("on the screen after").wait_for()
            await page.mouse.move(0, height - 1)
            await page.locator("#again").blur()
            await page.screenshot(path=HERE / f"{name}.png")
        await browser.close()


def main() -> None:
    """Serve, take the pictures, stop."""
    with tempfile.TemporaryDirectory() as folder:
        repository = make_project(Path(folder))
        process = subprocess.Popen(
            [sys.executable, "-m", "aiohttp_steps", "serve", "--port", "0", "--debug"],
            cwd=repository,
            env={**os.environ, "AIOHTTP_STEPS_CHAT_FOLDER": f"{folder}/chat"},
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            line = process.stdout.readline() if process.stdout else ""
            asyncio.run(take(line.removeprefix("Serving on ").strip()))
            process.terminate()


if __name__ == "__main__":
    main()
