"""What is seen of a run, frozen, and where two runs differ."""

from __future__ import annotations

import copy
import reprlib
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from aiohttp_steps.types import MISSING, Status

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextvars import ContextVar

    from aiohttp_steps.types import Outcome, Plan, Report

Kind = Literal["step", "variable", "input", "file", "run"]
"""What may differ: a step's outcome, a context variable or an input as the run left it, a file, how the run
ended."""

UNFINISHED = (Status.CANCELLED, Status.NOT_STARTED)
"""How steps stand that were not run to their end, because the run ended before; how many, is up to time."""

PLAIN = (str, bytes, int, float, list, tuple, dict, set, frozenset, PurePath, type(None))
"""Types of attributes by which objects are compared that have no `==` of their own."""

MOST_CHARACTERS = 200
"""Of a value that is told."""


@dataclass(frozen=True)
class Difference:
    """One thing that two runs do not agree on.

    Attributes:
        kind: what kind of thing.
        name: of the step, context variable, input or file; of the view for `"run"`.
        expected: what the sequential run gave, as text.
        found: what the other run gave.
    """

    kind: Kind
    name: str
    expected: str
    found: str


class Snapshot:
    """A value as it was at one moment, to be compared with others.

    Compared by `==`; where that is identity only, or says no, by the JSON of both; without JSON, by type.
    """

    __slots__ = ("_copy", "_json", "_type", "is_opaque", "text")

    def __init__(self, value: Any) -> None:
        self._type = type(value)
        self.text = describe_value(value)
        encoder = _Encoder()
        self._json = encoder.encode(value)
        # What is no value, such as a session, is not copied either: its copies would not be closed.
        is_value = _has_own_equality(value) and not encoder.is_partial
        self._copy = _copy(value) if is_value else MISSING
        self.is_opaque = self._copy is MISSING and (self._json is None or encoder.is_partial)
        """Whether nothing but the type of it, or of something in it, is compared."""

    def equals(self, other: Snapshot) -> bool:
        """Tell whether both are the same, as far as that can be told."""
        if self._type is not other._type:
            return False
        can_ask = self._copy is not MISSING and other._copy is not MISSING
        if can_ask and _are_equal(self._copy, other._copy):
            return True
        if self._json is not None or other._json is not None:
            return self._json == other._json
        return not can_ask


@dataclass
class Observation:
    """What one run gave and left.

    Attributes:
        plan: what ran.
        facts: by kind and name; a step that the run did not let come to its end has none.
        overlaps, order, changes: as in `Trial`.
        wall_s: how long it took.
    """

    plan: Plan
    facts: dict[tuple[Kind, str], tuple[Any, ...]]
    overlaps: set[tuple[str, str]] = field(default_factory=set)
    order: list[str] = field(default_factory=list)
    changes: Mapping[str, Mapping[ContextVar[Any], Any]] = field(default_factory=dict)
    wall_s: float = 0.0


def observe_report(report: Report) -> dict[tuple[Kind, str], tuple[Any, ...]]:
    """Return the facts of a report: how each step ended, and whether the run was cancelled."""
    facts: dict[tuple[Kind, str], tuple[Any, ...]] = {
        ("step", outcome.step.name): _observe_outcome(outcome)
        for outcome in report.outcomes
        if outcome.status not in UNFINISHED
    }
    facts["run", str(report.view)] = ("was cancelled" if report.cancelled else "ended",)
    return facts


def _observe_outcome(outcome: Outcome) -> tuple[Any, ...]:
    error = outcome.error
    told = None if error is None else f"{type(error).__name__}: {error}"
    return outcome.status.value, told, Snapshot(outcome.value)


def compare(expected: Observation, found: Observation, *, view: str | None) -> list[Difference]:
    """Return what differs: steps in plan order, then everything else by kind and name.

    A step that has no fact in one of them is not compared, unless nothing ended the run early.
    """
    places = {name: place for place, name in enumerate(expected.plan.index)}
    keys = expected.facts.keys() | found.facts.keys()
    differences = []
    for kind, name in sorted(keys, key=lambda key: (places.get(key[1], len(places)), key)):
        before, after = expected.facts.get((kind, name)), found.facts.get((kind, name))
        if kind in ("step", "run") and (before is None or after is None):
            continue
        if not _agree(before, after):
            shown = name if kind != "run" else (view or "the steps")
            differences.append(Difference(kind, shown, tell(kind, before), tell(kind, after)))
    return differences


def _agree(before: tuple[Any, ...] | None, after: tuple[Any, ...] | None) -> bool:
    if before is None or after is None:
        return before is after
    return all(
        one.equals(other) if isinstance(one, Snapshot) and isinstance(other, Snapshot) else one == other
        for one, other in zip(before, after, strict=True)
    )


def tell(kind: Kind, fact: tuple[Any, ...] | None) -> str:
    """Return a fact as text."""
    if fact is None:
        return {"file": "is not there", "variable": "is not set"}.get(kind, "did not end")
    if kind != "step":
        return " ".join(part.text if isinstance(part, Snapshot) else str(part) for part in fact)
    status, error, value = fact
    if status == Status.SUCCEEDED:
        told: str = value.text
        return told
    return f"{status} ({error})" if error else str(status)


def describe_value(value: Any) -> str:
    """Return a value as text of a bounded length."""
    if value is MISSING:
        return "no value"
    try:
        text = repr(value)
    # A value's own `__repr__` may raise anything.
    except Exception:  # noqa: BLE001
        text = reprlib.repr(value)
    half = MOST_CHARACTERS // 2
    return text if len(text) <= MOST_CHARACTERS else f"{text[:half]}...{text[-half:]}"


class _Encoder:
    """Makes JSON of a value for comparison: more than what an answer may hold.

    Attributes:
        is_partial: whether something in it was written as the name of its type.
    """

    def __init__(self) -> None:
        self.is_partial = False

    def encode(self, value: Any) -> bytes | None:
        try:
            return msgspec.json.encode(value, enc_hook=self._encode_other, order="deterministic")
        # msgspec, and methods of the value: no JSON, whatever the reason.
        except Exception:  # noqa: BLE001
            return None

    def _encode_other(self, value: Any) -> Any:
        """Write what msgspec does not know: of an object its public plain attributes.

        The others are its own business: a lock that was waited for is not what it was, and as good.
        """
        if isinstance(value, PurePath):
            return str(value)
        name = f"{type(value).__module__}.{type(value).__qualname__}"
        attributes: dict[str, Any] = getattr(value, "__dict__", {})
        plain = {
            key: part
            for key, part in attributes.items()
            if isinstance(part, PLAIN) and not key.startswith("_")
        }
        if len(plain) < len(attributes) or not attributes:
            self.is_partial = True
        return {"": name, **plain}


def _has_own_equality(value: Any) -> bool:
    """Tell whether `==` says more about a value than `is`."""
    return any("__eq__" in vars(kind) for kind in type(value).__mro__[:-1])


def _copy(value: Any) -> Any:
    try:
        return copy.deepcopy(value)
    # Somebody's own `__deepcopy__` or `__reduce__`: it may raise anything.
    except Exception:  # noqa: BLE001
        return MISSING


def _are_equal(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    # A value's own `__eq__`: an array says neither yes nor no.
    except Exception:  # noqa: BLE001
        return False
