"""Steps of benchmark `processes` that compute, in threads and in worker processes."""

from __future__ import annotations

from aiohttp_steps import step

from benchmarks.processes import compute

in_thread = step(concurrency="parallel", runner="thread")
in_process = step(concurrency="parallel", runner="process")


@in_thread
def thread_one(*, seconds: float) -> int:
    """Compute in a thread."""
    return compute(seconds)


@in_thread
def thread_two(*, seconds: float) -> int:
    """Compute in a thread, beside the other."""
    return compute(seconds)


@in_process
def process_one(*, seconds: float) -> int:
    """Compute in a worker process."""
    return compute(seconds)


@in_process
def process_two(*, seconds: float) -> int:
    """Compute in a worker process, beside the other."""
    return compute(seconds)
