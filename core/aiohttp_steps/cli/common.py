"""What the commands share: the console, the registry of what is installed, and inputs from options."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, get_origin

import rich.console
from rich.markup import escape

from aiohttp_steps.engine import StepRegistry, convert_input, read_input
from aiohttp_steps.engine.check import describe_failure
from aiohttp_steps.errors import InputError
from aiohttp_steps.plan import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp_steps.types import Input


PIPE_WIDTH = 10_000
"""Columns of what is no terminal: nothing is wrapped or cut for `grep`, a file or a CI log."""


class Console:
    """The two consoles: results on standard output, everything else on standard error."""

    @staticmethod
    def results() -> rich.console.Console:
        """Return a console on standard output, coloured if that is a terminal."""
        return _widen(rich.console.Console(highlight=False))

    @staticmethod
    def errors() -> rich.console.Console:
        """Return a console on standard error."""
        return _widen(rich.console.Console(stderr=True, highlight=False))


def _widen(console: rich.console.Console) -> rich.console.Console:
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    return console


def write(text: str) -> None:
    """Write a line or more for programs to standard output, without colours."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()  # a reader that has gone is met here, where typer knows about it, not at the exit


def write_json(document: Any) -> None:
    """Write JSON for programs to standard output."""
    write(json.dumps(document, indent=2, ensure_ascii=False))


def load_registry(*, warn: bool = True) -> StepRegistry:
    """Return a registry of the plugins that are installed.

    Args:
        warn: say on standard error which could not be loaded.
    """
    registry = StepRegistry()
    registry.load_entry_points()
    for failure in registry.failures if warn else ():
        fault = describe_failure(failure.error)
        message = f"plugin {failure.name!r} cannot be loaded: {fault}; see: aiohttp-steps plugins"
        Console.errors().print(f"[yellow]warning:[/] {escape(message)}", soft_wrap=True)
    return registry


def read_inputs(registry: StepRegistry, options: Sequence[str] | None) -> dict[str, Any]:
    """Return the values of `--input NAME=VALUE` options, converted.

    Raises:
        InputError: an option has no `=`, an unknown name, a wrong value, or a second one.
    """
    given: dict[str, list[str]] = {}
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
        given.setdefault(name, []).append(text)
    return {name: _read_texts(declared[name], texts) for name, texts in given.items()}


def _read_texts(declared: Input, texts: list[str]) -> Any:
    """Return the value of one input; one that takes several is JSON, or an option for each."""
    takes_several = get_origin(declared.type) in (list, tuple, set, frozenset)
    if takes_several and not (len(texts) == 1 and texts[0].lstrip().startswith("[")):
        return convert_input(declared, texts, is_text=True)
    if len(texts) > 1:
        message = f"input {declared.name!r} is given {len(texts)} times, but takes one value; give it once"
        raise InputError(message, input=declared.name, expected=declared.type_name)
    return read_input(declared, texts[0])


def count(number: int, noun: str) -> str:
    """Return a number with its noun: `1 step`, `3 steps`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
