"""`check`: everything that can be wrong, for CI."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.markup import escape

from aiohttp_steps.cli.common import Console, count, write_json
from aiohttp_steps.cli.listing import is_builtin
from aiohttp_steps.engine import check_registry

if TYPE_CHECKING:
    from aiohttp_steps.engine import StepRegistry


def check(registry: StepRegistry, *, as_json: bool, strict: bool) -> int:
    """Print what is wrong with the plugins of a registry, and return the exit code."""
    findings = check_registry(registry)
    errors = sum(finding.severity == "error" for finding in findings)
    if as_json:
        write_json({"findings": [asdict(f) for f in findings]})
    else:
        console = Console.results()
        for finding in findings:
            style = "bold red" if finding.severity == "error" else "yellow"
            console.print(f"[{style}]{finding.severity}:[/] {escape(finding.message)}", soft_wrap=True)
        plugins = sum(not is_builtin(info) for info in registry.plugins)
        what = ", ".join(
            (count(plugins, "plugin"), count(len(registry.steps), "step"), count(len(registry.views), "view"))
        )
        result = f"{count(errors, 'error')}, {count(len(findings) - errors, 'warning')}"
        console.print(f"checked {what}: {result}")
    return 1 if errors or (strict and findings) else 0
