"""`explain`: a plan as a tree for people, JSON for programs, Mermaid for documents."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from aiohttp_steps.cli.common import Console, count, write, write_json
from aiohttp_steps.engine import describe_outcome, describe_timing
from aiohttp_steps.plan import explain_node, find_ambiguities
from aiohttp_steps.types import MISSING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp_steps.types import Input, InputNeed, Location, Node, Outcome, Plan, Report, TierKind

STYLES: dict[TierKind, str] = {"gate": "magenta", "sequential": "yellow", "parallel": "green"}

MOST_BAR_CELLS, LEAST_BAR_CELLS = 40, 10
"""Width of the timeline of a run: what the other columns leave of the console's."""

OTHER_COLUMNS = 46
"""Width of the columns beside names and timeline."""


def print_tree(plan: Plan, report: Report | None, declared: Mapping[str, Input]) -> None:
    """Print a plan with its reasons and the inputs it takes, and the times of a run of it."""
    console = Console.results()
    size = f"{count(len(plan.nodes), 'step')} in {count(len(plan.tiers), 'tier')}"
    root = Tree(f"[bold]view {escape(str(plan.view))}[/] [dim]{size}[/]")
    if plan.inputs:
        inputs = root.add("[cyan]inputs[/]")
        for need in plan.inputs:
            inputs.add(f"{escape(need.name)} [dim]{escape(_describe_need(need, declared[need.name]))}[/]")
    for number, tier in enumerate(plan.tiers, start=1):
        style = STYLES[tier.kind]
        branch = root.add(f"[bold {style}]{number} {tier.kind}[/]")
        for node in tier.nodes:
            _add_node(branch, plan, node)
    console.print(root)
    for first, second in find_ambiguities(plan):
        message = (
            f"the order of {first.name} ({first.plugin}) and {second.name} ({second.plugin}) is ambiguous: "
            "nothing declares it; let one say after= or before= the other"
        )
        console.print(f"[bold yellow]ambiguous:[/] {escape(message)}", soft_wrap=True)
    if report is not None:
        _print_times(report)


def _add_node(branch: Tree, plan: Plan, node: Node) -> None:
    step = node.step
    need = "required" if node.required else "optional"
    where = escape(f"{step.plugin} · {step.runner} · {need} · {shorten(step.location)}")
    leaf = branch.add(f"[bold]{escape(step.name)}[/] [dim]{where}[/]")
    for reason in explain_node(plan, node):
        leaf.add(f"[dim]{escape(reason)}[/]")


def _describe_need(need: InputNeed, declared: Input) -> str:
    """Say what a person has to know to give an input: type, whether it may be left out, and what it is."""
    has_default = declared.default is not MISSING
    facts = [declared.type_name, f"default {declared.default}" if has_default else None]
    if need.required and not declared.has_default:
        facts.append("required")
    facts += [f"for {need.taken_by}", declared.help.rstrip(".")]
    return " · ".join(filter(None, facts))


def _print_times(report: Report) -> None:
    console, timing = Console.results(), report.timing
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("step", overflow="fold")  # where the terminal is narrow, names give way, not times
    table.add_column("status", no_wrap=True)
    for title in ("barrier ms", "queue ms", "run ms"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("timeline", no_wrap=True)
    names = max(len(name) for name in report)
    cells = max(LEAST_BAR_CELLS, min(MOST_BAR_CELLS, console.width - names - OTHER_COLUMNS))
    for outcome in report.outcomes:
        is_critical = outcome.step.name in timing.critical_path
        table.add_row(
            f"[bold red]{escape(outcome.step.name)}[/]" if is_critical else escape(outcome.step.name),
            outcome.status.value,
            *(f"{seconds * 1000:.1f}" for seconds in (outcome.barrier_s, outcome.queue_s, outcome.run_s)),
            _bar(outcome, timing.wall_s / cells, "red" if is_critical else "green"),
        )
    console.print(table)
    path = " → ".join(timing.critical_path)
    saved = timing.sum_s - timing.wall_s
    console.print(
        f"wall [bold]{timing.wall_s * 1000:.1f} ms[/]; one after another {timing.sum_s * 1000:.1f} ms"
    )
    critical = f"critical path [bold red]{escape(path)}[/]: {timing.critical_path_s * 1000:.1f} ms"
    console.print(critical, soft_wrap=True)
    if saved > 0:
        console.print(f"saved by running in parallel: {saved * 1000:.1f} ms")
    for name, error in report.errors.items():
        told = f"{type(error).__name__}: {error}"
        console.print(f"[yellow]{escape(name)}:[/] {escape(told)}", soft_wrap=True)


def _bar(outcome: Outcome, cell_s: float, style: str) -> str:
    """Draw when a step waited (dotted) and ran (solid), one character for each `cell_s` seconds."""
    if outcome.started_s is None or not cell_s:
        return ""
    queued = round((outcome.started_s - outcome.queue_s) / cell_s)
    start = round(outcome.started_s / cell_s)
    length = max(1, round((outcome.started_s + outcome.run_s) / cell_s) - start)
    return " " * queued + f"[dim]{'·' * (start - queued)}[/][{style}]{'━' * length}[/]"


def print_json(plan: Plan, report: Report | None) -> None:
    """Print a plan, and the times of a run of it, as JSON."""
    document: dict[str, Any] = {
        "view": plan.view,
        "tiers": [
            {"kind": tier.kind, "steps": [_describe_node(plan, node, report) for node in tier.nodes]}
            for tier in plan.tiers
        ],
        "inputs": [{"name": need.name, "required": need.required} for need in plan.inputs],
        "ambiguous": [[first.name, second.name] for first, second in find_ambiguities(plan)],
    }
    if report is not None:
        idle_ms = round(report.timing.idle_s * 1000, 3)
        document["timing"] = {**describe_timing(report), "idle_ms": idle_ms}
    write_json(document)


def _describe_node(plan: Plan, node: Node, report: Report | None) -> dict[str, Any]:
    step = node.step
    described: dict[str, Any] = {
        "name": step.name,
        "plugin": step.plugin,
        "location": str(step.location),
        "concurrency": step.kind,
        "runner": step.runner,
        "required": node.required,
        "waits_for": {plan.nodes[edge.source].step.name: edge.kind for edge in node.edges},
        "why": explain_node(plan, node),
    }
    if report is not None:
        described["outcome"] = describe_outcome(report.outcomes[node.index])
    return described


def print_mermaid(plan: Plan) -> None:
    """Print a plan as a Mermaid flowchart: tiers as boxes, what waits for what as arrows."""
    lines = ["flowchart LR"]
    for number, tier in enumerate(plan.tiers, start=1):
        lines.append(f'    subgraph tier{number}["{number} {tier.kind}"]')
        lines += [f'        s{node.index}["{node.step.name}"]' for node in tier.nodes]
        lines.append("    end")
    for node in plan.nodes:
        lines += [
            f"    s{edge.source} {'-->' if edge.kind == 'data' else f'-. {edge.kind} .->'} s{node.index}"
            for edge in node.edges
        ]
    lines += [f"    tier{number} ~~~ tier{number + 1}" for number in range(1, len(plan.tiers))]
    write("\n".join(lines))


def shorten(location: Location) -> str:
    """Return a location relative to the working directory, if it is below it."""
    path = Path(location.file)
    here = Path.cwd()
    return f"{path.relative_to(here) if path.is_relative_to(here) else path}:{location.line}"
