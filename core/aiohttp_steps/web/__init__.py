"""The only part that knows aiohttp: from a request to a run, and from a report to a response."""

from aiohttp_steps.web.handlers import inject, view
from aiohttp_steps.web.responses import json_response
from aiohttp_steps.web.running import declared_inputs, run_for_request
from aiohttp_steps.web.server import Server, build_server_app, hosts_of
from aiohttp_steps.web.setup import setup
from aiohttp_steps.web.state import REPORT
from aiohttp_steps.web.views import add_views

__all__ = [
    "REPORT",
    "Server",
    "add_views",
    "build_server_app",
    "declared_inputs",
    "hosts_of",
    "inject",
    "json_response",
    "run_for_request",
    "setup",
    "view",
]
