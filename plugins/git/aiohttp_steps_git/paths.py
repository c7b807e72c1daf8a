r"""How names in git, which are bytes, are written as text, and read back.

A name that is valid UTF-8 is written as it is, with whatever newlines, spaces or quotes it has. A name that
is not, and one that begins with a double quote, is written as git itself quotes names: in double quotes, with
`\"`, `\\`, `\n` and so on, and octal `\ooo` for all other bytes that are not printable ASCII. So text that
begins with a double quote is always quoted, no two names have the same text, and none is lost.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_LETTERS = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 34: '"', 92: "\\"}
_BYTES = {letter: bytes([byte]) for byte, letter in _LETTERS.items()}
_ESCAPE = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)
_PRINTABLE = range(0x20, 0x7F)


def to_text(name: bytes) -> str:
    """Write a name as text that JSON can carry; `to_bytes` reads it back."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return _quote(name)
    return _quote(name) if text.startswith('"') else text


def to_bytes(text: str) -> bytes:
    """Read back what `to_text` wrote: the name as git and the file system have it."""
    if not text.startswith('"'):
        return text.encode()
    return _ESCAPE.sub(_unescape, text[1:-1].encode())


def path_text(path: Path) -> str:
    """Write a path of the file system as text, in the same way."""
    return to_text(os.fsencode(path))


def _quote(name: bytes) -> str:
    return f'"{"".join(map(_escape, name))}"'


def _escape(byte: int) -> str:
    if byte in _LETTERS:
        return f"\\{_LETTERS[byte]}"
    return chr(byte) if byte in _PRINTABLE else f"\\{byte:03o}"


def _unescape(match: re.Match[bytes]) -> bytes:
    escape = match[1].decode()
    return _BYTES[escape] if escape in _BYTES else bytes([int(escape, 8)])
