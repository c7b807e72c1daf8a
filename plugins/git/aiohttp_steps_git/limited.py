"""Compares a part of the work tree with the index: the one call of libgit2 that pygit2 does not pass on.

`Index.diff_to_workdir` takes no paths, `git_diff_index_to_workdir` does. This calls it the way pygit2 does,
through pygit2's own cffi objects. Where they are missing or different `can_limit` is false, and the work tree
is compared as a whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pygit2
from pygit2.enums import DiffOption

try:
    from pygit2.errors import check_error
    from pygit2.ffi import C, ffi
except ImportError:  # a pygit2 that is built otherwise
    C = ffi = None

if TYPE_CHECKING:
    from collections.abc import Sequence

_NEEDED = ("git_diff_options_init", "git_diff_index_to_workdir")
_OPTIONS_VERSION = 1


def can_limit() -> bool:
    """Whether this pygit2 lets a comparison be limited to paths."""
    return (
        all(hasattr(C, name) for name in _NEEDED)
        and hasattr(pygit2.Repository, "_pointer")
        and hasattr(pygit2.Index, "_pointer")
        and hasattr(pygit2.Diff, "from_c")
    )


def diff_to_workdir(
    repo: pygit2.Repository, index: pygit2.Index, options: DiffOption, paths: Sequence[bytes] | None
) -> pygit2.Diff:
    """Compare the index with the work tree, and release the GIL meanwhile.

    Args:
        repo: whose index it is.
        index: not changed, nor read again.
        options: never UPDATE_INDEX, which would write.
        paths: files, and folders with all that is in them, by their exact names; `None` for everything.

    Raises:
        pygit2.GitError: a file could not be read.
    """
    if paths is None:
        return index.diff_to_workdir(options)
    wanted = ffi.new("git_diff_options *")
    check_error(C.git_diff_options_init(wanted, _OPTIONS_VERSION))
    # Names are no patterns, and libgit2 then visits no other folders than those on the way.
    wanted.flags = int(options | DiffOption.DISABLE_PATHSPEC_MATCH)
    strings = [ffi.new("char[]", path) for path in paths]
    array = ffi.new("char *[]", strings)
    wanted.pathspec.strings, wanted.pathspec.count = array, len(strings)
    made = ffi.new("git_diff **")
    check_error(
        C.git_diff_index_to_workdir(
            made, _point(repo, "git_repository **"), _point(index, "git_index **"), wanted
        )
    )
    diff: pygit2.Diff = pygit2.Diff.from_c(bytes(ffi.buffer(made)[:]), repo)
    return diff


def _point(owner: pygit2.Repository | pygit2.Index, kind: str) -> Any:
    """Return libgit2's pointer, as a cffi object."""
    pointer = ffi.new(kind)
    ffi.buffer(pointer)[:] = owner._pointer  # noqa: SLF001 - how pygit2's own modules hand it over
    return pointer[0]
