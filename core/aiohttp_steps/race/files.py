"""Watched files: their state by content, and how they are put back between runs."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp_steps.errors import RaceCheckError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Self

MOST_FILES = 10_000
MOST_BYTES = 500_000_000
"""What is watched is read after each run, so more than this would make the check endless."""


MOST_SHOWN_BYTES = 100
"""A text of that size is told as it is."""


class WatchedFiles:
    """Files, and folders with all that is in them; a context manager around the runs.

    Entered, it makes a copy in a new temporary folder. `restore` puts back what differs from that, and
    nothing else: what was added is removed, what was changed or removed is written anew. Left, it restores
    once more and removes the copy; if that fails, the copy stays, and the error says where.

    Args:
        paths: of files and folders; links in folders are compared as links.
        restore: `False`: nothing is ever put back, and a run that changes something is refused.

    Raises:
        RaceCheckError: a path is not there, or holds too much.
    """

    def __init__(self, paths: Iterable[Path], *, restore: bool) -> None:
        self._roots = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100 - links stay links
        self._may_restore = restore
        self._copies: Path | None = None
        self._before: dict[Path, str] = {}

    def __enter__(self) -> Self:
        for root in self._roots:
            if not root.exists():
                message = f"{root} is to be watched, but is not there; make it, or leave it out"
                raise RaceCheckError(message)
        self._before = self.read()
        if self._may_restore and self._roots:
            self._copies = Path(tempfile.mkdtemp(prefix="aiohttp-steps-race-"))
            for place, root in enumerate(self._roots):
                copy = self._copies / str(place)
                if root.is_dir():
                    shutil.copytree(root, copy, symlinks=True)
                else:
                    shutil.copy2(root, copy)
        return self

    def __exit__(self, *_: object) -> None:
        if self._copies is None:
            return
        try:
            self.restore()
        except OSError as error:
            message = f"the watched files could not be put back ({error}); their copy is in {self._copies}"
            raise RaceCheckError(message) from error
        shutil.rmtree(self._copies, ignore_errors=True)

    def read(self) -> dict[Path, str]:
        """Return what there is: by path the kind, and the hash of the content or the target of a link.

        Raises:
            RaceCheckError: it is too much.
        """
        state: dict[Path, str] = {}
        size = 0
        for path in self._walk():
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                state[path] = f"link to {path.readlink()}"
            elif stat.S_ISDIR(mode):
                state[path] = "folder"
            elif stat.S_ISREG(mode):
                size += path.stat().st_size
                if size > MOST_BYTES:
                    break
                state[path] = _describe(path)
            if len(state) > MOST_FILES:
                break
        if len(state) > MOST_FILES or size > MOST_BYTES:
            message = (
                f"{', '.join(map(str, self._roots))}: more than {MOST_FILES} files or "
                f"{MOST_BYTES // 1_000_000} MB, which are read after each run; watch a smaller folder"
            )
            raise RaceCheckError(message)
        return state

    def restore(self) -> None:
        """Put back what differs from the state at the beginning.

        Raises:
            RaceCheckError: something does, and putting it back was not allowed.
        """
        now, before = self.read(), self._before
        changed = [path for path in sorted({*now, *before}) if now.get(path) != before.get(path)]
        if changed and self._copies is None:
            message = (
                f"the run changed {changed[0]}, and each run has to start from the same files; let them be "
                "put back from a copy (--restore, or restore=True), or watch a copy of your own"
            )
            raise RaceCheckError(message)
        for path in reversed(changed):  # what is in a folder before the folder
            if path in now:
                _remove(path)
        for path in changed:
            if path in self._before:
                self._put_back(path)

    def name(self, path: Path) -> str:
        """Return a short name of a watched path: from the folder on that is watched."""
        root = next(root for root in self._roots if path.is_relative_to(root))
        return str(path.relative_to(root.parent))

    def _put_back(self, path: Path) -> None:
        place, root = next((at, root) for at, root in enumerate(self._roots) if path.is_relative_to(root))
        source = (self._copies or Path()) / str(place) / path.relative_to(root)
        if source.is_dir() and not source.is_symlink():
            path.mkdir(exist_ok=True)
            shutil.copystat(source, path)
        else:
            shutil.copy2(source, path, follow_symlinks=False)

    def _walk(self) -> Iterator[Path]:
        """Yield what is watched, parents first, sorted."""
        for root in self._roots:
            if os.path.lexists(root):
                yield root
            for folder, names, files in os.walk(root):
                names.sort()
                yield from (Path(folder, name) for name in sorted([*names, *files]))


def _describe(path: Path) -> str:
    """Return a small text itself, of anything else size and hash."""
    size = path.stat().st_size
    if size <= MOST_SHOWN_BYTES:
        with contextlib.suppress(UnicodeDecodeError):
            return repr(path.read_text(encoding="utf-8"))
    with path.open("rb") as file:
        return f"{size} bytes, sha256 {hashlib.file_digest(file, 'sha256').hexdigest()}"


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink()
