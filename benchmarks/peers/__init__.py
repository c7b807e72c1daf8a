"""Benchmark `peers`: what one run costs, ours beside peers and asyncio by hand."""

from benchmarks.peers.suite import run

__all__ = ["run"]
