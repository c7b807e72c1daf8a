"""Which steps a plan is made of: those of the view, those that the handler takes, and what these take."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp_steps.errors import DuplicateNameError, UnknownNameError
from aiohttp_steps.types import InputNeed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from aiohttp_steps.types import Dependency, Step


@dataclass(slots=True)
class Selection:
    """What a plan is made of.

    Attributes:
        steps: in the order they were given, which is that of registration.
        shown: names of those whose values belong into the answer.
        needed: names of those that the handler cannot do without.
        inputs: what is taken from outside.
    """

    steps: list[Step]
    shown: set[str] = field(default_factory=set)
    needed: set[str] = field(default_factory=set)
    inputs: dict[str, InputNeed] = field(default_factory=dict)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most like `name`, `None` if none is like it."""
    import difflib  # noqa: PLC0415 - for who has made a slip, and nobody else

    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)), None)


def index_steps(steps: Sequence[Step], inputs: Collection[str]) -> dict[str, Step]:
    """Return steps by name.

    Raises:
        DuplicateNameError: two steps, or a step and an input, have the same name.
    """
    by_name: dict[str, Step] = {}
    for step in steps:
        first = by_name.setdefault(step.name, step)
        if first is not step:
            fault = (
                f"plugin {first.plugin!r} has a step of this name too ({first.location}); "
                "give one of them another name=, or block one plugin"
            )
            raise _duplicate(step, fault, plugins=(first.plugin, step.plugin))
        if step.name in inputs:
            raise _duplicate(step, "an input has this name too; rename the step or the input", (step.plugin,))
    return by_name


def select(
    by_name: Mapping[str, Step],
    roots: Sequence[Step],
    *,
    view: str | None,
    wanted: Sequence[Dependency],
    inputs: Collection[str],
) -> Selection:
    """Collect the roots, what the handler wants, and all that these take.

    Raises:
        UnknownNameError: something is taken that no step or input provides, and has no default.
    """
    selection = Selection(steps=[], shown={step.name for step in roots})
    queue = deque(roots)

    def take(dependency: Dependency, step: Step | None) -> Step | None:
        """Find what provides a parameter; note an input, return a step."""
        if dependency.name in by_name:
            return by_name[dependency.name]
        if dependency.name in inputs:
            _note_input(selection, dependency, step)
        elif dependency.required:
            raise _unknown(dependency.name, [*by_name, *inputs], view=view, step=step)
        return None

    for dependency in wanted:
        if found := take(dependency, None):
            queue.append(found)
            selection.shown.add(found.name)
            if dependency.required:
                selection.needed.add(found.name)
    chosen: set[str] = set()
    while queue:
        step = queue.popleft()
        if step.name not in chosen:
            chosen.add(step.name)
            queue.extend(found for dependency in step.takes if (found := take(dependency, step)))
    selection.steps = [step for step in by_name.values() if step.name in chosen]
    return selection


def _note_input(selection: Selection, dependency: Dependency, step: Step | None) -> None:
    known = selection.inputs.get(dependency.name)
    if known is None or (dependency.required and not known.required):
        taken_by = step.name if step else "the handler"
        need = InputNeed(name=dependency.name, required=dependency.required, taken_by=taken_by)
        selection.inputs[dependency.name] = need


def _unknown(
    name: str, known: Iterable[str], *, view: str | None, step: Step | None = None
) -> UnknownNameError:
    near = nearest(name, known)
    hint = f"did you mean {near!r}?" if near else "nothing has a similar name."
    who = "takes" if step else "the handler takes"
    fault = (
        f"{who} {name!r}, which no step and no input provides; {hint} "
        "Install the plugin that provides it, declare an input, or give the parameter a default"
    )
    error = UnknownNameError(
        fault,
        plugin=step.plugin if step else None,
        step=step.name if step else None,
        location=str(step.location) if step else None,
        view=view,
    )
    error.name, error.nearest = name, near
    return error


def _duplicate(step: Step, fault: str, plugins: tuple[str, ...]) -> DuplicateNameError:
    error = DuplicateNameError(fault, plugin=step.plugin, step=step.name, location=str(step.location))
    error.name, error.plugins = step.name, plugins
    return error
