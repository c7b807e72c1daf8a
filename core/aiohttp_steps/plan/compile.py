"""`compile_plan`: from steps to tiers."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from aiohttp_steps.errors import UnknownNameError
from aiohttp_steps.plan.graph import Graph
from aiohttp_steps.plan.selection import index_steps, nearest, select
from aiohttp_steps.types import Binding, Edge, Node, Plan, Tier

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from aiohttp_steps.plan.selection import Selection
    from aiohttp_steps.types import Dependency, Step, TierKind


def compile_plan(
    steps: Sequence[Step],
    *,
    view: str | None = None,
    wanted: Sequence[Dependency] = (),
    inputs: Collection[str] = (),
    selected: Collection[Step] | None = None,
    sequential: bool = False,
) -> Plan:
    """Compile the steps of one view or handler into a plan.

    Time and memory are linear in steps plus edges, but for the logarithm of a heap.

    Args:
        steps: all registered steps, in order of registration.
        view: the view, `None` for a handler that only takes what it names.
        wanted: the handler's keyword-only parameters.
        inputs: names of all known inputs.
        selected: the steps of the view to run; `None`: all that joined it. Gates are never left out.
        sequential: put every step into a tier of its own, in the same order.

    Raises:
        DuplicateNameError: two owners of one name.
        UnknownNameError: a name that nobody provides, or a view that no step joined.
        CycleError: steps wait for each other.
    """
    by_name = index_steps(steps, inputs)
    roots = [] if view is None else _members(steps, view)
    if selected is not None:
        roots = [step for step in roots if step in selected or step.kind == "gate"]
    selection = select(by_name, roots, view=view, wanted=wanted, inputs=inputs)
    graph = Graph(selection.steps)
    tiers = arrange(graph)
    if sequential:
        tiers = [(kind, [number]) for kind, numbers in tiers for number in numbers]
    return _build(graph, tiers, selection, view=view, sequential=sequential)


def _members(steps: Sequence[Step], view: str) -> list[Step]:
    members = [step for step in steps if view in step.options.views]
    if not members:
        views = sorted({name for step in steps for name in step.options.views})
        near = nearest(view, views)
        hint = f"did you mean {near!r}?" if near else f"the views are: {', '.join(views) or 'none'}."
        fault = f"no step has joined the view {view!r}; {hint} Install a plugin whose steps join it"
        error = UnknownNameError(fault, view=view)
        error.name, error.nearest = view, near
        raise error
    return members


def arrange(graph: Graph) -> list[tuple[TierKind, list[int]]]:
    """Put steps into tiers: each serial step after the parallel ones that it waits for, the rest last."""
    steps = graph.steps
    gates = [number for number, step in enumerate(steps) if step.kind == "gate"]
    urgent = set(gates)
    graph.ancestors(gates, urgent)
    order, serial_order = graph.sort(urgent)
    position = {number: at for at, number in enumerate(order)}
    tiers: list[tuple[TierKind, list[int]]] = []
    placed: set[int] = set()
    for number in serial_order:
        _add_parallel(tiers, graph, graph.ancestors([number], placed), position)
        placed.add(number)
        tiers.append(("gate" if steps[number].kind == "gate" else "sequential", [number]))
    _add_parallel(tiers, graph, [number for number in order if number not in placed], position)
    return tiers


def _add_parallel(
    tiers: list[tuple[TierKind, list[int]]], graph: Graph, numbers: list[int], position: dict[int, int]
) -> None:
    """Add a tier of parallel steps: by how many of the tier they wait for in a row, then by registration."""
    if not numbers:
        return
    depth: dict[int, int] = {}
    for number in sorted(numbers, key=position.__getitem__):
        deepest = 0
        for source in graph.waits_for[number]:
            deepest = max(deepest, depth.get(source, 0))
        depth[number] = deepest + 1
    tiers.append(("parallel", sorted(numbers, key=lambda number: (depth[number], number))))


def _build(
    graph: Graph,
    tiers: list[tuple[TierKind, list[int]]],
    selection: Selection,
    *,
    view: str | None,
    sequential: bool,
) -> Plan:
    """Number the steps in plan order and freeze all that the engine looks up."""
    order = [number for _, numbers in tiers for number in numbers]
    index = dict(zip(order, range(len(order)), strict=True))
    names = {graph.steps[number].name: at for at, number in enumerate(order)}
    tier_of = {number: at for at, (_, numbers) in enumerate(tiers) for number in numbers}

    def bind(step: Step) -> tuple[Binding, ...]:
        """Return where what a step takes comes from, without what nobody provides."""
        bindings = []
        for dependency in step.takes:
            name = dependency.name
            if name in names or name in selection.inputs:
                bindings.append(Binding(name, names.get(name, name), dependency.required))
        return tuple(bindings)

    def build_node(number: int) -> Node:
        step, tier = graph.steps[number], tier_of[number]
        edges, near = [], 0
        for source, kind in graph.waits_for[number].items():
            edges.append(Edge(index[source], kind))
            near += tier_of[source] == tier
        if len(edges) > 1:
            edges.sort(key=attrgetter("source"))
        successors = [index[after] for after in graph.followers[number] if tier_of[after] == tier]
        if len(successors) > 1:
            successors.sort()
        name = step.name
        return Node(  # by position: names would cost a third of it
            index[number],
            step,
            tier,
            step.options.required or name in selection.needed,
            name in selection.shown,
            tuple(edges),
            bind(step),
            tuple(successors),
            near,
        )

    nodes = {number: build_node(number) for number in order}
    return Plan(
        view=view,
        nodes=tuple(nodes.values()),
        tiers=tuple(Tier(kind, tuple(nodes[number] for number in numbers)) for kind, numbers in tiers),
        index=names,
        inputs=tuple(selection.inputs.values()),
        sequential=sequential,
    )
