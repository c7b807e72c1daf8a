"""The process that answers the crowd of benchmark `scale`: no request is answered before all have come."""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import time
from pathlib import Path

from aiohttp import web
from aiohttp_steps import REPORT, setup, view

from benchmarks.memory import SIZE, VIEW, register, write_functions

STATM = Path("/proc/self/statm")
BACKLOG = 4_096


def raise_file_limit(wanted: int) -> int:
    """Let this process open as many files as it needs, or as many as it may; return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = max(soft, wanted if hard == resource.RLIM_INFINITY else min(wanted, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return limit


def read_resident_bytes() -> int:
    """Return the resident memory of this process."""
    return int(STATM.read_text().split()[1]) * resource.getpagesize()


class Crowd:
    """Requests under way.

    Args:
        size: how many have to come before any is answered.
    """

    def __init__(self, size: int) -> None:
        self._missing = size * SIZE
        self._all_there = asyncio.Event()
        self.resident_bytes = 0

    async def wait(self) -> int:
        """Wait, as a step, until all steps of all requests do."""
        self._missing -= 1
        if not self._missing:
            self.resident_bytes = read_resident_bytes()
            self._all_there.set()
        await self._all_there.wait()
        return 1


async def serve(size: int, way: str) -> None:
    """Serve on a port that is printed, until the standard input ends; then print what it took."""
    raise_file_limit(size + 200)
    crowd = Crowd(size)
    functions = write_functions(SIZE, "return await wait()", wait=crowd.wait)
    app = web.Application()

    async def gather(_: web.Request) -> web.Response:
        values = await asyncio.gather(*[function() for function in functions])
        return web.json_response(dict(zip(names, values, strict=True)))

    @view(VIEW)
    async def run_view(request: web.Request) -> web.Response:
        return web.json_response(request[REPORT].values)

    names = [function.__name__ for function in functions]
    if way == "view":
        setup(app, register(functions, {}))
    app.router.add_get("/", run_view if way == "view" else gather)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=BACKLOG)
    await site.start()
    before = read_resident_bytes()
    print(runner.addresses[0][1], flush=True)
    began_at = time.process_time()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    took_s = time.process_time() - began_at
    await runner.cleanup()
    print(json.dumps({"bytes": crowd.resident_bytes - before, "processor_s": took_s}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("size", type=int)
    parser.add_argument("way", choices=("view", "gather"))
    options = parser.parse_args()
    asyncio.run(serve(options.size, options.way))
