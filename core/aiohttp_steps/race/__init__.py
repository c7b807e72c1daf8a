"""Finds steps that call themselves parallel and are not: runs a view in many orders and compares.

Owns schedules, what disturbs a run, what is seen of it, and the search for the smallest pair. Works on a
registry by the hooks that every plugin has, and leaves nothing in it.
"""

from aiohttp_steps.race.check import find_races
from aiohttp_steps.race.observing import Difference
from aiohttp_steps.race.report import Disagreement, RaceReport

__all__ = ["Difference", "Disagreement", "RaceReport", "find_races"]
