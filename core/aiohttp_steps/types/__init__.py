"""The words of the framework as types; nothing here runs anything."""

from aiohttp_steps.types.inputs import Input, Source
from aiohttp_steps.types.ledger import NEVER, Ledger
from aiohttp_steps.types.locks import Locks
from aiohttp_steps.types.outcome import Outcome, Status, Timing
from aiohttp_steps.types.plan import Binding, Edge, InputNeed, Node, Plan, Tier, TierKind
from aiohttp_steps.types.report import Report
from aiohttp_steps.types.running import Call, Rank, RankCall, RunInfo, Runner, StepCall, StepMiddleware
from aiohttp_steps.types.step import (
    MISSING,
    OPTIONS_ATTRIBUTE,
    Dependency,
    Exclusive,
    Kind,
    Location,
    Missing,
    OnDisconnect,
    Retry,
    Step,
    StepOptions,
)

__all__ = [
    "MISSING",
    "NEVER",
    "OPTIONS_ATTRIBUTE",
    "Binding",
    "Call",
    "Dependency",
    "Edge",
    "Exclusive",
    "Input",
    "InputNeed",
    "Kind",
    "Ledger",
    "Location",
    "Locks",
    "Missing",
    "Node",
    "OnDisconnect",
    "Outcome",
    "Plan",
    "Rank",
    "RankCall",
    "Report",
    "Retry",
    "RunInfo",
    "Runner",
    "Source",
    "Status",
    "Step",
    "StepCall",
    "StepMiddleware",
    "StepOptions",
    "Tier",
    "TierKind",
    "Timing",
]
