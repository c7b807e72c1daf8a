"""Watched files: compared by content, put back as they were, and never lost."""

from __future__ import annotations

import os

import pytest
from aiohttp_steps.errors import RaceCheckError
from aiohttp_steps.race import files as module
from aiohttp_steps.race.files import WatchedFiles


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder with something of everything; copies are made beside it."""
    (tmp_path / "copies").mkdir()
    monkeypatch.setattr(module.tempfile, "tempdir", str(tmp_path / "copies"))
    folder = tmp_path / "data"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "text").write_text("text")
    (folder / "empty").mkdir()
    (folder / "bytes").write_bytes(b"\xff" * 500)
    (folder / "link").symlink_to("bytes")
    return folder


def rewrite(folder):
    (folder / "deep" / "er" / "text").write_text("other")


def remove(folder):
    (folder / "bytes").unlink()
    (folder / "empty").rmdir()


def add(folder):
    (folder / "new" / "er").mkdir(parents=True)
    (folder / "new" / "er" / "file").write_text("new")


def turn_into_folder(folder):
    (folder / "bytes").unlink()
    (folder / "bytes").mkdir()
    (folder / "bytes" / "file").write_text("new")


def turn_into_file(folder):
    (folder / "deep" / "er" / "text").unlink()
    (folder / "deep" / "er").rmdir()
    (folder / "deep" / "er").write_text("a file")


def point_elsewhere(folder):
    (folder / "link").unlink()
    (folder / "link").symlink_to("/nowhere")


def lose_all(folder):
    module.shutil.rmtree(folder)


CHANGES = [rewrite, remove, add, turn_into_folder, turn_into_file, point_elsewhere, lose_all]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_was_changed_is_seen_and_put_back(folder, tmp_path, change):
    """Each run starts from the same files; and after the last one they are as they were found."""
    with WatchedFiles([folder], restore=True) as watched:
        before = watched.read()
        change(folder)
        assert watched.read() != before
        watched.restore()
        assert watched.read() == before
        change(folder)
    assert watched.read() == before
    assert not list((tmp_path / "copies").iterdir())


def test_what_was_not_changed_is_not_touched(folder):
    """Times stay, and so do caches that go by them."""
    os.utime(folder / "bytes", (1, 1))
    with WatchedFiles([folder], restore=True) as watched:
        rewrite(folder)
        watched.restore()
    assert (folder / "bytes").stat().st_mtime == 1


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_nothing_is_put_back_unasked(folder, change):
    """Somebody's work may be in there: a change ends the check, with a remedy."""
    with WatchedFiles([folder], restore=False) as watched:
        change(folder)
        after = watched.read()
        with pytest.raises(RaceCheckError, match="--restore"):
            watched.restore()
    assert watched.read() == after


def test_a_single_file_may_be_watched(folder):
    """A database, say."""
    with WatchedFiles([folder / "bytes"], restore=True) as watched:
        (folder / "bytes").write_text("1")
        assert list(watched.read().values()) == ["'1'"]
    assert (folder / "bytes").read_bytes() == b"\xff" * 500


def test_names_are_short(folder):
    """A report is read by people."""
    with WatchedFiles([folder], restore=True) as watched:
        names = [watched.name(path) for path in watched.read()]
    assert names[:3] == ["data", "data/bytes", "data/deep"]


def test_small_texts_are_told_as_they_are(folder):
    """What stands in a counter says more than its hash."""
    with WatchedFiles([folder], restore=False) as watched:
        state = {watched.name(path): text for path, text in watched.read().items()}
    assert state["data/deep/er/text"] == "'text'"
    assert state["data/bytes"].startswith("500 bytes, sha256 ")
    assert state["data/link"] == "link to bytes"
    assert state["data/empty"] == "folder"


def test_what_is_not_there_cannot_be_watched(folder):
    """A slip of the pen would watch nothing and say that all is well."""
    with pytest.raises(RaceCheckError, match="nothing_here is to be watched, but is not there"):
        WatchedFiles([folder / "nothing_here"], restore=True).__enter__()


@pytest.mark.parametrize("limit", ["MOST_FILES", "MOST_BYTES"])
def test_too_much_is_refused_before_it_is_copied(folder, tmp_path, monkeypatch, limit):
    """Reading a home folder after each of a hundred runs ends on another day."""
    monkeypatch.setattr(module, limit, 3)
    with pytest.raises(RaceCheckError, match="watch a smaller folder"):
        WatchedFiles([folder], restore=True).__enter__()
    assert not list((tmp_path / "copies").iterdir())


def test_a_copy_that_could_not_be_put_back_is_kept(folder, monkeypatch, tmp_path):
    """A full disk must not be the end of somebody's data: the error says where they are."""

    def fail(*_, **__):
        raise OSError("disk full")

    def lose():
        with WatchedFiles([folder], restore=True):
            remove(folder)
            monkeypatch.setattr(module.shutil, "copy2", fail)

    with pytest.raises(RaceCheckError, match=r"disk full.*their copy is in"):
        lose()
    (kept,) = (tmp_path / "copies").iterdir()
    assert (kept / "0" / "bytes").read_bytes() == b"\xff" * 500
