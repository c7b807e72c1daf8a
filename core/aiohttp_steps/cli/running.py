"""`run`, and the run behind `explain --analyze`."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from aiohttp_steps.cli.common import Console, write_json
from aiohttp_steps.engine import describe_error, encode_report
from aiohttp_steps.errors import InputError, PlanError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp_steps.engine import StepRegistry
    from aiohttp_steps.types import Plan, Report


async def measure(
    registry: StepRegistry, view: str, inputs: Mapping[str, Any], *, sequential: bool
) -> Report:
    """Run a view and return its report; the registry is closed afterwards.

    What steps print goes to standard error: standard output is for the report.

    Raises:
        InputError: an input that a step cannot do without was not given.
    """
    async with registry:
        with contextlib.redirect_stdout(sys.stderr):
            try:
                return await registry.run(view, inputs=inputs, sequential=sequential or None)
            except InputError as error:
                name, expected = error.input, error.expected
                message = f"view {view!r} needs the input {name!r} ({expected}); add --input {name}=VALUE"
                raise InputError(message, input=name, expected=expected) from error


async def run(registry: StepRegistry, view: str, inputs: Mapping[str, Any], *, sequential: bool) -> bool:
    """Run a view, print its report, and answer whether every required step succeeded.

    Who runs it on his own machine may read all messages.
    """
    report = await measure(registry, view, inputs, sequential=sequential)
    document = encode_report(report, debug=True)
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


def refuse_writes(plan: Plan, *, allowed: bool) -> None:
    """Refuse to run steps that may write, only to see how long they take.

    Raises:
        PlanError: there is one, and it is not allowed.
    """
    for step in plan.steps:
        if step.writes and not allowed:
            fault = "may write, and --analyze runs it for real; add --allow-writes if that is meant"
            raise PlanError(
                fault, plugin=step.plugin, step=step.name, location=str(step.location), view=plan.view
            )
