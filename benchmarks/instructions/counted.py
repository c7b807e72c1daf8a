"""The program that valgrind counts: a process for each scenario and each reference, calls between marks.

All come out of one process by `fork`, after the imports: these take ten seconds under valgrind, and so each
begins with the same memory, whatever ran before it. Marks are calls of a function of the C library that
nothing else calls; callgrind is told to write down its counter there (`--dump-before`).
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.instructions.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.instructions.scenarios import Opener

MARK = "getpriority"
"""Name of the C library's function that `mark` calls."""

WARM_UPS = 50
"""Calls before any that counts: the interpreter specialises what runs often, libraries fill their caches."""

FEW = 10
"""Calls between the first two marks. Between the last two are as many more as count: marks cost nothing."""

OURS, BY_HAND = "ours", "by hand"


def mark() -> None:
    """Have the counter written down."""
    os.getpriority(os.PRIO_PROCESS, 0)


async def _call_between_marks(opener: Opener, calls: int) -> None:
    async with opener(WARM_UPS + FEW + FEW + calls) as call:
        for _ in range(WARM_UPS):
            await call()
        gc.collect()
        gc.disable()
        mark()
        for _ in range(FEW):
            await call()
        mark()
        for _ in range(FEW + calls):
            await call()
        mark()
        gc.enable()


def _run_in_child(opener: Opener, calls: int, label: str, folder: Path) -> None:
    """Run one, leave the name of this process' counters, and end the process."""
    code = 1
    try:
        # Before the marks: whatever a number with more or fewer digits moves in memory is over by then.
        (folder / f"{os.getpid()}.label").write_text(label)
        asyncio.run(_call_between_marks(opener, calls))
        code = 0
    except BaseException:  # noqa: BLE001 - the process ends here, and the one that made it says that it failed
        traceback.print_exc()
        sys.stderr.flush()
    os._exit(code)


def run_all(names: Sequence[str], folder: Path, *, at_once: int) -> bool:
    """Run scenarios and their references, each in a process of its own; tell whether all went well."""
    tasks = [
        (opener, SCENARIOS[name].calls, f"{part}:{name}")
        for name in names
        for part, opener in ((OURS, SCENARIOS[name].ours), (BY_HAND, SCENARIOS[name].by_hand))
    ]
    gc.collect()
    gc.freeze()
    running = 0
    codes = []
    for opener, calls, label in tasks:
        if running == at_once:
            codes.append(os.wait()[1])
            running -= 1
        if os.fork() == 0:
            _run_in_child(opener, calls, label, folder)
        running += 1
    codes += [os.wait()[1] for _ in range(running)]
    return not any(codes)


def main() -> int:
    """Read the command line, and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions.counted")
    parser.add_argument("folder", type=Path)
    parser.add_argument("at_once", type=int)
    parser.add_argument("names", nargs="+", choices=SCENARIOS)
    options = parser.parse_args()
    return 0 if run_all(options.names, options.folder, at_once=options.at_once) else 1


if __name__ == "__main__":
    sys.exit(main())
