"""Where inputs come from: the app's own words, and the parts of a request that may give them."""

from __future__ import annotations

import inspect
import types
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

import msgspec
from aiohttp import hdrs, web

from aiohttp_steps.engine import convert_input
from aiohttp_steps.errors import DefinitionError, InputError
from aiohttp_steps.plan import nearest
from aiohttp_steps.types import MISSING, Input

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp_steps.types import Plan

NOTHING: Mapping[str, Any] = {}
"""Stands for a body that nobody asked for."""


def read_own_inputs(inputs: Mapping[str, Any] | Iterable[Input] | None) -> dict[str, Input]:
    """Read what an app passes to `setup` as declarations.

    Raises:
        DefinitionError: it is neither a mapping nor a collection of `Input`.
    """
    if inputs is None:
        return {}
    if isinstance(inputs, Mapping):
        return {name: _read_one(name, value) for name, value in inputs.items()}
    declared = {}
    everything: Iterable[object] = inputs
    for given in everything:
        if not isinstance(given, Input):
            fault = f"inputs= holds {given!r}; give Input objects, or a dict of names and values"
            raise DefinitionError(fault)
        declared[given.name] = given
    return declared


def _read_one(name: str, value: Any) -> Input:
    if isinstance(value, Input):
        if value.name != name:
            fault = f"inputs= has the input {value.name!r} under the name {name!r}; use one name"
            raise DefinitionError(fault, step=name)
        return value
    if inspect.isroutine(value):
        return Input(name, Any, provide=value)
    return Input(name, Any, default=value)


class Wanted:
    """An input that a plan takes, and where a request may give it.

    Attributes:
        declared: what is said of it.
        has_to_wait: whether the app provides it, or the body may hold it.
    """

    __slots__ = ("_in_path", "_in_query", "_is_repeated", "declared", "has_to_wait")

    def __init__(self, declared: Input) -> None:
        self.declared = declared
        self.has_to_wait = declared.provide is not None or "body" in declared.sources
        self._in_path = "path" in declared.sources
        self._in_query = "query" in declared.sources
        self._is_repeated = _takes_several(declared.type)

    def find(self, request: web.Request, body: Mapping[str, Any]) -> Any:
        """Return its value, converted; `MISSING` if the request gives none.

        Only declared sources count. A path wins over a query, and that over a body.

        Raises:
            InputError: the value has the wrong type.
        """
        declared = self.declared
        name = declared.name
        if self._in_path and name in request.match_info:
            return convert_input(declared, request.match_info[name], is_text=True)
        if self._in_query and name in (query := request.query):
            text = query.getall(name) if self._is_repeated else query[name]
            return convert_input(declared, text, is_text=True)
        if "body" in declared.sources and name in body:
            return convert_input(declared, body[name])
        return MISSING


def read_inputs(request: web.Request, wanted: Iterable[Wanted]) -> dict[str, Any]:
    """Return what path and query say of inputs, converted; what else a request carries is not looked at.

    Raises:
        InputError: a value has the wrong type.
    """
    values = {}
    for one in wanted:
        value = one.find(request, NOTHING)
        if value is not MISSING:
            values[one.declared.name] = value
    return values


async def gather_inputs(request: web.Request, wanted: Collection[Wanted]) -> dict[str, Any]:
    """Collect what the app and the request say of inputs, converted.

    Raises:
        InputError: a value has the wrong type, or the body is no JSON object.
    """
    body = await read_body(request) if any("body" in one.declared.sources for one in wanted) else NOTHING
    values = {}
    for one in wanted:
        provide = one.declared.provide
        if provide is not None:
            value = await _provide(request, provide)
            value = value if value is MISSING else convert_input(one.declared, value)
        else:
            value = one.find(request, body)
        if value is not MISSING:
            values[one.declared.name] = value
    return values


async def gather_own_inputs(
    request: web.Request, plan: Plan, declared: Mapping[str, Input], given: Mapping[str, Any]
) -> dict[str, Any]:
    """Collect the inputs of a plan from `given`, or else from the app; what the request says does not count.

    Raises:
        InputError: a value has the wrong type.
    """
    values = {}
    for need in plan.inputs:
        one = declared.get(need.name)
        value = given.get(need.name, MISSING)
        if value is MISSING and one is not None and one.provide is not None:
            value = await _provide(request, one.provide)
        if value is not MISSING:
            values[need.name] = value if one is None else convert_input(one, value)
    return values


async def read_body(request: web.Request) -> dict[str, Any]:
    """Return the JSON object in a request's body, empty if there is none.

    Raises:
        InputError: it is something else.
    """
    if not request.body_exists:  # can_read_body turns false when the body has been read once
        return {}
    if request.content_type != "application/json":
        message = (
            f"the body has the content type {request.content_type!r}; send a JSON object as application/json"
        )
        raise InputError(message, input="body", expected="object")
    try:
        body = msgspec.json.decode(await request.read() or b"{}")
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InputError(f"the body is no JSON: {error}", input="body", expected="object") from None
    if not isinstance(body, dict):
        message = f"the body is a JSON {type(body).__name__}; send an object of inputs by name"
        raise InputError(message, input="body", expected="object")
    return body


async def refuse_unknown(request: web.Request, plan: Plan, declared: Mapping[str, Input]) -> None:
    """Refuse names in query and body that are no inputs of a plan, or may not come from there.

    For the framework's own routes, where nothing but inputs has a meaning.

    Raises:
        InputError: there is one.
    """
    body = await read_body(request) if request.method == hdrs.METH_POST else NOTHING
    if not body and not request.query_string:
        return
    takes = {need.name for need in plan.inputs}
    for source, names in (("query", request.query), ("body", body)):
        for name in names:
            one = declared.get(name) if name in takes else None
            if one is not None and source in one.sources:
                continue
            if one is None:
                open_to = [
                    known for known in takes if known in declared and source in declared[known].sources
                ]
                near = nearest(name, open_to)
                hint = (
                    f"did you mean {near!r}?" if near else f"it takes: {', '.join(sorted(open_to)) or 'none'}"
                )
                message = f"input {name!r} is not known to view {plan.view!r}; {hint}"
            else:
                where = " or ".join(one.sources) or "the application alone"
                message = f"input {name!r} cannot be set by the {source}; it comes from {where}"
            raise InputError(message, input=name, expected=one.type_name if one else "nothing")


async def _provide(request: web.Request, provide: Callable[[Any], Any]) -> Any:
    value = provide(request)
    return await value if inspect.isawaitable(value) else value


def _takes_several(type_: Any) -> bool:
    """Tell types whose values are given by repeating a name in the query."""
    origin = get_origin(type_)
    if origin is Annotated:
        return _takes_several(get_args(type_)[0])
    if origin in (Union, types.UnionType):
        return any(map(_takes_several, get_args(type_)))
    kind = origin or type_
    return (
        inspect.isclass(kind)
        and issubclass(kind, Collection)
        and not issubclass(kind, (str, bytes, bytearray, memoryview, Mapping))
    )
