"""Puts load on a server with wrk, a process of its own: https://github.com/wg/wrk."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("report.lua")
MISSING = "left out, because wrk is not on the path: `apt install wrk`, `brew install wrk`, or https://github.com/wg/wrk"
SPARE_SECONDS = 30.0
"""How much longer than asked wrk may take before it is given up."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a stretch of load has found.

    Attributes:
        requests: answered ones.
        rate: of them a second.
        p50_ms, p99_ms: half, 99 in 100 of them took no longer.
        errors: connections that failed, answers that did not come, and those with a status of 400 and above.
    """

    requests: int
    rate: float
    p50_ms: float
    p99_ms: float
    errors: int


def has_wrk() -> bool:
    """Tell whether wrk is on the path."""
    return shutil.which("wrk") is not None


def put_load(url: str, *, connections: int, seconds: int) -> Load:
    """Ask without a pause over connections that are kept alive, one request at a time on each.

    Args:
        seconds: how long; wrk knows whole seconds only.

    Raises:
        RuntimeError: wrk has found no answer at all, or has failed.
    """
    command = ["wrk", "--threads=1", f"--connections={connections}", f"--duration={seconds}s"]
    done = subprocess.run(
        [*command, "--timeout=10s", f"--script={SCRIPT}", url],
        capture_output=True,
        text=True,
        timeout=seconds + SPARE_SECONDS,
        check=False,
    )
    found = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {"requests": 0}
    if not found["requests"]:
        message = f"wrk got no answer from {url}: {done.stderr.strip() or done.stdout.strip()}"
        raise RuntimeError(message)
    return Load(
        requests=found["requests"],
        rate=found["requests"] / found["duration_us"] * 1e6,
        p50_ms=found["p50_us"] / 1000,
        p99_ms=found["p99_us"] / 1000,
        errors=found["errors"],
    )
