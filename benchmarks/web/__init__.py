"""Benchmarks over HTTP: the same work by hand, by this framework and by others."""
