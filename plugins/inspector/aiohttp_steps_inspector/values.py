"""Values of steps and inputs as text for people: JSON where they are JSON, cut where they are long."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp_steps.types import MISSING

if TYPE_CHECKING:
    from aiohttp_steps.types import Report

KEPT_CHARACTERS = 2_000
"""Of each value that is kept with its run."""

SHOWN_CHARACTERS = 50_000
"""Of each value of a run that was started from the page."""


@dataclass(frozen=True, slots=True)
class Texts:
    """What a run was about, as text.

    Attributes:
        inputs: by name.
        values: by name of the step; those that gave none are not in it.
    """

    inputs: dict[str, str]
    values: dict[str, str]


def read_texts(report: Report, most: int) -> Texts:
    """Return a report's inputs and values as text, each cut to `most` characters."""
    return Texts(
        inputs={name: to_text(value, most) for name, value in report.run.inputs.items()},
        values={
            outcome.step.name: to_text(outcome.value, most)
            for outcome in report.outcomes
            if outcome.value is not MISSING
        },
    )


def to_text(value: Any, most: int) -> str:
    """Return a value as JSON with line breaks, or as Python writes it if JSON cannot say it."""
    try:
        text = msgspec.json.format(msgspec.json.encode(value, enc_hook=_encode_other), indent=2).decode()
    # The value is its author's, and so are the methods that are called for it.
    except Exception:  # noqa: BLE001
        text = _write(value)
    rest = len(text) - most
    return f"{text[:most]}\n… {rest:,} more characters" if rest > 0 else text


def _write(value: Any) -> str:
    try:
        return repr(value)
    except Exception as fault:  # noqa: BLE001 - its author's, too
        return f"<{type(value).__name__}, which cannot be shown: {type(fault).__name__}>"


def _encode_other(value: Any) -> Any:
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(type(value).__name__)
