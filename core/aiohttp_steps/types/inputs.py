"""What an input is: a named, typed value that the app gives for a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from aiohttp_steps.errors import DefinitionError
from aiohttp_steps.types.step import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

Source = Literal["path", "query", "body"]
"""A part of a request that may give a value for an input."""


class Input:
    """Declaration of an input.

    Args:
        name: what steps call it: a keyword-only parameter of theirs.
        type: any type that msgspec can convert to, or `pathlib.Path`. Text from a path or query is
            converted (`"5"` to `5`); a value of a JSON body must have the type.
        default: the value where none is given. Without it (and without `default_factory`) a step that
            needs the input is answered with 400.
        default_factory: called for each run that needs the value and was given none.
        provide: called with the `web.Request` of each run that needs the value; may be `async`. It wins over
            what the request's own parts say; the app's way to say where a value comes from.
        source: the parts of a request that may set it: `"path"`, `"query"`, `"body"`, several of them,
            or `()` for none, which is the default: then only the app can set it.
        help: one sentence for people.

    Raises:
        DefinitionError: the declaration contradicts itself.
    """

    __slots__ = ("default", "default_factory", "help", "name", "provide", "sources", "type")

    def __init__(
        self,
        name: str,
        type: Any,  # noqa: A002 - the word of the domain; any annotation that msgspec knows
        *,
        default: Any = MISSING,
        default_factory: Callable[[], Any] | None = None,
        provide: Callable[[Any], Any] | None = None,
        source: Source | Collection[Source] = (),
        help: str = "",  # noqa: A002 - the word of the domain
    ) -> None:
        self.name = name
        self.type = type
        self.default = default
        self.default_factory = default_factory
        self.provide = provide
        self.help = help
        self.sources: tuple[Source, ...] = (source,) if isinstance(source, str) else tuple(source)
        self._check()

    def _check(self) -> None:
        fault = None
        if not str(self.name).isidentifier():
            fault = f"the name {self.name!r} is no identifier, so that no step can take it; rename it"
        elif unknown := [s for s in self.sources if s not in get_args(Source)]:
            fault = f"unknown source {unknown[0]!r}; a request gives inputs by 'path', 'query' or 'body'"
        elif self.default is not MISSING and self.default_factory is not None:
            fault = "has both a default and a default_factory; keep one"
        if fault:
            raise DefinitionError(f"input {self.name!r}: {fault}", step=str(self.name))

    @property
    def has_default(self) -> bool:
        """Whether a run that gives no value still has one."""
        return self.default is not MISSING or self.default_factory is not None

    @property
    def type_name(self) -> str:
        """The type as people write it: `int`, `str | None`."""
        named = get_args(self.type)[0] if get_origin(self.type) is Annotated else self.type
        return named.__name__ if isinstance(named, type) else str(named).replace("typing.", "")

    @property
    def described(self) -> str:
        """Type and sources in words, for messages: `int from query or body`."""
        return f"{self.type_name} from {' or '.join(self.sources) or 'the app only'}"

    def agrees_with(self, other: Input) -> bool:
        """Whether two plugins that declare the name mean the same, so that both may be installed."""
        return (self.type, self.sources) == (other.type, other.sources)

    def __repr__(self) -> str:
        return f"<Input {self.name!r}: {self.type_name}>"
