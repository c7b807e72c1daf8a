"""What the commands share: the console, the registry of what is installed, and inputs from options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rich.console
from rich.markup import escape

from aiohttp_steps.engine import StepRegistry, read_input
from aiohttp_steps.errors import InputError
from aiohttp_steps.plan import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence


class Console:
    """The two consoles: results on standard output, everything else on standard error."""

    @staticmethod
    def results() -> rich.console.Console:
        """Return a console on standard output, coloured if that is a terminal."""
        return rich.console.Console(highlight=False)

    @staticmethod
    def errors() -> rich.console.Console:
        """Return a console on standard error."""
        return rich.console.Console(stderr=True, highlight=False)


def load_registry(*, warn: bool = True) -> StepRegistry:
    """Return a registry of the plugins that are installed.

    Args:
        warn: say on standard error which could not be loaded.
    """
    registry = StepRegistry()
    registry.load_entry_points()
    for failure in registry.failures if warn else ():
        message = f"plugin {failure.name!r} cannot be loaded: {failure.error}; see: aiohttp-steps plugins"
        Console.errors().print(f"[yellow]warning:[/] {escape(message)}", soft_wrap=True)
    return registry


def read_inputs(registry: StepRegistry, options: Sequence[str] | None) -> dict[str, Any]:
    """Return the values of `--input NAME=VALUE` options, converted.

    Raises:
        InputError: an option has no `=`, an unknown name, or a wrong value.
    """
    values = {}
    declared = registry.inputs
    for option in options or ():
        name, separator, text = option.partition("=")
        if not separator:
            message = f"--input {option!r} has no value; write --input {option}=VALUE"
            raise InputError(message, input=option, expected="NAME=VALUE")
        if name not in declared:
            near = nearest(name, declared)
            hint = f"did you mean {near!r}?" if near else f"the inputs are: {', '.join(declared) or 'none'}"
            raise InputError(f"input {name!r} is not known; {hint}", input=name, expected="nothing")
        values[name] = read_input(declared[name], text)
    return values


def count(number: int, noun: str) -> str:
    """Return a number with its noun: `1 step`, `3 steps`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
