"""Who takes part: every peer with its module, its distribution, and the shapes that it can express."""

from __future__ import annotations

import importlib
import importlib.metadata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.peers import hand, ours
from benchmarks.peers.contender import Contender
from benchmarks.peers.graph import write_functions
from benchmarks.peers.hand import IS_EAGER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarks.peers.graph import Graph

    Build = Callable[[Graph], Awaitable[Contender]]

OURS, PLAIN, GATHER, EAGER, GROUP, LEVELS = (
    "aiohttp-steps",
    "plain awaits",
    "gather",
    "gather (eager tasks)",
    "TaskGroup",
    "gather by level",
)

NO_DATA = "its hooks do not take each other's results"


@dataclass(frozen=True, slots=True)
class Peer:
    """A framework that does part of the job.

    Attributes:
        name: as people call it.
        module: of this package, that sets it up.
        distribution: what is to be installed.
        cannot: why a shape cannot be expressed, by shape.
    """

    name: str
    module: str
    distribution: str
    cannot: tuple[tuple[str, str], ...] = ()

    def can(self, shape: str) -> bool:
        """Whether it can express the shape."""
        return shape not in dict(self.cannot)

    def find_version(self) -> str | None:
        """Return the version that is installed, or `None`."""
        try:
            return importlib.metadata.version(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            return None

    def load(self) -> Build:
        """Return what sets a graph up.

        Raises:
            ImportError: it is not installed, or not in a version that works here.
        """
        build: Build = importlib.import_module(f"benchmarks.peers.{self.module}").build
        return build


PEERS = (
    Peer("AnyIO task group", "anyio_group", "anyio"),
    Peer("pluggy and gather", "pluggy_gather", "pluggy", (("chain", NO_DATA),)),
    Peer("apluggy", "apluggy_hook", "apluggy", (("chain", NO_DATA),)),
    Peer("asyncinject", "asyncinject_registry", "asyncinject"),
    Peer("di (concurrent)", "di_container", "di"),
    Peer(
        "graphql-core",
        "graphql_fields",
        "graphql-core",
        (("chain", "fields of one object do not take each other's results"),),
    ),
    Peer("Hamilton (async)", "hamilton_driver", "sf-hamilton"),
    Peer("FastAPI Depends", "fastapi_depends", "fastapi"),
    Peer("Litestar", "litestar_provide", "litestar"),
    Peer("cpex", "cpex_hook", "cpex"),
)


def load_installed() -> tuple[dict[Peer, Build], dict[Peer, str]]:
    """Return what sets up each peer that is installed, and of the others why they are left out."""
    found: dict[Peer, Build] = {}
    missing: dict[Peer, str] = {}
    for peer in PEERS:
        try:
            found[peer] = peer.load()
        except ImportError as error:
            version = peer.find_version()
            missing[peer] = f"{version} does not work here: {error}" if version else "not installed"
    return found, missing


def build_by_hand(graph: Graph) -> dict[str, Contender]:
    """Set up ours and asyncio by hand."""
    functions = write_functions(graph)

    def pick(values: dict[str, Any]) -> dict[str, int]:
        return {name: values[name] for name in graph.ends}

    contenders = {
        OURS: Contender(ours.Ours(graph).run, lambda report: pick(ours.read_values(report))),
        PLAIN: Contender(hand.await_each(graph, functions), pick),
        GATHER: Contender(hand.gather(graph, functions), pick),
        GROUP: Contender(hand.group(graph, functions), pick),
    }
    if IS_EAGER:
        contenders[EAGER] = Contender(hand.gather_eagerly(graph, functions), pick)
    return contenders
