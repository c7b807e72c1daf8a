"""For the tests of steps: run functions as they stand, without an app, a server or an installed plugin."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from aiohttp_steps.engine import StepRegistry
from aiohttp_steps.marker import step_name
from aiohttp_steps.race import find_races

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from aiohttp_steps.race import RaceReport
    from aiohttp_steps.types import Report


async def run_steps(
    *functions: Callable[..., Any],
    inputs: Mapping[str, Any] | None = None,
    request: Any = None,
    sequential: bool = False,
) -> Report:
    """Run functions marked with `@step` in one plan, and return the report.

    What a step takes from one that is not among them is given as an input: that is how a step is tested
    without the steps that it depends on.

    Args:
        inputs: values by name, of inputs and of steps that are left out; taken as they are.
        request: what steps that take `request` get; `aiohttp.test_utils.make_mocked_request` makes one.
        sequential: run every step alone.

    Raises:
        DefinitionError, PlanError: as in an application, with everything that is wrong with them.
    """
    async with StepRegistry() as registry:
        registry.register(_make_plugin(functions), "tested")
        names = [step_name(function) for function in functions]
        return await registry.run(wanted=names, inputs=inputs, request=request, sequential=sequential)


async def check_race(
    subject: StepRegistry | Iterable[Callable[..., Any]],
    view: str | None = None,
    **options: Any,
) -> RaceReport:
    """Fail if steps that call themselves parallel are not: as `aiohttp_steps.race.find_races`.

    The fixture `check_race` is this function, with what the command line of pytest says: `--race-trials` and
    `--race-seed` win over the test's own.

    Args:
        subject: a registry, with a view or `wanted`; or functions marked with `@step`, which then run in one
            plan. What they take from others is given as inputs, as for `run_steps`.
        options: as for `find_races`: `inputs`, `trials`, `seed`, `ignore`, `files`, and so on.

    Raises:
        AssertionError: some do not agree, or the steps are not deterministic; the message says all about it.
    """
    __tracebackhide__ = True  # pytest shows the test's own line
    if isinstance(subject, StepRegistry):
        report = await find_races(subject, view, **options)
    else:
        functions = list(subject)
        async with StepRegistry() as registry:
            registry.register(_make_plugin(functions), "tested")
            wanted = [step_name(function) for function in functions]
            report = await find_races(registry, view, **{"wanted": wanted, **options})
    if not report.agrees:
        found = report.disagreement
        again = f"\n  show it again: pytest --race-seed {found.seed}, or seed={found.seed}" if found else ""
        raise AssertionError(report.describe() + again)
    return report


def _make_plugin(functions: Sequence[Callable[..., Any]]) -> SimpleNamespace:
    return SimpleNamespace(**{f"step_{at}": function for at, function in enumerate(functions)})
