"""Compiles steps into plans: a pure function, linear in steps plus edges.

Owns the laws of order (1 to 7 of the design) and the refusals that concern several steps. Runs nothing.
"""

from aiohttp_steps.plan.ambiguity import find_ambiguities
from aiohttp_steps.plan.compile import compile_plan
from aiohttp_steps.plan.gains import estimate_gains
from aiohttp_steps.plan.reasons import explain_node
from aiohttp_steps.plan.selection import nearest

__all__ = ["compile_plan", "estimate_gains", "explain_node", "find_ambiguities", "nearest"]
