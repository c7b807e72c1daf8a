"""The figures that are kept, for each minor version of Python, and what they were counted with."""

from __future__ import annotations

import json
import platform
import sys
import sysconfig
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FILE = Path(__file__).with_name("kept.json")


@dataclass(frozen=True, slots=True)
class Figure:
    """What was counted for one scenario.

    Attributes:
        count: instructions of one call.
        reference: instructions of one call of the same by hand, in the same run.
    """

    count: float
    reference: float

    @property
    def ratio(self) -> float:
        """How many times the reference it is."""
        return self.count / self.reference


@dataclass(frozen=True, slots=True)
class Kept:
    """What one Python counted.

    Attributes:
        conditions: what counts depend on besides our code: the interpreter, and versions of packages by name.
        figures: by scenario.
    """

    conditions: Mapping[str, str]
    figures: Mapping[str, Figure]


def name_python() -> str:
    """Return what figures are kept under: another minor version is another interpreter."""
    major, minor = sys.version_info[:2]
    return f"{sys.implementation.name} {major}.{minor}{sys.abiflags}"


def read_conditions(packages: Iterable[str]) -> dict[str, str]:
    """Return what counts here depend on besides our code."""
    return {
        "python": platform.python_version(),
        "build": _describe_build(),
        "libc": " ".join(platform.libc_ver()),
        "machine": platform.machine(),
        **{name: version(name) for name in packages},
    }


def _describe_build() -> str:
    """Return what made the interpreter's machine code: two builds of one version differ by a third."""
    flags = str(sysconfig.get_config_var("PY_CFLAGS") or "").split()
    options = str(sysconfig.get_config_var("CONFIG_ARGS") or "").replace("'", "").split()
    return " ".join(
        [
            platform.python_compiler(),
            *dict.fromkeys(flag for flag in flags if flag.startswith(("-O", "-flto", "-march", "-fprofile"))),
            # Not those that name folders: where it lies makes no difference.
            *sorted(
                option
                for option in options
                if option.startswith(("--enable", "--with")) and "/" not in option
            ),
        ]
    )


def load() -> dict[str, Kept]:
    """Return what is kept, by the name of the Python; nothing if there is no file yet."""
    if not FILE.exists():
        return {}
    return {
        python: Kept(
            entry["conditions"], {name: Figure(**figure) for name, figure in entry["figures"].items()}
        )
        for python, entry in json.loads(FILE.read_text()).items()
    }


def save(python: str, kept: Kept) -> None:
    """Put one Python's figures in the place of those before; others stay."""
    everything = {**load(), python: kept}
    document = {name: _to_entry(everything[name]) for name in sorted(everything)}
    FILE.write_text(json.dumps(document, indent=2) + "\n")


def _to_entry(kept: Kept) -> dict[str, Any]:
    return {
        "conditions": dict(kept.conditions),
        "figures": {
            name: {part: round(value, 1) for part, value in asdict(figure).items()}
            for name, figure in kept.figures.items()
        },
    }
