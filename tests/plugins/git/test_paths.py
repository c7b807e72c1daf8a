"""Names are bytes in git and text in JSON; nothing is lost on the way."""

import json
import subprocess

import pytest
from aiohttp_steps_git.paths import to_bytes, to_text
from hypothesis import example, given
from hypothesis import strategies as st


@given(st.binary())
@example(b'"')
@example(b'"\\377"')
@example(b"\xed\xa0\x80")
def test_every_name_comes_back(name):
    """Lossless, and fit for JSON, whatever the bytes."""
    assert to_bytes(json.loads(json.dumps(to_text(name)).encode())) == name
    to_text(name).encode()


@given(st.text().filter(lambda text: not text.startswith('"') and "\ud800" not in text))
def test_utf8_is_written_as_it_is(text):
    """Nobody who has plain names ever sees a quote."""
    try:
        name = text.encode()
    except UnicodeEncodeError:
        return
    assert to_text(name) == text


@given(st.binary(min_size=1), st.binary(min_size=1))
def test_two_names_never_have_one_text(one, other):
    """A client may use the text as a key."""
    assert (to_text(one) == to_text(other)) == (one == other)


@pytest.mark.parametrize("name", [b'\xff\x01\x7f"\\\a\b\t\n\v\f\r end', b"caf\xe9"])
def test_quoting_is_that_of_git(repo, name):
    """Other tools can read it: `git ls-files` writes the same."""
    repo.write(name)
    said = subprocess.run(
        ["git", "ls-files", "--others"], cwd=repo.path, capture_output=True, check=True, text=True
    ).stdout
    assert to_text(name) == said.rstrip("\n")
