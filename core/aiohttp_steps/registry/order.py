"""Law 4's last resort: the order in which plugins were registered, and their steps written."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

from aiohttp_steps.marker import locate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import pluggy


def order_implementations(
    implementations: Iterable[pluggy.HookImpl], plugins: Mapping[str, int]
) -> list[pluggy.HookImpl]:
    """Sort the implementations of one hook by group, registration of their plugins, and place in the source.

    The groups are `tryfirst`, neither, and `trylast`. pluggy's own order starts from `dir()`: the alphabet.

    Args:
        implementations: as pluggy lists them.
        plugins: position of each plugin by name.
    """
    found = list(implementations)
    places: dict[str, dict[Any, tuple[int, int, int]]] = {}
    for implementation in found:
        if implementation.plugin_name not in places:
            places[implementation.plugin_name] = _places_in_source(implementation.plugin)

    def rank(implementation: pluggy.HookImpl) -> tuple[int, int, tuple[int, int, int]]:
        group = 0 if implementation.tryfirst else 2 if implementation.trylast else 1
        place = places[implementation.plugin_name].get(underlying(implementation.function), (0, 0, 0))
        return group, plugins[implementation.plugin_name], place

    return sorted(found, key=rank)


def underlying(function: Any) -> Any:
    """Return the plain function below a bound method, static method or class method."""
    return getattr(function, "__func__", function)


def _places_in_source(plugin: object) -> dict[Any, tuple[int, int, int]]:
    """Place of each function of a plugin: file by first mention, line, position in the namespace.

    Lines of two files do not compare, and a package that gathers its steps says their order by its imports.
    """
    files: dict[str, int] = {}
    places: dict[Any, tuple[int, int, int]] = {}
    for position, value in enumerate(_namespace(plugin)):
        function = underlying(value)
        if isinstance(function, types.FunctionType):
            where = locate(function)
            file = files.setdefault(where.file, len(files))
            places.setdefault(function, (file, where.line, position))
    return places


def _namespace(plugin: object) -> list[Callable[..., Any]]:
    """Values of a plugin in order of definition, its base classes' first."""
    if isinstance(plugin, types.ModuleType):
        return list(vars(plugin).values())
    values: list[Any] = []
    for owner in reversed(type(plugin).__mro__):
        values += vars(owner).values()
    return values + list(getattr(plugin, "__dict__", {}).values())
