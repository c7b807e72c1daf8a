"""Values of inputs: converted to their declared types, and put together for one run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from aiohttp_steps.errors import InputError
from aiohttp_steps.types import MISSING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp_steps.types import Input, Plan


def convert_input(declared: Input, value: Any, *, is_text: bool = False) -> Any:
    """Return `value` as the input's declared type.

    Args:
        is_text: the value is text from a path, query or command line, to be read as the type: `"5"` as 5.

    Raises:
        InputError: it is not of the type and cannot be read as it.
    """
    try:
        return msgspec.convert(value, declared.type, strict=not is_text, dec_hook=_convert_other)
    except (msgspec.ValidationError, UnicodeError) as error:
        message = f"input {declared.name!r} does not fit its type {declared.type_name}: {error}"
        raise InputError(message, input=declared.name, expected=declared.type_name) from None


def read_input(declared: Input, text: str) -> Any:
    """Return the value that a person wrote: text that is read as the type, or else JSON of that type.

    Raises:
        InputError: it is neither.
    """
    try:
        return convert_input(declared, text, is_text=True)
    except InputError:
        try:
            value = msgspec.json.decode(text)
        except msgspec.DecodeError:
            value = MISSING
        if value is MISSING:
            raise
        return convert_input(declared, value)


def resolve_inputs(plan: Plan, declared: Mapping[str, Input], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of all inputs that a plan takes, in the order of first use.

    Args:
        given: values that are there already, converted; they win over defaults.

    Raises:
        InputError: one that some step cannot do without has no value.
    """
    values: dict[str, Any] = {}
    for need in plan.inputs:
        value = given.get(need.name, MISSING)
        if value is MISSING:
            value = _default(declared.get(need.name))
        if value is not MISSING:
            values[need.name] = value
        elif need.required:
            raise _missing(need.name, need.taken_by, declared.get(need.name))
    return values


def _default(declared: Input | None) -> Any:
    if declared is None:
        return MISSING
    return declared.default_factory() if declared.default_factory else declared.default


def _missing(name: str, taken_by: str, declared: Input | None) -> InputError:
    expected = declared.type_name if declared else "any type"
    if declared and declared.sources:
        remedy = f"give it by {' or '.join(declared.sources)}"
    else:
        remedy = "it is for the application to give: pass it in inputs="
    message = f"input {name!r} is missing; {taken_by!r} takes it, as {expected}; {remedy}"
    return InputError(message, input=name, expected=expected)


def _convert_other(type_: type, value: Any) -> Any:
    """Convert what msgspec does not know: paths, and objects that an app hands over as they are."""
    if isinstance(value, type_):
        return value
    if issubclass(type_, Path) and isinstance(value, str):
        return type_(value)
    message = f"Expected `{type_.__name__}`, got `{type(value).__name__}`"
    raise TypeError(message)
