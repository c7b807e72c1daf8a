"""Metrics in a registry of collectors of their own, and a registry whose runs they count."""

from __future__ import annotations

import types

import pytest
from aiohttp_steps import StepRegistry
from aiohttp_steps_prometheus import Metrics


class Numbers:
    """Reads samples by what makes them interesting, without our prefix."""

    def __init__(self, collectors):
        self._collectors = collectors

    def __call__(self, name, **labels):
        """Return the value of one sample, `None` if there is none."""
        return self._collectors.get_sample_value(f"aiohttp_steps_{name}", labels)

    def all(self, name):
        """Return all samples of one name, as label values and value."""
        return {
            tuple(sample.labels.values()): sample.value
            for family in self._collectors.collect()
            for sample in family.samples
            if sample.name == f"aiohttp_steps_{name}"
        }


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def numbers(metrics):
    return Numbers(metrics.collectors)


@pytest.fixture
async def registry(metrics):
    """Return a registry with these metrics."""
    async with StepRegistry() as registry:
        registry.register(metrics, "prometheus")
        yield registry


@pytest.fixture
def bundle():
    """Return a function that makes a plugin of functions."""
    return lambda *functions: types.SimpleNamespace(**{each.__name__: each for each in functions})


@pytest.fixture
def add(registry, bundle):
    """Return a function that registers functions as one plugin."""
    return lambda *functions: registry.register(bundle(*functions), "p")
