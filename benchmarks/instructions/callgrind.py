"""How instructions are counted: one run of valgrind's callgrind, in the same environment each time."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.instructions.counted import BY_HAND, MARK, OURS
from benchmarks.instructions.kept import Figure
from benchmarks.instructions.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 300
"""After so long something hangs; it takes a tenth of that."""

PASSED_ON = ("LD_LIBRARY_PATH", "PYTHONPATH", "TMPDIR", "VALGRIND_LIB")
"""Variables without which the interpreter, the packages or valgrind may not be found."""

ENVIRONMENT = {
    # The C library takes other code to copy and search on processors that have more: half a per cent.
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX,-AVX2,-AVX_Usable,-AVX2_Usable,-BMI2,-ERMS,-SSE4_2",
    "LC_ALL": "C.UTF-8",
    "PATH": os.defpath,
    # Without it, names fall into other places of dictionaries each time.
    "PYTHONHASHSEED": "0",
}


class CountError(Exception):
    """Nothing could be counted; the message says why."""


def is_installed() -> bool:
    """Tell whether valgrind is on the path."""
    return shutil.which("valgrind") is not None


def count(names: Sequence[str]) -> dict[str, Figure]:
    """Count the instructions of scenarios and of their references.

    Raises:
        CountError: a scenario failed, or valgrind did.
    """
    with tempfile.TemporaryDirectory(prefix="aiohttp-steps-instructions-") as name:
        folder = Path(name)
        # First without valgrind: it says what is broken in a second, and leaves compiled modules behind.
        _run([], names, folder)
        for file in folder.iterdir():
            file.unlink()
        callgrind = [
            shutil.which("valgrind") or "valgrind",
            "--tool=callgrind",
            f"--dump-before={MARK}",
            f"--callgrind-out-file={folder}/%p",
        ]
        _run(callgrind, names, folder)
        counts = dict(_read_counts(file) for file in folder.glob("*.label"))
    return {name: Figure(counts[f"{OURS}:{name}"], counts[f"{BY_HAND}:{name}"]) for name in names}


def _run(wrapper: list[str], names: Sequence[str], folder: Path) -> None:
    at_once = len(os.sched_getaffinity(0))
    program = [sys.executable, "-s", "-m", "benchmarks.instructions.counted"]
    try:
        subprocess.run(
            [*wrapper, *program, str(folder), str(at_once), *names],
            cwd=ROOT,
            env={**ENVIRONMENT, **{name: os.environ[name] for name in PASSED_ON if name in os.environ}},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=SECONDS,
        )
    except subprocess.CalledProcessError as error:
        where = "under valgrind" if wrapper else "before valgrind was started"
        raise CountError(f"the scenarios failed {where}:\n{error.stderr[-3000:]}") from error


def _read_counts(file: Path) -> tuple[str, float]:
    """Return what the process was, and instructions per call: what lies between its marks."""
    label = file.read_text()
    few, many = (_read_part(file.with_suffix(f".{number}")) for number in (2, 3))
    return label, (many - few) / SCENARIOS[label.partition(":")[2]].calls


def _read_part(file: Path) -> int:
    """Return the instructions from one mark to the next."""
    found = re.search(r"^summary: (\d+)$", file.read_text(), re.MULTILINE)
    if found is None:
        raise CountError(f"callgrind wrote no sum into {file.name}; its version may write another format")
    return int(found[1])
