"""The command `aiohttp-steps`; needs the extra `cli`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    try:
        from aiohttp_steps.cli.commands import run_cli  # noqa: PLC0415 - its libraries are an extra
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name not in ("typer", "rich", "click"):
            raise
        sys.exit(
            f"aiohttp-steps: the command line needs {name!r}, which is not installed; "
            "run: pip install 'aiohttp-steps[cli]'"
        )
    run_cli()


__all__ = ["main"]
