"""cpex: a plugin for each step, on one hook.

Flat steps run in mode `concurrent`, and give their values as metadata, the one thing of a result that is
collected there. A chain runs in mode `sequential`: each plugin gets the payload that the one before changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cpex.framework import GlobalContext, Plugin, PluginPayload, PluginResult, TenantPluginManager, hook
from cpex.framework.hooks.registry import get_hook_registry
from cpex.framework.models import Config, PluginConfig

from benchmarks.peers.contender import Contender
from benchmarks.peers.graph import write_functions

if TYPE_CHECKING:
    from benchmarks.peers.graph import Graph

HOOK = "peers_work"


class Payload(PluginPayload):
    """What the one before returned."""

    value: int = 0


WorkResult = PluginResult[Payload]


class Independent(Plugin):
    """Does a step that takes nothing."""

    @hook(HOOK)
    async def work(self, payload: Payload, context: Any) -> Any:  # noqa: ARG002 - cpex checks the signature
        """Run the step, and give its value as metadata."""
        config: Any = self.config.config
        return WorkResult(metadata={config["name"]: await config["step"]()})


class Chained(Plugin):
    """Does a step that takes the one before."""

    @hook(HOOK)
    async def work(self, payload: Payload, context: Any) -> Any:  # noqa: ARG002 - cpex checks the signature
        """Run the step with the value of the one before, and put its own in the place of it."""
        config: Any = self.config.config
        before = config["before"]
        value = await (config["step"](**{before: payload.value}) if before else config["step"]())
        return WorkResult(modified_payload=Payload(value=value))


async def build(graph: Graph) -> Contender:
    """Set up a graph."""
    get_hook_registry().register_hook(HOOK, Payload, WorkResult)
    is_chain = graph.shape == "chain"
    plugins = [
        PluginConfig(
            name=name,
            kind=f"{__name__}.{(Chained if is_chain else Independent).__name__}",
            version="1.0.0",
            hooks=[HOOK],
            mode="sequential" if is_chain else "concurrent",
            priority=number,
            config={"name": name, "step": step, "before": f"s{number - 1}" if number else ""},
        )
        for number, (name, step) in enumerate(write_functions(graph).items())
    ]
    manager = TenantPluginManager(Config(plugins=plugins), default_hook_policy="allow")
    await manager.initialize()

    async def run() -> Any:
        result, _ = await manager.invoke_hook(HOOK, Payload(), GlobalContext(request_id="1"))
        return result

    if is_chain:
        return Contender(run, lambda result: {graph.names[-1]: result.modified_payload.value})
    return Contender(run, lambda result: dict(result.metadata))
