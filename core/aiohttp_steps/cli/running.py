"""`run`, and the run behind `explain --analyze`."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from aiohttp_steps.cli.common import Console, write_json
from aiohttp_steps.engine import build_trace, describe_error, encode_report
from aiohttp_steps.errors import InputError, PlanError, StepsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from aiohttp_steps.engine import StepRegistry
    from aiohttp_steps.types import Plan, Report


async def measure(
    registry: StepRegistry, view: str, inputs: Mapping[str, Any], *, sequential: bool, runs: int = 1
) -> list[Report]:
    """Run a view so many times and return the reports; the registry is closed afterwards.

    If more than once, then once more before, which warms up: modules, threads and files are there then.

    What steps print goes to standard error: standard output is for the report.

    Raises:
        InputError: an input that a step cannot do without was not given.
    """
    async with registry:
        with contextlib.redirect_stdout(sys.stderr), name_missing_input(view):
            reports = [
                await registry.run(view, inputs=inputs, sequential=sequential or None)
                for _ in range(runs + (runs > 1))
            ]
        return reports[-runs:]


@contextlib.contextmanager
def name_missing_input(view: str) -> Iterator[None]:
    """Say how an input that was not given is given here.

    Raises:
        InputError: in the place of another.
    """
    try:
        yield
    except InputError as error:
        name, expected = error.input, error.expected
        message = f"view {view!r} needs the input {name!r} ({expected}); add --input {name}=VALUE"
        raise InputError(message, input=name, expected=expected) from error


async def run(
    registry: StepRegistry,
    view: str,
    inputs: Mapping[str, Any],
    *,
    sequential: bool,
    trace: Path | None = None,
) -> bool:
    """Run a view, print its report, and answer whether every required step succeeded.

    Who runs it on his own machine may read all messages.

    Args:
        trace: file to write the run to, in the Chrome trace event format.

    Raises:
        StepsError: that file cannot be written; if it is seen before the run, nothing has run.
    """
    if trace is not None:
        _refuse_unwritable(trace)
    (report,) = await measure(registry, view, inputs, sequential=sequential)
    if trace is not None:
        _write_trace(report, trace)
    document = encode_report(report, debug=True).body
    if sys.stdout.isatty():
        Console.results().print_json(document.decode())
    else:
        write_json(json.loads(document))
    if report.failure is None or report.failure.error is None:
        return True
    told = describe_error(report.failure.error, debug=True)["message"]
    message = f"step {report.failure.step.name!r} failed: {told}"
    Console.errors().print(f"[bold red]error:[/] {escape(message)}", soft_wrap=True)
    return False


def _refuse_unwritable(file: Path) -> None:
    """Refuse what cannot be written before a run that cannot be taken back.

    Raises:
        StepsError: there is no such folder, or it is no file.
    """
    folder = file.parent
    if not folder.is_dir():
        fault = f"there is no folder {str(folder)!r}; make it first, or name another file"
    elif file.is_dir():
        fault = "it is a folder; name a file in it"
    elif not os.access(file if file.exists() else folder, os.W_OK):
        fault = "it may not be written to; name another file"
    else:
        return
    message = f"--trace {file}: {fault}"
    raise StepsError(message)


def _write_trace(report: Report, file: Path) -> None:
    try:
        file.write_text(json.dumps(build_trace(report)), encoding="utf-8")
    except OSError as error:
        message = f"--trace {file}: the run has ended, but its trace cannot be written: {error.strerror}"
        raise StepsError(message) from error
    told = f"trace of the run: {file}; open it at https://ui.perfetto.dev or chrome://tracing"
    Console.errors().print(escape(told), soft_wrap=True)


def refuse_writes(plan: Plan, *, allowed: bool, who: str) -> None:
    """Refuse to run steps that may write, only to look at them.

    Args:
        who: the command or option that would run them.

    Raises:
        PlanError: there is one, and it is not allowed.
    """
    for step in plan.steps:
        if step.writes and not allowed:
            fault = f"may write, and {who} runs it for real; add --allow-writes if that is meant"
            raise PlanError(
                fault, plugin=step.plugin, step=step.name, location=str(step.location), view=plan.view
            )
