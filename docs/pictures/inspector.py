"""Takes the pictures of the inspector's page from real runs: `python docs/pictures/inspector.py`.

With a folder as its argument it puts there a picture of everything, in light, dark and on a phone.

Needs `aiohttp-steps[browser]`, plugins/inspector and Debian's `chromium`. Serves an application with steps of
every kind on a loopback port, asks it, and looks at the page as a person would.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import ClientSession, web
from aiohttp_steps import Input, StepRegistry, add_views, exclusive, hookimpl, setup, step
from aiohttp_steps_inspector import Inspector
from playwright.async_api import async_playwright

if TYPE_CHECKING:
    from playwright.async_api import Page, Playwright

WIDE = {"width": 1180, "height": 800}
PHONE = {"width": 360, "height": 740}
SHIPPED = ("runs-light", "runs-dark", "runs-phone", "run-light", "views-light")
SWITCHES = ["--headless", "--no-sandbox", "--disable-gpu"]


class Accounts:
    """A gate, as most applications have one."""

    @step(concurrency="gate", views=["project", "deploy"])
    async def current_user(self) -> str:
        """Look up who asks."""
        await asyncio.sleep(0.006)
        return "ada"


class Project:
    """Steps like those of the project that aiohttp-steps began with."""

    is_bad_day = False

    @hookimpl
    def step_inputs(self) -> list[Input]:
        """Declare what a request may say."""
        return [
            Input("limit", int, default=20, source="query", help="Most messages to show."),
            Input("tag", str, default="v1.4", source="body", help="The release to deploy."),
        ]

    @step(concurrency="parallel", views=["project"], share=True)
    async def chat_history(self, *, limit: int) -> list[str]:
        """Read the transcript."""
        await asyncio.sleep(0.117)
        return [f"message {number}" for number in range(min(limit, 3))]

    @step(concurrency="parallel", views=["project"], limit=1)
    async def git_status(self) -> dict[str, int]:
        """Ask the repository."""
        await asyncio.sleep(0.038)
        return {"modified": 2, "untracked": 1}

    @step(concurrency="parallel", views=["project", "deploy"])
    async def git_branch(self) -> str:
        """Ask for the branch."""
        await asyncio.sleep(0.009)
        return "main"

    @step(concurrency="parallel", views=["project"], timeout=0.06)
    async def build_status(self) -> str:
        """Ask a server that hangs on a bad day."""
        await asyncio.sleep(60 if self.is_bad_day else 0.02)
        return "green"

    @step(concurrency="parallel", views=["project"])
    async def issues(self, *, git_branch: str) -> int:
        """Ask a server that is down on a bad day."""
        await asyncio.sleep(0.031)
        if self.is_bad_day:
            message = "the tracker answered 502 Bad Gateway"
            raise ConnectionError(message)
        return len(git_branch)

    @step(concurrency="parallel", views=["project"])
    async def summary(self, *, chat_history: list[str], issues: int) -> str:
        """Put together what others found."""
        await asyncio.sleep(0.012)
        return f"{len(chat_history)} messages, {issues} issues"

    @step(concurrency=exclusive("deploy"), views=["deploy"])
    async def deploy(self, *, current_user: str, tag: str) -> str:
        """Write: one at a time."""
        await asyncio.sleep(0.06)
        return f"{tag} by {current_user}"

    @step(concurrency="parallel", views=["deploy"])
    async def notify(self, *, deploy: str, git_branch: str) -> str:
        """Tell people."""
        await asyncio.sleep(0.018)
        return f"{deploy} from {git_branch}"


def build_app(project: Project) -> web.Application:
    """Return an application with these steps and the inspector."""
    registry = StepRegistry()
    registry.register(Accounts(), "accounts")
    registry.register(project, "project")
    registry.register(Inspector())
    app = web.Application()
    setup(app, registry)
    add_views(app)
    return app


async def serve(project: Project) -> tuple[web.AppRunner, str]:
    """Serve it on a free loopback port."""
    listener = socket.create_server(("127.0.0.1", 0))
    runner = web.AppRunner(build_app(project), shutdown_timeout=1, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    return runner, f"http://127.0.0.1:{listener.getsockname()[1]}"


async def ask(url: str, project: Project) -> None:
    """Ask for its views as clients would: some at the same time."""
    async with ClientSession() as session:

        async def get(path: str) -> None:
            async with session.get(url + path):
                pass

        async def post(path: str) -> None:
            async with session.post(url + path, json={}):
                pass

        await asyncio.gather(post("/views/deploy"), post("/views/deploy"))
        await asyncio.gather(get("/views/project"), get("/views/project"))
        project.is_bad_day = True
        await get("/views/project")
        project.is_bad_day = False


async def take(playwright: Playwright, url: str, folder: Path | None) -> None:
    """Take the pictures that the documentation shows; with a folder, all that there are to take."""
    program = shutil.which("chromium")
    browser = await playwright.chromium.launch(executable_path=program, args=SWITCHES)
    for name, scheme, size in (("light", "light", WIDE), ("dark", "dark", WIDE), ("phone", "light", PHONE)):
        options: dict[str, Any] = {"color_scheme": scheme, "viewport": size, "reduced_motion": "reduce"}
        context = await browser.new_context(**options)
        page = await context.new_page()
        await page.goto(f"{url}/_steps")
        await look_around(page, folder, name)
        await context.close()
    await browser.close()


async def look_around(page: Page, folder: Path | None, name: str) -> None:
    """Open what there is to open, and take a picture of each."""

    async def picture(what: str, of: str = "") -> None:
        if folder is None and f"{what}-{name}" not in SHIPPED:
            return
        file = (folder or Path(__file__).parent) / f"inspector-{what}-{name}.png"
        await (page.locator(of) if of else page).screenshot(path=file)

    await page.locator(".run").first.wait_for()
    await picture("runs")
    await page.locator(".run[data-state=incomplete] .open").first.click()
    await page.locator("dialog .step").first.wait_for()
    await picture("run", of="dialog")
    await page.keyboard.press("Escape")
    await page.get_by_role("tab", name="Views").click()
    await page.get_by_role("button", name="project", exact=True).click()
    await page.get_by_role("button", name="side by side").click()
    await page.locator(".result").nth(1).wait_for()
    size = page.viewport_size or WIDE
    await page.set_viewport_size({**size, "height": 980})
    await picture("views")
    await page.set_viewport_size(size)
    for tab in ("Steps", "Plugins"):
        await page.get_by_role("tab", name=tab).click()
        await picture(tab.lower())


async def main() -> None:
    """Serve, ask, and take the pictures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    project = Project()
    runner, url = await serve(project)
    try:
        await ask(url, project)
        async with async_playwright() as playwright:
            await take(playwright, url, folder)
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
