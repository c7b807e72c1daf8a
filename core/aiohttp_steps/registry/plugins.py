"""`PluginRegistry`: plugins on pluggy's `PluginManager`, and what they bring, in order."""

from __future__ import annotations

import inspect
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy

from aiohttp_steps import hookspecs
from aiohttp_steps.errors import DefinitionError, RegistrationError
from aiohttp_steps.marker import HOOK_OPTIONS_ATTRIBUTE, PROJECT_NAME, locate
from aiohttp_steps.registry.manager import OPTS_KEY, Manager, wrapper_style
from aiohttp_steps.registry.order import order_implementations, underlying
from aiohttp_steps.registry.reading import HOOK, read_step
from aiohttp_steps.types import Input, Runner, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from importlib import metadata

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """A registered plugin.

    Attributes:
        name: what the registry calls it.
        plugin: the module or object.
        distribution: name of the installed distribution it came with, `None` if it was registered by hand.
        version: that distribution's version.
        steps: its steps in order.
    """

    name: str
    plugin: object
    distribution: str | None
    version: str | None
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class PluginFailure:
    """An entry point that could not be loaded or registered.

    Attributes:
        name: the entry point's name.
        target: what it points at, `"package.module:object"`.
        distribution: name of the distribution that declares it.
        version: that distribution's version.
        error: what was raised.
        traceback: of the error, as text.
    """

    name: str
    target: str
    distribution: str | None
    version: str | None
    error: BaseException
    traceback: str


