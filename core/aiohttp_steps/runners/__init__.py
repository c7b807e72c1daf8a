"""Where the bodies of steps run; each runner is one small module, and all of them are a plugin."""

from aiohttp_steps.runners.builtin import BuiltinRunners
from aiohttp_steps.runners.loop import InlineRunner, LoopRunner
from aiohttp_steps.runners.process import ProcessRunner
from aiohttp_steps.runners.thread import ThreadRunner, check_cancelled

__all__ = ["BuiltinRunners", "InlineRunner", "LoopRunner", "ProcessRunner", "ThreadRunner", "check_cancelled"]
