"""The files of the page, read once: they come with the wheel, and nothing is fetched from elsewhere."""

from __future__ import annotations

import functools
import string
from importlib import resources

TYPES = {
    "css": "text/css",
    "html": "text/html",
    "js": "text/javascript",
    "svg": "image/svg+xml",
}


@functools.cache
def read_assets() -> dict[str, tuple[bytes, str]]:
    """Return all files by name, each with its media type."""
    folder = resources.files("aiohttp_steps_inspector") / "assets"
    return {
        file.name: (file.read_bytes(), TYPES[file.name.rpartition(".")[2]])
        for file in folder.iterdir()
        if file.name.rpartition(".")[2] in TYPES
    }


def fill_page(name: str, **words: str) -> str:
    """Return an HTML page with `$word` replaced; words have to be fit for HTML."""
    return string.Template(read_assets()[name][0].decode()).substitute(words)
