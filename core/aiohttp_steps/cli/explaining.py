"""`explain`: a plan as a tree for people, JSON for programs, Mermaid for documents."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.tree import Tree

from aiohttp_steps.cli.analyzing import STYLES
from aiohttp_steps.cli.common import Console, count, write, write_json
from aiohttp_steps.plan import explain_node, find_ambiguities
from aiohttp_steps.types import MISSING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp_steps.cli.analyzing import Analysis
    from aiohttp_steps.types import Input, InputNeed, Location, Node, Plan


def print_tree(plan: Plan, analysis: Analysis | None, declared: Mapping[str, Input]) -> None:
    """Print a plan with its reasons and the inputs it takes, and the times of runs of it."""
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
    if analysis is not None:
        analysis.print()


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


def print_json(plan: Plan, analysis: Analysis | None) -> None:
    """Print a plan, and the times of runs of it, as JSON."""
    document: dict[str, Any] = {
        "view": plan.view,
        "tiers": [
            {"kind": tier.kind, "steps": [_describe_node(plan, node, analysis) for node in tier.nodes]}
            for tier in plan.tiers
        ],
        "inputs": [{"name": need.name, "required": need.required} for need in plan.inputs],
        "ambiguous": [[first.name, second.name] for first, second in find_ambiguities(plan)],
    }
    if analysis is not None:
        document["timing"] = analysis.describe()
    write_json(document)


def _describe_node(plan: Plan, node: Node, analysis: Analysis | None) -> dict[str, Any]:
    step = node.step
    return {
        "name": step.name,
        "plugin": step.plugin,
        "location": str(step.location),
        "concurrency": step.kind,
        "runner": step.runner,
        "required": node.required,
        "waits_for": {plan.nodes[edge.source].step.name: edge.kind for edge in node.edges},
        "why": explain_node(plan, node),
        **(analysis.describe_step(step.name) if analysis is not None else {}),
    }


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
