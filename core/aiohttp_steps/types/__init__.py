"""The words of the framework as types; nothing here runs anything."""

from aiohttp_steps.types.inputs import Input, Source
from aiohttp_steps.types.step import (
    MISSING,
    Dependency,
    Exclusive,
    Kind,
    Location,
    Missing,
    OnDisconnect,
    Step,
    StepOptions,
)

__all__ = [
    "MISSING",
    "Dependency",
    "Exclusive",
    "Input",
    "Kind",
    "Location",
    "Missing",
    "OnDisconnect",
    "Source",
    "Step",
    "StepOptions",
]
