"""All errors that aiohttp-steps raises.

```
StepsError
├── DefinitionError          a step, an input or a plugin is wrong as written
├── RegistrationError        a plugin cannot be registered, or is not there
├── PlanError                the steps are right, but no plan can be made of them
│   ├── CycleError           they wait for each other            (.path)
│   ├── UnknownNameError     a name that nobody provides         (.name, .nearest)
│   └── DuplicateNameError   two owners of one name              (.name, .plugins)
├── InputError               a value for an input is missing or wrong (.input, .expected)
├── RaceCheckError           a race check cannot be made
├── HookError                a hook of the host cannot be called (.hook, .nearest)
├── HookExitError            an implementation of such a hook raised SystemExit (.hook, .plugin)
└── StepError                a step did not succeed, in a way that its author or the engine declares
    ├── StepTimeoutError     it ran, or waited to start, too long (.limit_s, .waiting)
    ├── StepShedError        there was no room to let it wait     (.retry_after_s)
    ├── WorkerDiedError      its worker process died
    ├── RecordedError        what a report without values keeps of any error (.kind)
    └── StepSkippedError     what it takes did not come          (.because_of)
```

Every error names what failed, where, and the remedy; the facts are attributes as well. The message of a
`StepError` is meant for clients; of any other exception of a step clients see it only in debug mode.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class StepsError(Exception):
    """Base of all errors of aiohttp-steps."""


class DefinitionError(StepsError):
    """A step, an input or a plugin is wrong as it is written; nothing of it was registered.

    Attributes:
        plugin: name of the plugin, `None` while a decorator runs.
        step: name of the step or input, `None` if the plugin as a whole is wrong.
        location: `file:line` of the definition, `None` if it has no source.
    """

    def __init__(
        self, fault: str, *, plugin: str | None = None, step: str | None = None, location: str | None = None
    ) -> None:
        super().__init__(_describe(fault, plugin=plugin, step=step, location=location))
        self.plugin = plugin
        self.step = step
        self.location = location
        self.fault = fault


class RegistrationError(StepsError):
    """A plugin cannot be registered under this name, or is not registered.

    Attributes:
        plugin: name of the plugin.
    """

    def __init__(self, message: str, *, plugin: str) -> None:
        super().__init__(message)
        self.plugin = plugin


class PlanError(StepsError):
    """No plan can be made of these steps.

    Attributes:
        plugin, step, location: where the fault is, as in `DefinitionError`.
        view: the view that was compiled, `None` for a handler without one.
    """

    def __init__(
        self,
        fault: str,
        *,
        plugin: str | None = None,
        step: str | None = None,
        location: str | None = None,
        view: str | None = None,
    ) -> None:
        super().__init__(_describe(fault, plugin=plugin, step=step, location=location, view=view))
        self.plugin = plugin
        self.step = step
        self.location = location
        self.view = view


class CycleError(PlanError):
    """Steps wait for each other.

    Attributes:
        path: names of the steps, each waiting for the next; the first stands again at the end.
    """

    path: tuple[str, ...] = ()


class UnknownNameError(PlanError):
    """A step, view or handler names something that nobody provides.

    Attributes:
        name: the name that is not known.
        nearest: the known name most like it, `None` if none is like it.
    """

    name: str = ""
    nearest: str | None = None


class DuplicateNameError(PlanError):
    """Two plugins, or two functions of one plugin, claim one name.

    Attributes:
        name: the name.
        plugins: names of both owners, in order of registration.
    """

    name: str = ""
    plugins: tuple[str, ...] = ()


class InputError(StepsError):
    """A value for an input is missing, has the wrong type, or may not come from where it came.

    Attributes:
        input: name of the input.
        expected: the type expected, as text.
    """

    def __init__(self, message: str, *, input: str, expected: str) -> None:  # noqa: A002 - the word of the domain
        super().__init__(message)
        self.input = input
        self.expected = expected


class RaceCheckError(StepsError):
    """A race check cannot be made: what it is to watch is not there, is too much, or may not be put back."""


class HookError(StepsError):
    """`StepRegistry.call_hook` was asked for a hook that it cannot call; nothing of it has run.

    Attributes:
        hook: the name that was asked for.
        nearest: the declared hook most like it if it is not declared itself, `None` if none is like it.
    """

    def __init__(self, message: str, *, hook: str, nearest: str | None = None) -> None:
        super().__init__(message)
        self.hook = hook
        self.nearest = nearest


class HookExitError(StepsError):
    """An implementation of a host's hook raised `SystemExit`, which is its failure and not the program's end.

    The `SystemExit` is the `__cause__`.

    Attributes:
        hook: name of the hook.
        plugin: name of the plugin.
    """

    def __init__(self, message: str, *, hook: str, plugin: str) -> None:
        super().__init__(message)
        self.hook = hook
        self.plugin = plugin


class StepError(StepsError):
    """A step did not succeed, in a way that its author declares: raise it, or a subclass, in a step.

    The message reaches the client, so it says nothing that a stranger may not read.

    Attributes:
        type: short name of the kind of failure, the `type` in the JSON answer; a class attribute.
        status: HTTP status of the answer if the step was required; a class attribute.
    """

    type: str = "error"
    status: int = 500


class StepTimeoutError(StepError):
    """A step ran longer than its `timeout`, or waited longer than its `queue_timeout` to start.

    Not a `TimeoutError`: aiohttp would answer a bare 504 for that.

    Attributes:
        limit_s: the limit that was passed, in seconds.
        waiting: `True` if the step had not started.
        of_view: `True` if the limit was that of the whole view.
    """

    type = "timeout"
    status = 504

    def __init__(self, limit_s: float, *, waiting: bool, of_view: bool = False) -> None:
        doing = "waited to start" if waiting else "ran"
        limit = f"the {limit_s} s of its view" if of_view else f"{limit_s} s"
        super().__init__(f"{doing} longer than {limit}")
        self.limit_s = limit_s
        self.waiting = waiting
        self.of_view = of_view


class StepShedError(StepError):
    """A step was not run, because as many as may wait for its limit waited already.

    Attributes:
        retry_after_s: when the client may try again, in seconds.
    """

    type = "shed"
    status = 503

    def __init__(self, limit: str, *, retry_after_s: int = 1) -> None:
        super().__init__(f"too many wait for {limit} already; try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class WorkerDiedError(StepError):
    """The worker process that ran a step died; other calls and the pool are not touched.

    Attributes:
        step: name of the step.
    """

    type = "worker_died"

    def __init__(self, step: str) -> None:
        super().__init__(f"the worker process that ran step {step!r} died")
        self.step = step


class RecordedError(StepError):
    """What `Report.without_values` keeps of a step's error: its words, without traceback, cause or data.

    Attributes:
        kind: name of the error's class.
    """

    def __init__(self, message: str, *, kind: str, type: str) -> None:  # noqa: A002 - as `StepError.type`
        super().__init__(message)
        self.kind = kind
        self.type = type

    @classmethod
    def of(cls, error: BaseException) -> RecordedError:
        """Return the record of an error."""
        kind = type(error).__name__
        try:
            message = str(error)
        # The class is its author's, and so is its `__str__`.
        except Exception as fault:  # noqa: BLE001
            message = f"its message cannot be told: {type(fault).__name__}"
        return cls(message, kind=kind, type=error.type if isinstance(error, StepError) else "error")


class StepSkippedError(StepError):
    """A step was not run, because a step or input that it takes gave no value.

    Attributes:
        because_of: name of that step or input.
    """

    type = "skipped"

    def __init__(self, because_of: str) -> None:
        super().__init__(f"skipped, because {because_of!r} gave no value")
        self.because_of = because_of


def _describe(fault: str, **where: str | None) -> str:
    """Put the known places before the fault: `plugin 'git', step 'git_log' (log.py:12): ...`."""
    location = where.pop("location", None)
    named = ", ".join(f"{word} {name!r}" for word, name in where.items() if name is not None)
    if location is not None:
        named = f"{named} ({location})" if named else location
    return f"{named}: {fault}" if named else fault


def quote_all(names: Sequence[str]) -> str:
    """List names for a message: `'a', 'b'`, or `none`."""
    return ", ".join(map(repr, names)) or "none"
