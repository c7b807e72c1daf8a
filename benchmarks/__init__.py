"""Benchmarks of aiohttp-steps: `python -m benchmarks` from the root of the repository."""
