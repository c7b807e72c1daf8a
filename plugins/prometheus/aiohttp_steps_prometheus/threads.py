"""The collector of threads that were left behind: asked at each scrape, so that no run pays for it."""

from __future__ import annotations

import weakref
from collections import Counter
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp_steps import StepRegistry


class LeftBehind(Collector):
    """Counts, by step, the threads whose bodies outlived their timeout; safe to be asked in any thread."""

    def __init__(self) -> None:
        self._registries: list[weakref.ref[StepRegistry]] = []
        self._seen: set[str] = set()

    def watch(self, registry: StepRegistry) -> None:
        """Count those of a registry too, for as long as it lives."""
        known = [reference() for reference in self._registries]
        if not any(each is registry for each in known):
            self._registries.append(weakref.ref(registry, self._registries.remove))

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Name the family, without asking anybody."""
        yield self._make_family()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Count them now. Steps that had some once go on with 0."""
        registries = [reference() for reference in tuple(self._registries)]
        counts = Counter(name for each in registries if each is not None for name in each.left_behind())
        self._seen |= counts.keys()
        family = self._make_family()
        for name in sorted(self._seen):
            family.add_metric([name], counts[name])
        yield family

    @staticmethod
    def _make_family() -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "aiohttp_steps_threads_left_behind",
            "Threads whose steps outlived their timeout and still run.",
            labels=["step"],
        )
