"""The way of a trace into another process: W3C headers, pickled, and made current there.

Source of the formats: https://www.w3.org/TR/trace-context/ and https://www.w3.org/TR/baggage/.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from opentelemetry import context
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

# Not the global one: an app that has set that in its code has not set it in the worker.
_PROPAGATOR = CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])


def pack_context() -> Callable[[], AbstractContextManager[None]]:
    """Return what makes the current span and baggage current elsewhere; it can be pickled."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return partial(activate, carrier)


@contextmanager
def activate(carrier: Mapping[str, str]) -> Iterator[None]:
    """Make the remote span and baggage of a carrier current, for the time of a `with` block."""
    token = context.attach(_PROPAGATOR.extract(carrier))
    try:
        yield
    finally:
        context.detach(token)
