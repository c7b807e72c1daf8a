"""`python -m benchmarks`: runs the benchmarks and prints their tables."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path

from benchmarks import inspector, paths, peers, plan, processes, real, scale, seed, soak, stalls, switch, view
from benchmarks.report import Printer, to_document
from benchmarks.web import compare, inprocess

BENCHMARKS = {
    "seed": seed.run,
    "view": view.run,
    "real": real.run,
    "switch": switch.run,
    "peers": peers.run,
    "plan": plan.run,
    "paths": paths.run,
    "scale": scale.run,
    "processes": processes.run,
    "request": inprocess.run,
    "http": compare.run,
    "inspector": inspector.run,
    "stalls": stalls.run,
    "soak": soak.run,
}


def read_names(text: str) -> list[str]:
    """Read the names of benchmarks, separated by commas, into the order in which they run."""
    given = {name.strip() for name in text.split(",")}
    unknown = given - BENCHMARKS.keys()
    if unknown:
        message = f"no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(BENCHMARKS)}"
        raise argparse.ArgumentTypeError(message)
    return [name for name in BENCHMARKS if name in given]


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line says; goals that are not met are told, and are no failure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Benchmarks of aiohttp-steps.")
    parser.add_argument(
        "--only",
        type=read_names,
        default=list(BENCHMARKS),
        metavar="NAMES",
        help=f"which ones, separated by commas: {','.join(BENCHMARKS)}",
    )
    parser.add_argument("--quick", action="store_true", help="few rounds and less data: some seconds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there as well")
    options = parser.parse_args(arguments)
    # Made files and the server must not outlive a kill: leave by way of every `finally`.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    printer = Printer()
    printer.start(quick=options.quick)
    results = []
    for name in options.only:
        for result in BENCHMARKS[name](quick=options.quick):
            printer.show(result)
            results.append(result)
    if options.json is not None:
        options.json.write_text(json.dumps(to_document(results, quick=options.quick), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
