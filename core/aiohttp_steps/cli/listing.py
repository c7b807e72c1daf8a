"""`plugins`: what is installed, and what failed to load and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.tree import Tree

from aiohttp_steps.cli.common import Console, count, write_json
from aiohttp_steps.cli.explaining import shorten

if TYPE_CHECKING:
    from aiohttp_steps.engine import StepRegistry
    from aiohttp_steps.registry import PluginInfo
    from aiohttp_steps.types import Step


def print_tree(registry: StepRegistry) -> None:
    """Print plugins with their steps, then the failures with their tracebacks."""
    console = Console.results()
    installed = [info for info in registry.plugins if not is_builtin(info)]
    root = Tree(f"[bold]{count(len(installed), 'plugin')}[/]")
    for info in installed:
        origin = f"{info.distribution} {info.version}" if info.distribution else "registered by hand"
        branch = root.add(f"[bold green]{escape(info.name)}[/] [dim]{escape(origin)}[/]")
        for step in info.steps:
            branch.add(_describe(step))
    console.print(root)
    if not installed and not registry.failures:
        console.print("Step plugins are installed with pip: pip install aiohttp-steps-git")
    for failure in registry.failures:
        origin = f"{failure.distribution} {failure.version}, {failure.target}"
        console.print(f"[bold red]{escape(failure.name)}[/] [dim]{escape(origin)}[/] cannot be loaded:")
        console.print(escape(failure.traceback.rstrip()), soft_wrap=True, style="red")


def _describe(step: Step) -> str:
    views = f"in {', '.join(step.options.views)}" if step.options.views else "in no view"
    takes = ", ".join(dependency.name for dependency in step.dependencies)
    facts = f"{step.kind} · {step.runner} · {views}" + (f" · takes {takes}" if takes else "")
    return f"{escape(step.name)} [dim]{escape(facts)} · {escape(shorten(step.location))}[/]"


def print_json(registry: StepRegistry) -> None:
    """Print the same as JSON."""
    document: dict[str, Any] = {
        "plugins": [
            {
                "name": info.name,
                "distribution": info.distribution,
                "version": info.version,
                "steps": [
                    {
                        "name": step.name,
                        "concurrency": step.kind,
                        "runner": step.runner,
                        "views": list(step.options.views),
                        "takes": [dependency.name for dependency in step.dependencies],
                        "location": str(step.location),
                    }
                    for step in info.steps
                ],
            }
            for info in registry.plugins
            if not is_builtin(info)
        ],
        "failures": [
            {
                "name": failure.name,
                "target": failure.target,
                "distribution": failure.distribution,
                "version": failure.version,
                "error": f"{type(failure.error).__name__}: {failure.error}",
                "traceback": failure.traceback,
            }
            for failure in registry.failures
        ],
    }
    write_json(document)


def is_builtin(info: PluginInfo) -> bool:
    """Tell whether a plugin is one that every registry has."""
    return type(info.plugin).__module__.startswith("aiohttp_steps.")
