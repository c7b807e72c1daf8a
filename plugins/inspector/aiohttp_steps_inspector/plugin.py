"""The hook implementation behind the entry point: an inspector where the environment asks for one.

It listens to no run itself, so that an inspector that is installed and not enabled costs nothing.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aiohttp_steps import hookimpl
from aiohttp_steps.errors import StepsError

from aiohttp_steps_inspector.inspector import DEFAULT_RUNS, Inspector

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web
    from aiohttp_steps import StepRegistry

VARIABLE = "AIOHTTP_STEPS_INSPECTOR"
"""Enables the inspector; its options are the variables with `_TOKEN`, `_RUNS`, `_KEEP_VALUES` behind it."""

PLUGIN_NAME = "inspector_page"

ON = ("1", "on", "true", "yes")
OFF = ("", "0", "off", "false", "no")


@hookimpl
def steps_app_setup(app: web.Application, registry: StepRegistry) -> None:
    """Give the registry an inspector if the environment says so and it has none, and the app its page.

    Raises:
        StepsError: a variable has a value that means nothing.
    """
    inspectors = [info for info in registry.plugins if isinstance(info.plugin, Inspector)]
    if any(info.name != PLUGIN_NAME for info in inspectors):
        return  # the app's own, which pluggy calls itself
    if inspectors:  # made for an earlier application, and so called by pluggy as well
        return
    inspector = read_environment(os.environ)
    if inspector is not None and registry.register(inspector, PLUGIN_NAME) is not None:
        inspector.steps_app_setup(app, registry)


def read_environment(variables: Mapping[str, str]) -> Inspector | None:
    """Return the inspector that environment variables describe, `None` if they do not enable it.

    Raises:
        StepsError: a variable has a value that means nothing.
    """
    if not _is_on(variables, VARIABLE):
        return None
    runs = variables.get(f"{VARIABLE}_RUNS") or str(DEFAULT_RUNS)
    if not runs.isdecimal() or int(runs) < 1:
        message = f"{VARIABLE}_RUNS={runs!r} is no number of runs; give 1 or more"
        raise StepsError(message)
    return Inspector(
        runs=int(runs),
        token=variables.get(f"{VARIABLE}_TOKEN") or None,
        keep_values=_is_on(variables, f"{VARIABLE}_KEEP_VALUES"),
    )


def _is_on(variables: Mapping[str, str], name: str) -> bool:
    value = variables.get(name, "").strip().lower()
    if value not in ON + OFF:
        message = f"{name}={value!r} is neither on nor off; give 1 or 0"
        raise StepsError(message)
    return value in ON
