"""Reads contents of files, for the comparison of renamed ones."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pygit2

    from aiohttp_steps_git.renames import File


class Contents:
    """Gives content by id from what git has stored, else by path from the work tree.

    Reading a blob holds the GIL while it is unpacked; the bounds in `renames` keep that to milliseconds.
    """

    def __init__(self, repo: pygit2.Repository) -> None:
        self._odb = repo.odb
        self._top = os.fsencode(repo.workdir)

    def size(self, file: File) -> int:
        """Return the size in bytes, without reading the content."""
        if file.id in self._odb:
            return self._odb.read_header(file.id)[1]
        return os.stat(self._full(file)).st_size  # noqa: PTH116 - names are bytes

    def read(self, file: File) -> bytes:
        """Return the content."""
        if file.id in self._odb:
            return self._odb.read(file.id)[1]
        with open(self._full(file), "rb") as content:  # noqa: PTH123 - names are bytes
            return content.read()

    def _full(self, file: File) -> bytes:
        return os.path.join(self._top, file.path)  # noqa: PTH118 - names are bytes
