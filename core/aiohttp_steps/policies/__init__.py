"""Policies of the framework as step middlewares, each one small module of the same shape.

A module has one function that is asked about a step: it returns what wraps the step's execution, or `None`.
"""

from aiohttp_steps.policies.builtin import BuiltinPolicies
from aiohttp_steps.policies.clock import Deadline, time_left
from aiohttp_steps.policies.limiting import Limits
from aiohttp_steps.policies.locks import ProcessLocks
from aiohttp_steps.policies.ordering import Paths

__all__ = ["BuiltinPolicies", "Deadline", "Limits", "Paths", "ProcessLocks", "time_left"]
