"""Prometheus metrics as a plugin: times, waits and outcomes by view and step."""

from aiohttp_steps_prometheus.metrics import Metrics

__all__ = ["Metrics"]
