"""Benchmark and check `instructions`: what runs, plans and requests cost in instructions of the processor."""
