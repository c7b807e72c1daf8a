"""What a step is, once its author's words have been read: `Step` and what it is made of."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from string import Formatter
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

Kind = Literal["gate", "sequential", "exclusive", "parallel"]
"""What a step may overlap with; `exclusive` carries a key besides."""

OnDisconnect = Literal["cancel", "finish", "detach"]
"""What becomes of a step when the client leaves."""


OPTIONS_ATTRIBUTE = "aiohttp_steps_options"
"""Where `step` leaves its options on the function."""


class Missing(enum.Enum):
    """Type of `MISSING`: no value was given, where `None` is a value."""

    MISSING = enum.auto()

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing.MISSING


@dataclass(frozen=True, slots=True)
class Exclusive:
    """The concurrency class of steps that must not run at once for one key; made by `exclusive`.

    Attributes:
        keys: format strings over inputs and steps, `"git:{project_path}"`.
    """

    keys: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs and steps that the keys are made of, in order of first mention."""
        fields = (
            field for key in self.keys for _, field, _, _ in Formatter().parse(key) if field is not None
        )
        return tuple(dict.fromkeys(re.split(r"[.\[]", field, maxsplit=1)[0] for field in fields))


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and when a step is tried again.

    Attributes:
        attempts: most attempts, the first included; at least 2.
        on: exceptions after which it is tried again. Anything else is final.
        wait_s: wait before the second attempt, in seconds; doubled for each further one, and each time a
            random part of it is waited, so that those who failed together do not come back together.
        max_wait_s: the longest wait, in seconds.
    """

    attempts: int = 3
    on: tuple[type[BaseException], ...] = (OSError,)
    wait_s: float = 0.1
    max_wait_s: float = 5.0


@dataclass(frozen=True, slots=True)
class StepOptions:
    """The options of one `@step`, checked and with its defaults worked out. See `step` for each."""

    concurrency: Literal["gate", "sequential", "parallel"] | Exclusive = "sequential"
    views: tuple[str, ...] = ()
    name: str | None = None
    after: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    runner: str | None = None
    timeout: float | None = None
    queue_timeout: float | None = None
    required: bool = True
    default: Any = MISSING
    on_disconnect: OnDisconnect = "finish"
    retry: Retry | None = None
    share: bool | Callable[..., Any] = False
    limit: int | None = None


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """Where a function was written."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Dependency:
    """One keyword-only parameter of a step or handler: the name of another step or of an input.

    Attributes:
        required: `False` if the parameter has a default, which stands in when the value is not there.
    """

    name: str
    required: bool


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A registered step: a function of a plugin, with everything that a plan has to know of it.

    Compared by identity: a plugin that is registered anew makes new steps.

    Attributes:
        name: unique in a registry.
        plugin: name of the plugin that it came with.
        function: what is called, bound to its plugin if it is a method.
        options: as its author gave them.
        runner: name of the runner; `"loop"` for `async def`, `"thread"` for `def`, if not said.
        dependencies: its keyword-only parameters, in the order of the signature.
        takes_request: `False`, `True`, or `"optional"` if the parameter has a default.
        location: where the function was written.
        is_resource: whether it is a generator, which is left after the handler.
    """

    name: str
    plugin: str
    function: Callable[..., Any]
    options: StepOptions
    runner: str
    dependencies: tuple[Dependency, ...]
    takes_request: bool | Literal["optional"]
    location: Location
    is_resource: bool = False

    @property
    def takes(self) -> tuple[Dependency, ...]:
        """All that it needs: its parameters, and what the keys of an exclusive step are made of."""
        concurrency = self.options.concurrency
        if not isinstance(concurrency, Exclusive):
            return self.dependencies
        needed = {dependency.name: dependency for dependency in self.dependencies}
        # A key without its value is no key: what it names is required, whatever the parameter says.
        return tuple(
            (needed | {name: Dependency(name, required=True) for name in concurrency.names}).values()
        )

    @property
    def kind(self) -> Kind:
        """The concurrency class, without the key."""
        concurrency = self.options.concurrency
        return "exclusive" if isinstance(concurrency, Exclusive) else concurrency

    @property
    def writes(self) -> bool:
        """Whether it may change something: it is neither gate nor parallel, nor marked as safe to cancel."""
        return self.kind not in ("gate", "parallel") and self.options.on_disconnect != "cancel"

    @property
    def has_default(self) -> bool:
        """Whether a value stands in when it gives none."""
        return self.options.default is not MISSING

    def __repr__(self) -> str:
        return f"<Step {self.name!r} of {self.plugin!r} at {self.location}>"
