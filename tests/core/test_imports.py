"""What `import aiohttp_steps` imports: what it uses, and nothing else."""

import subprocess
import sys

import pytest

MODULES = "import sys; before = set(sys.modules); {}; print(*sorted(set(sys.modules) - before), sep='\\n')"

NOT_USED = {
    "aiohttp.pytest_plugin",
    "aiohttp.test_utils",
    "aiohttp_steps.cli",
    "aiohttp_steps.race",
    "aiohttp_steps.testing",
    "anyio",
    "click",
    "difflib",
    "importlib.resources",
    "multiprocessing",
    "pytest",
    "rich",
    "statistics",
    "tenacity",
    "typer",
    "unittest",
}


def list_modules(statement):
    """Return what a fresh interpreter has imported after a statement and had not before."""
    listing = subprocess.run(
        [sys.executable, "-c", MODULES.format(statement)], capture_output=True, text=True, check=True
    )
    return set(listing.stdout.split())


@pytest.fixture(scope="module")
def imported():
    return list_modules("import aiohttp_steps")


def test_what_is_not_used_is_not_imported(imported):
    """Commands, test tools, the tools of some policies and runners, and what only slips of the pen need."""
    assert not imported & NOT_USED


def test_nothing_is_imported_but_what_the_dependencies_import_themselves(imported):
    """Besides its own modules a program pays for aiohttp, pluggy and msgspec, and for little of Python's."""
    needed = list_modules("import aiohttp.web, pluggy, msgspec")
    more = {name for name in imported - needed if name.partition(".")[0] != "aiohttp_steps"}
    assert more <= {"dataclasses", "gc", "importlib.abc"}


def test_a_registry_that_runs_steps_imports_no_more():
    """Policies and runners of which no step makes use stay out, too."""
    run = (
        "import asyncio, types; from aiohttp_steps import Limits, StepRegistry, step\n"
        "@step(concurrency='parallel', views=['v'], timeout=1, share=True, limit=1)\n"
        "async def one(): ...\n"
        "@step(concurrency='parallel', views=['v'])\n"
        "def two(): ...\n"
        "registry = StepRegistry(limits=Limits(steps=1))\n"
        "registry.register(types.SimpleNamespace(one=one, two=two), 'p')\n"
        "assert asyncio.run(registry.run('v')).completed"
    )
    assert not list_modules(f"exec({run!r})") & NOT_USED
