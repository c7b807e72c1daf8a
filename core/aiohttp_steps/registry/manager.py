"""pluggy's manager with what the framework has to know besides, by pluggy's public extension points.

Owns what travels with implementations and hookspecs: options of steps, which wrappers are async, which hooks
a host has declared. What a registry makes of it is `plugins`'.
"""

from __future__ import annotations

import inspect
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pluggy

from aiohttp_steps.errors import DefinitionError
from aiohttp_steps.marker import COLLECT_ATTRIBUTE, locate
from aiohttp_steps.registry.reading import HOOK
from aiohttp_steps.types import OPTIONS_ATTRIBUTE, StepOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

OPTS_KEY = "step_options"
"""Where a step's options travel in `HookImpl.opts`."""

STYLE_KEY = "async_wrapper"
"""Where the style of an async wrapper travels in `HookImpl.opts`."""

SEQUENCE_KEY = "sequence"
"""Where the place in the order of registration travels in `HookImpl.opts`."""

WrapperStyle = Literal["wrapper", "hookwrapper"]
"""pluggy's new style and its old one."""


@dataclass(frozen=True, slots=True)
class HookDeclaration:
    """A hookspec, as far as a call needs it.

    Attributes:
        name: of the hook.
        firstresult: whether the first result that is not `None` ends the call, and is its result.
        historic: whether plugins that are registered later get earlier calls too.
        collects_errors: whether each implementation is called, whatever those before it raise.
        required: names of the arguments without a default.
        defaults: the others.
    """

    name: str
    firstresult: bool
    historic: bool
    collects_errors: bool
    required: tuple[str, ...]
    defaults: Mapping[str, Any]


class Manager(pluggy.PluginManager):
    """Lets options travel with hook implementations, and takes async generators as wrappers.

    Attributes:
        declared: the hookspecs by name.
    """

    def __init__(self, project_name: str) -> None:
        super().__init__(project_name)
        self.declared: dict[str, HookDeclaration] = {}
        self._sequence = itertools.count()

    def parse_hookspec_opts(self, module_or_class: Any, name: str) -> pluggy.HookspecOpts | None:
        """Read a hookspec as pluggy does, and keep a note of it."""
        opts = super().parse_hookspec_opts(module_or_class, name)
        # pluggy refuses a second hookspec of one name: the first one counts.
        if opts is not None and name not in self.declared:
            self.declared[name] = _read_declaration(module_or_class, name, opts)
        return opts

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        """Read an implementation's options as pluggy does, and add the framework's."""
        found = super().parse_hookimpl_opts(plugin, name)
        if found is None:
            return None
        opts: dict[str, Any] = {**found, SEQUENCE_KEY: next(self._sequence)}
        function = getattr(plugin, name)
        hook = opts.get("specname") or name
        options = getattr(function, OPTIONS_ATTRIBUTE, None)
        if options is None and hook == HOOK:
            options = StepOptions()
        # `@hookimpl` above `@step` has replaced the name of the hook.
        if options is not None:
            return {**opts, "specname": HOOK, OPTS_KEY: options}
        declaration = self.declared.get(hook)
        if inspect.isasyncgenfunction(function) and not (declaration and declaration.historic):
            _hide_async_wrapper(opts)
        return opts

    def call_order(self, hook: str) -> tuple[list[pluggy.HookImpl], list[pluggy.HookImpl]]:
        """Return a hook's wrappers and its other implementations, in the order in which pluggy calls them.

        pluggy takes an async wrapper for no wrapper; it stands where it would stand if pluggy knew.
        """
        wrappers: list[pluggy.HookImpl] = []
        others: list[pluggy.HookImpl] = []
        for implementation in reversed(getattr(self.hook, hook).get_hookimpls()):
            (wrappers if wrapper_style(implementation.opts) else others).append(implementation)
        if any(map(is_async_wrapper, wrappers)):
            wrappers.sort(key=_rank)
        return wrappers, others


def wrapper_style(opts: Any) -> WrapperStyle | None:
    """Return the style of a wrapper, `None` for any other implementation.

    Args:
        opts: what `parse_hookimpl_opts` has returned.
    """
    if opts.get("wrapper"):
        return "wrapper"
    if opts.get("hookwrapper"):
        return "hookwrapper"
    style: WrapperStyle | None = opts.get(STYLE_KEY)
    return style


def is_async_wrapper(implementation: pluggy.HookImpl) -> bool:
    """Tell whether an implementation is a wrapper that is an async generator."""
    return STYLE_KEY in implementation.opts


def _hide_async_wrapper(opts: dict[str, Any]) -> None:
    """Keep the style of an async wrapper where pluggy does not see it, which refuses async generators."""
    style = wrapper_style(opts)
    # Both at once are refused by pluggy, with the reason.
    if style is not None and not (opts["wrapper"] and opts["hookwrapper"]):
        opts[STYLE_KEY] = style
        opts["wrapper"] = opts["hookwrapper"] = False


def _rank(implementation: pluggy.HookImpl) -> tuple[int, int]:
    """Return the place in the order of calls: last registered first called, but for `trylast` the reverse."""
    opts: Mapping[str, Any] = implementation.opts
    sequence: int = opts[SEQUENCE_KEY]
    if implementation.trylast:
        return 2, sequence
    return 0 if implementation.tryfirst else 1, -sequence


def _read_declaration(namespace: Any, name: str, opts: pluggy.HookspecOpts) -> HookDeclaration:
    function = getattr(namespace, name)
    parameters = [
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    ]
    if inspect.isclass(namespace) and parameters and parameters[0].name in ("self", "cls"):
        del parameters[0]
    collects = getattr(function, COLLECT_ATTRIBUTE, False)
    firstresult = bool(opts.get("firstresult"))
    if collects and firstresult:
        fault = (
            f"the hookspec {name!r} is marked @collect_errors, but firstresult=True stops at the first "
            "result or error; remove one of the two"
        )
        raise DefinitionError(fault, location=str(locate(function)))
    empty = inspect.Parameter.empty
    return HookDeclaration(
        name=name,
        firstresult=firstresult,
        historic=bool(opts.get("historic")),
        collects_errors=collects,
        required=tuple(p.name for p in parameters if p.default is empty),
        defaults={p.name: p.default for p in parameters if p.default is not empty},
    )