class PluginRegistry:
    """Plugins in order of registration.

    Everything derived from them is worked out when it is asked for, and anew after each change.
    """

    def __init__(self) -> None:
        self._manager = Manager(PROJECT_NAME)
        self._manager.add_hookspecs(hookspecs)
        self._origins: dict[str, metadata.Distribution | None] = {}
        self._failures: dict[str, PluginFailure] = {}
        self._derived: dict[str, Any] = {}
        self.generation = 0

    @property
    def plugin_manager(self) -> pluggy.PluginManager:
        """The manager of pluggy below; call `refresh` after registering plugins there directly."""
        return self._manager

    def register(self, plugin: object, name: str | None = None) -> str | None:
        """Register a module, an instance of a class, or any object that holds hook implementations.

        Args:
            name: what to call it; if `None`, a module's own name or the name of an object's class.

        Returns:
            The name, `None` if that name is blocked.

        Raises:
            DefinitionError: something in it is wrong; nothing of it was registered.
            RegistrationError: the name is taken, or the plugin registered already.
        """
        name = name or _default_name(plugin)
        if self._manager.is_blocked(name):
            return None
        self._check(plugin, name)
        try:
            self._manager.register(plugin, name)
        except pluggy.PluginValidationError as error:
            if self._manager.has_plugin(name):  # pluggy 1.6 keeps what stands before the fault
                self._manager.unregister(name=name)
            raise DefinitionError(str(error), plugin=name) from error
        except ValueError as error:
            holder = self._manager.get_name(plugin)
            fault = f"is already registered as {holder!r}" if holder else "has a name that is taken"
            message = f"plugin {name!r} {fault}; unregister that first, or give another name"
            raise RegistrationError(message, plugin=name) from error
        self.refresh()
        return name

    def unregister(self, plugin: object) -> object:
        """Take a plugin, given by itself or by its name, out of the registry, and return it.

        Runs under way keep their plan, and so its steps, to their end.

        Raises:
            RegistrationError: it is not registered.
        """
        name = plugin if isinstance(plugin, str) else self._manager.get_name(plugin)
        found = self._manager.get_plugin(name) if name else None
        if name is None or found is None:
            known = ", ".join(self._positions()) or "none"
            message = f"plugin {name or plugin!r} is not registered; registered are: {known}"
            raise RegistrationError(message, plugin=name or repr(plugin))
        self._manager.unregister(found, name)
        self._origins.pop(name, None)
        self.refresh()
        return found

    def block(self, name: str) -> None:
        """Keep a plugin of this name from being registered, and unregister one that is."""
        self._manager.set_blocked(name)
        self._origins.pop(name, None)
        self.refresh()

    def load_entry_points(self, group: str = PROJECT_NAME, *, strict: bool = False) -> int:
        """Load and register the plugins that installed distributions declare, sorted by name.

        One that fails is kept in `failures`; the rest is loaded all the same.

        Args:
            group: the group of entry points.
            strict: raise the first failure instead.

        Returns:
            How many were registered; those that were already, or are blocked, do not count.
        """
        from importlib import metadata  # noqa: PLC0415 - takes longer to import than all of the registry

        entry_points = {(e.name, e.value): e for e in metadata.entry_points(group=group)}
        return sum(self._load(entry_points[key], strict=strict) for key in sorted(entry_points))

    def _load(self, entry_point: metadata.EntryPoint, *, strict: bool) -> bool:
        name, distribution = entry_point.name, entry_point.dist
        key = f"{name} = {entry_point.value}"
        if self._manager.is_blocked(name):
            return False
        try:
            plugin = entry_point.load()
            if self._manager.get_plugin(name) is plugin:
                return False
            self.register(plugin, name)
        # Somebody else's module is imported here, and may raise anything.
        except (Exception, SystemExit) as error:
            if strict:
                raise
            self._failures[key] = PluginFailure(
                name=name,
                target=entry_point.value,
                distribution=distribution.name if distribution else None,
                version=distribution.version if distribution else None,
                error=error,
                traceback="".join(traceback.format_exception(error)),
            )
            return False
        self._origins[name] = distribution
        self._failures.pop(key, None)
        return True

    @property
    def failures(self) -> tuple[PluginFailure, ...]:
        """Entry points that could not be loaded, in order of loading."""
        return tuple(self._failures.values())

    @property
    def plugins(self) -> tuple[PluginInfo, ...]:
        """The registered plugins, in order of registration."""
        steps: dict[str, list[Step]] = {}
        for step in self.steps:
            steps.setdefault(step.plugin, []).append(step)
        infos = []
        for name, plugin in self._manager.list_name_plugin():
            if plugin is None:  # blocked
                continue
            origin = self._origins.get(name)
            infos.append(
                PluginInfo(
                    name=name,
                    plugin=plugin,
                    distribution=origin.name if origin else None,
                    version=origin.version if origin else None,
                    steps=tuple(steps.get(name, ())),
                )
            )
        return tuple(infos)

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps, in the order of law 4: `tryfirst`, registration, source, `trylast`."""
        return self._derive("steps", self._collect_steps)

    @property
    def inputs(self) -> dict[str, Input]:
        """Inputs that plugins declare, by name.

        Raises:
            DefinitionError: two plugins declare one name differently.
        """
        return self._derive("inputs", self._collect_inputs)

    @property
    def runners(self) -> dict[str, Runner]:
        """Runners by name.

        Raises:
            DefinitionError: two plugins bring one of the same name.
        """
        return self._derive("runners", self._collect_runners)

    @property
    def views(self) -> tuple[str, ...]:
        """Names of all views that some step joined, sorted."""
        return tuple(sorted({view for step in self.steps for view in step.options.views}))

    def refresh(self) -> None:
        """Forget what was derived from the plugins."""
        self._derived = {}
        self.generation += 1

    def implementations(self, hook: str) -> list[pluggy.HookImpl]:
        """Return the implementations of a hook in the order of steps."""
        return order_implementations(getattr(self._manager.hook, hook).get_hookimpls(), self._positions())

    def check_pending(self) -> None:
        """Refuse hook implementations for hooks that do not exist.

        Raises:
            DefinitionError: there is one that is not marked `optionalhook=True`.
        """
        try:
            self._manager.check_pending()
        except pluggy.PluginValidationError as error:
            known = ", ".join(sorted(self._manager.declared))
            fault = f"{error}; the hooks are: {known}"
            raise DefinitionError(fault, plugin=self._manager.get_name(error.plugin)) from error

    def _derive(self, what: str, collect: Callable[[], T]) -> T:
        derived = self._derived  # a change meanwhile must not be given the old answer
        if what not in derived:
            derived[what] = collect()
        value: T = derived[what]
        return value

    def _positions(self) -> dict[str, int]:
        return {name: at for at, (name, _) in enumerate(self._manager.list_name_plugin())}

    def _collect_steps(self) -> tuple[Step, ...]:
        owners = self._owners()
        steps: dict[tuple[str, Any], Step] = {}
        for implementation in self.implementations(HOOK):
            plugin, function = implementation.plugin_name, implementation.function
            key = _identity(function)
            # One function under two names, or imported by another plugin, is one step.
            if owners[key] == plugin and (plugin, key) not in steps:
                opts: Mapping[str, Any] = implementation.opts
                steps[plugin, key] = read_step(function, opts[OPTS_KEY], plugin=plugin)
        return tuple(steps.values())

    def _owners(self) -> dict[Any, str]:
        """Plugin of each step function: the one whose module defines it, else the first to show it."""
        owners: dict[Any, str] = {}
        positions = self._positions()
        found = getattr(self._manager.hook, HOOK).get_hookimpls()
        for implementation in sorted(found, key=lambda impl: positions[impl.plugin_name]):
            home = getattr(implementation.plugin, "__name__", None)
            module = getattr(implementation.function, "__module__", None) or ""
            is_home = home is not None and (module == home or module.startswith(f"{home}."))
            key = _identity(implementation.function)
            if is_home or key not in owners:
                owners[key] = implementation.plugin_name
        return owners

    def _collect_inputs(self) -> dict[str, Input]:
        inputs: dict[str, Input] = {}
        owners: dict[str, str] = {}
        for plugin, declared in self._results("step_inputs", Input):
            first = inputs.setdefault(declared.name, declared)
            owner = owners.setdefault(declared.name, plugin)
            if not first.agrees_with(declared):
                fault = (
                    f"is {first.described} for {owner!r}, but {declared.described} for {plugin!r}; "
                    "rename one of them, or block one plugin"
                )
                raise DefinitionError(fault, plugin=plugin, step=declared.name)
        return inputs

    def _collect_runners(self) -> dict[str, Runner]:
        runners: dict[str, Runner] = {}
        for plugin, runner in self._results("step_runners", object):
            name = runner.name
            if name in runners:
                fault = f"brings a runner called {name!r}, a name that is taken; rename it"
                raise DefinitionError(fault, plugin=plugin)
            runners[name] = runner
        return runners

    def _results(self, hook: str, kind: type) -> Iterable[tuple[str, Any]]:
        """Yield all things that the implementations of a collecting hook give, with their plugins' names."""
        for implementation in self.implementations(hook):
            collected: Any = implementation.function()
            for thing in collected or ():
                if not isinstance(thing, kind):
                    fault = f"{hook}() gave {thing!r}, which is no {kind.__name__}; return a list of them"
                    raise DefinitionError(
                        fault,
                        plugin=implementation.plugin_name,
                        location=str(locate(implementation.function)),
                    )
                yield implementation.plugin_name, thing

    def _check(self, plugin: object, name: str) -> None:
        """Read everything in a plugin that may be wrong, before pluggy is told of any of it."""
        if inspect.isclass(plugin):
            fault = f"is a class; register an instance of it: {plugin.__name__}()"
            raise DefinitionError(fault, plugin=name)
        for attribute in dir(plugin):
            opts = self._manager.parse_hookimpl_opts(plugin, attribute)
            if opts is None:
                continue
            function = getattr(plugin, attribute)
            hook = opts.get("specname") or attribute
            self._check_class(function, opts, plugin=name, hook=hook)
            if hook == HOOK:
                self._check_step(function, opts, name)
            elif hook in _hook_names() and _is_async(function):
                fault = f"the hook {hook!r} is called by pluggy, which cannot await; write it as plain def"
                raise DefinitionError(fault, plugin=name, step=attribute, location=str(locate(function)))

    def _check_class(self, function: Callable[..., Any], opts: Any, *, plugin: str, hook: str) -> None:
        """Refuse a `@concurrency` that would mean nothing."""
        if not hasattr(function, HOOK_OPTIONS_ATTRIBUTE):
            return
        fault = None
        if hook in _hook_names():
            fault = (
                f"implements {hook!r}, which is no hook of a host, and so takes no @concurrency; remove it"
            )
        elif wrapper_style(opts) is not None:
            fault = "is a wrapper, which runs around all others and so takes no @concurrency; remove it"
        if fault is not None:
            raise DefinitionError(
                fault, plugin=plugin, step=function.__name__, location=str(locate(function))
            )

    def _check_step(self, function: Callable[..., Any], opts: Any, plugin: str) -> None:
        if opts.get("wrapper") or opts.get("hookwrapper"):
            fault = "a step cannot be a hook wrapper; add a step_middleware to wrap the steps of others"
            raise DefinitionError(
                fault, plugin=plugin, step=function.__name__, location=str(locate(function))
            )
        read_step(function, opts[OPTS_KEY], plugin=plugin)


def _default_name(plugin: object) -> str:
    return getattr(plugin, "__name__", None) or type(plugin).__qualname__


def _hook_names() -> list[str]:
    marker = f"{PROJECT_NAME}_spec"
    return sorted(name for name, value in vars(hookspecs).items() if hasattr(value, marker))


def _is_async(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def _identity(function: Any) -> Any:
    """Tell functions apart, and the same method of two instances as well."""
    owner = getattr(function, "__self__", None)
    return underlying(function), None if owner is None else id(owner)
