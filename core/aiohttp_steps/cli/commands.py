"""The commands and their options; what they do is in the modules beside this one."""

from __future__ import annotations

import asyncio
import enum
import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer
from rich.markup import escape

from aiohttp_steps.cli import analyzing, checking, explaining, listing, racing, running, serving
from aiohttp_steps.cli.common import Console, load_registry, read_inputs
from aiohttp_steps.errors import StepsError

app = typer.Typer(
    name="aiohttp-steps",
    help="Run and inspect the step plugins that are installed here.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


RUNS = 10
"""How often `explain --analyze` runs a view that only reads, if nothing is said."""


class Format(enum.StrEnum):
    """How a plan is printed."""

    TREE = "tree"
    JSON = "json"
    MERMAID = "mermaid"


View = Annotated[str, typer.Argument(help="Name of the view.", show_default=False)]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input", "-i", metavar="NAME=VALUE", help="Value of an input; may be given several times."
    ),
]
Sequential = Annotated[bool, typer.Option("--sequential", help="Run every step alone, in the same order.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@app.command()
def serve(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any that is free.")
    ] = 8080,
    inputs: Inputs = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[:PORT]", help="Answer to this Host as well; may be given several times."),
    ] = None,
    shutdown_timeout: Annotated[
        float, typer.Option(min=0, help="Seconds that requests have to finish after SIGTERM.")
    ] = 10.0,
    sequential: Sequential = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Tell clients messages of unexpected errors, and times.")
    ] = False,
) -> None:
    """Serve all views of the installed plugins, to this machine's user."""
    settings = serving.Settings(
        host=host,
        port=port,
        allowed_hosts=tuple(allow_host or ()),
        shutdown_timeout_s=shutdown_timeout,
        sequential=sequential,
        debug=debug,
    )
    registry = load_registry()
    given = read_inputs(registry, inputs)
    with asyncio.Runner() as runner:
        if not runner.run(serving.serve(registry, given, settings)):
            serving.leave()


@app.command()
def run(
    *,
    view: View,
    inputs: Inputs = None,
    sequential: Sequential = False,
    trace: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the run to a file that Perfetto and chrome://tracing open."),
    ] = None,
) -> None:
    """Run a view once and print its report as JSON; exit 1 if a required step failed."""
    registry = load_registry()
    given = read_inputs(registry, inputs)
    is_good = asyncio.run(running.run(registry, view, given, sequential=sequential, trace=trace))
    raise typer.Exit(0 if is_good else 1)


@app.command()
def explain(
    *,
    view: View,
    analyze: Annotated[bool, typer.Option("--analyze", help="Run it, and show real times.")] = False,
    runs: Annotated[
        int | None,
        typer.Option(
            min=1,
            show_default=False,
            help=f"How often --analyze runs it: {RUNS} times, once if it may write.",
        ),
    ] = None,
    format: Annotated[Format, typer.Option(help="How to print the plan.")] = Format.TREE,  # noqa: A002
    inputs: Inputs = None,
    sequential: Sequential = False,
    allow_writes: Annotated[
        bool, typer.Option("--allow-writes", help="Let --analyze run steps that may write.")
    ] = False,
) -> None:
    """Show the plan of a view, and why each step stands where it stands."""
    if analyze and format is Format.MERMAID:
        message = "a Mermaid flowchart has no place for times; use --format tree or json"
        raise typer.BadParameter(message, param_hint="'--analyze'")
    registry = load_registry()
    plan = registry.plan(view, sequential=sequential)
    analysis = None
    if analyze:
        running.refuse_writes(plan, allowed=allow_writes, who="--analyze")
        given = read_inputs(registry, inputs)
        often = runs or (1 if plan.writes else RUNS)
        reports = asyncio.run(running.measure(registry, view, given, sequential=sequential, runs=often))
        analysis = analyzing.Analysis(reports)
        plan = analysis.plan  # a plugin may have selected fewer steps
    match format:
        case Format.TREE:
            explaining.print_tree(plan, analysis, registry.inputs)
        case Format.JSON:
            explaining.print_json(plan, analysis)
        case Format.MERMAID:
            explaining.print_mermaid(plan)


@app.command()
def race(
    *,
    view: View,
    inputs: Inputs = None,
    trials: Annotated[int, typer.Option(min=1, help="Seeds to try, from 0 on.")] = 50,
    seed: Annotated[
        int | None, typer.Option(min=0, show_default=False, help="Try this seed alone: see a race again.")
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Do not compare this step, input, context variable or file; may be given several times.",
        ),
    ] = None,
    files: Annotated[
        list[Path] | None,
        typer.Option(metavar="PATH", help="Compare this folder or file as well; may be given several times."),
    ] = None,
    restore: Annotated[
        bool, typer.Option("--restore", help="Put these back from a copy before each run and in the end.")
    ] = False,
    allow_writes: Annotated[
        bool, typer.Option("--allow-writes", help="Run steps that may write; they run in each trial.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run a view in many orders and interleavings and compare; exit 1 if parallel steps do not agree."""
    settings = racing.Settings(
        trials=trials, seed=seed, ignore=tuple(ignore or ()), files=tuple(files or ()), restore=restore
    )
    registry = load_registry()
    running.refuse_writes(registry.plan(view), allowed=allow_writes, who="each trial")
    report = asyncio.run(racing.race(registry, view, read_inputs(registry, inputs), settings))
    if as_json:
        racing.print_json(report)
    else:
        racing.print_report(report)
    raise typer.Exit(0 if report.agrees else 1)


@app.command()
def plugins(*, as_json: AsJson = False) -> None:
    """List what is installed: versions, steps, and what failed to load and why."""
    registry = load_registry(warn=False)
    if as_json:
        listing.print_json(registry)
    else:
        listing.print_tree(registry)


@app.command()
def check(
    *,
    as_json: AsJson = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 for warnings too.")] = False,
) -> None:
    """Find everything that can be wrong with the installed plugins; exit 1 if something is."""
    raise typer.Exit(checking.check(load_registry(warn=False), as_json=as_json, strict=strict))


def run_cli() -> None:
    """Run a command; an error that has a remedy is printed without a traceback, and the exit code is 1."""
    try:
        app()
    except StepsError as error:
        Console.errors().print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(1)
