"""Everything that can be wrong with the plugins of a registry, found without running a step."""

from __future__ import annotations

import functools
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from aiohttp_steps.errors import StepsError
from aiohttp_steps.plan import find_ambiguities, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiohttp_steps.engine.registry import StepRegistry
    from aiohttp_steps.types import Step


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or may be.

    Attributes:
        severity: `"error"`: an application would not start, or does not know what it runs; `"warning"`: a
            name that may be a slip of the pen.
        message: what, where, and the remedy.
    """

    severity: Literal["error", "warning"]
    message: str


def check_registry(registry: StepRegistry) -> list[Finding]:
    """Look for everything that can be wrong: errors first, then warnings, each in the order of plugins."""
    findings = [
        Finding(
            "error",
            f"plugin {failure.name!r} ({failure.target}) cannot be loaded: {describe_failure(failure.error)}",
        )
        for failure in registry.failures
    ]
    findings += _attempt(registry.check_pending)
    broken = _attempt(lambda: registry.inputs) + _attempt(lambda: registry.runners)
    findings += broken
    if not broken:
        for view in registry.views:
            findings += _check_view(registry, view)
        findings += _check_names(registry)
    unique = list(dict.fromkeys(findings))
    return sorted(unique, key=lambda finding: finding.severity)


def describe_failure(error: BaseException) -> str:
    """Say in one line what a plugin raised: `KeyError: 'HOME'`; our own errors speak for themselves."""
    if isinstance(error, StepsError):
        return str(error)
    return "".join(traceback.format_exception_only(type(error), error)[-1:]).strip()


def _attempt(look: Callable[[], object]) -> list[Finding]:
    try:
        look()
    except StepsError as error:
        return [Finding("error", str(error))]
    # Plugins' own hooks are called in there, and may raise anything.
    except Exception as error:  # noqa: BLE001
        at = traceback.extract_tb(error.__traceback__)[-1]
        fault = f"a hook of a plugin raised {describe_failure(error)} ({at.filename}:{at.lineno})"
        return [Finding("error", fault)]
    return []


def _check_view(registry: StepRegistry, view: str) -> Iterator[Finding]:
    faults = _attempt(lambda: registry.plan(view))
    yield from faults
    for first, second in () if faults else find_ambiguities(registry.plan(view)):
        yield Finding(
            "error",
            f"view {view!r}: the order of {_where(first)} and {_where(second)} is ambiguous: nothing "
            f"declares it, so that it depends on what is installed; let one say after= or before= the other",
        )


def _check_names(registry: StepRegistry) -> Iterator[Finding]:
    """Look for names that are satisfied because nothing has them, which a slip of the pen is too."""
    steps = registry.steps
    names = {step.name for step in steps}
    plugins = {f"plugin:{info.name}" for info in registry.plugins}
    taken = {dependency.name for step in steps for dependency in step.dependencies}
    for step in steps:
        for option in ("after", "before"):
            for name in getattr(step.options, option):
                if name not in names and name not in plugins:
                    yield _unknown(
                        step, f"{option}={name!r} names nothing that is installed", name, names | plugins
                    )
        for dependency in step.dependencies:
            known = names | registry.inputs.keys()
            if not dependency.required and dependency.name not in known:
                fault = f"its parameter {dependency.name!r} always has its default: nothing provides it"
                yield _unknown(step, fault, dependency.name, known)
        if not step.options.views and step.name not in taken:
            message = (
                f"{_where(step)} joins no view, and no other step takes it; only a handler can ask for it"
            )
            yield Finding("warning", message)
            # no view compiles it
            yield from _attempt(functools.partial(registry.plan, wanted=[step.name]))


def _unknown(step: Step, fault: str, name: str, known: set[str]) -> Finding:
    near = nearest(name, known)
    return Finding("warning", f"{_where(step)}: {fault}" + (f"; did you mean {near!r}?" if near else ""))


def _where(step: Step) -> str:
    return f"step {step.name!r} of plugin {step.plugin!r} ({step.location})"
