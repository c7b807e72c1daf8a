"""For the tests of steps: run functions as they stand, without an app, a server or an installed plugin."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from aiohttp_steps.engine import StepRegistry
from aiohttp_steps.marker import step_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
    plugin = SimpleNamespace(**{f"step_{at}": function for at, function in enumerate(functions)})
    async with StepRegistry() as registry:
        registry.register(plugin, "tested")
        names = [step_name(function) for function in functions]
        return await registry.run(wanted=names, inputs=inputs, request=request, sequential=sequential)
