"""`race`: do the parallel steps of a view give the same in every order and interleaving?"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from aiohttp_steps.cli.common import Console, write_json
from aiohttp_steps.cli.running import name_missing_input
from aiohttp_steps.race import find_races

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aiohttp_steps.engine import StepRegistry
    from aiohttp_steps.race import RaceReport


@dataclass(frozen=True)
class Settings:
    """What the options say; as the arguments of `find_races`."""

    trials: int
    seed: int | None
    ignore: tuple[str, ...]
    files: tuple[Path, ...]
    restore: bool


async def race(
    registry: StepRegistry, view: str, inputs: Mapping[str, Any], settings: Settings
) -> RaceReport:
    """Check a view, and close the registry. What steps print goes to standard error.

    Raises:
        InputError: an input that a step cannot do without was not given.
    """
    errors = Console.errors()
    waiting = errors.status("first runs") if errors.is_terminal else None

    def show(done: int) -> None:
        if waiting is not None:
            waiting.update(f"trial {done} of {settings.trials}")

    async with registry:
        with (
            name_missing_input(view),
            waiting or contextlib.nullcontext(),
            contextlib.redirect_stdout(sys.stderr),
        ):
            return await find_races(
                registry,
                view,
                inputs=inputs,
                trials=settings.trials,
                seed=settings.seed,
                ignore=settings.ignore,
                files=settings.files,
                restore=settings.restore,
                progress=show,
            )


def print_report(report: RaceReport) -> None:
    """Print what was found, and the command that shows it again."""
    console = Console.results()
    style = "green" if report.agrees else "bold red"
    head, _, rest = report.describe().partition("\n")
    console.print(f"[{style}]{escape(head)}[/]", soft_wrap=True)
    if rest:
        console.print(escape(rest), soft_wrap=True)
    if report.disagreement is not None:
        console.print(f"  show it again: --seed {report.disagreement.seed}", soft_wrap=True)


def print_json(report: RaceReport) -> None:
    """Print the same for programs."""
    write_json({"agrees": report.agrees, **asdict(report)})
