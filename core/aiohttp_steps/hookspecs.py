"""The hooks: all that a plugin can add, in one file.

Implement them with `@aiohttp_steps.hookimpl`, and steps with `@aiohttp_steps.step`. An implementation may
take any of a hook's arguments, or none. All but `step` are plain functions that pluggy calls: an `async def`
there is refused when its plugin is registered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

from aiohttp_steps.marker import PROJECT_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aiohttp_steps.types import Input, Report, RunInfo, Runner, Step, StepMiddleware

hookspec = pluggy.HookspecMarker(PROJECT_NAME)


@hookspec
def step(request: Any) -> Any:
    """Do one piece of the work for a request.

    Marked with `@step`, which says how it may run beside others; a plugin has as many as it likes, under any
    names. Marked with a bare `@hookimpl` it counts as sequential and joins no view; its name is the
    function's, or its plugin's if the function is itself called `step`. Keyword-only parameters take the
    results of other steps and inputs.

    The engine runs the implementations itself, in the order of the plan. `None` is a value like any other.

    Args:
        request: the `aiohttp.web.Request`.
    """


@hookspec
def step_inputs() -> Iterable[Input] | None:
    """Declare inputs that this plugin's steps take.

    Called once after each change of plugins. Two plugins may declare one name if they agree on type and
    sources; the default is then the first one's. What the app declares wins. `None`: no inputs.
    """


@hookspec
def step_runners() -> Iterable[Runner] | None:
    """Add places where the bodies of steps run, besides `loop`, `inline`, `thread` and `process`.

    Called once after each change of plugins. A name that is taken is refused. `None`: no runners.
    """


@hookspec
def step_middleware(step: Step) -> StepMiddleware | None:
    """Wrap the execution of a step in a policy of your own.

    Called once per step and plan, when the plan is compiled. Implementations wrap in the order of steps: the
    first registered plugin's is the outermost, and all of them stand outside the framework's own `timeout`.
    `None`: leave the step alone, at no cost.
    """


@hookspec
def steps_select(request: Any, view: str | None, steps: Sequence[Step]) -> Iterable[Step] | None:
    """Choose for one request which of the view's steps to run.

    Called for each request, in the order of steps, each with what the one before kept. What a kept step
    takes runs also if it is not in the answer; gates are never dropped. Not called for handlers without a
    view. `None`: all of them.

    Args:
        request: the `aiohttp.web.Request`, `None` without HTTP.
        view: the view's name.
        steps: those that joined the view, and were kept so far.
    """


@hookspec
def steps_app_setup(app: Any, registry: Any) -> None:
    """Add routes, signals or middlewares to an application that uses this registry.

    Called by `aiohttp_steps.setup`, before the application starts. The results are ignored.

    Args:
        app: the `aiohttp.web.Application`.
        registry: the `StepRegistry`.
    """


@hookspec
def steps_run_started(run: RunInfo) -> None:
    """Learn that a run begins. The results are ignored; an error is logged and stops nothing.

    Args:
        run: its plan, request and inputs.
    """


@hookspec
def steps_run_finished(report: Report) -> None:
    """Learn how a run ended, before the handler is called; also if it failed or was cancelled.

    Called once for each `steps_run_started`, in the same task and context. The results are ignored; an error
    is logged and stops nothing.

    Args:
        report: the outcomes; `report.run` is what `steps_run_started` was given. `report.cancelled`: whether
            nobody waits for it any more.
    """
