"""The bounds of the search for renames, and that within them it finds what git finds."""

import random

import pytest
from aiohttp_steps_git import git_status, renames

MANY = "".join(f"line {number}\n" for number in range(100))


def _move(git, old, new, addition=""):
    content = git.full(old).read_text()
    git.full(old).unlink()
    git.write(new, content + addition)
    git("add", "-A")


@pytest.mark.parametrize(
    ("bound", "value", "found"),
    [
        pytest.param("MAX_PAIRS", 3, 0, id="pairs"),
        pytest.param("MAX_PAIRS", 4, 2, id="as-many-pairs"),
        pytest.param("MAX_FILE_BYTES", 100, 0, id="file"),
        pytest.param("MAX_READ_BYTES", 100, 0, id="all-files"),
    ],
)
def test_bounds_are_said(make_repo, monkeypatch, bound, value, found):
    """Beyond a bound some renames are two changes, and the answer says that it is so."""
    git = make_repo()
    for name in ("one", "two"):
        git.write(name, f"{name}\n" + MANY)
    git.commit()
    for name in ("one", "two"):
        _move(git, name, f"moved/{name}-moved", "more\n")
    monkeypatch.setattr(renames, bound, value)
    status = git_status(project_path=git.path)
    assert status.counts.renamed == found
    assert status.renames_complete == (found == 2)


def test_identical_files_have_no_bound(make_repo, monkeypatch, check_status):
    """Equal content is found by its id, whatever the size and number."""
    git = make_repo()
    for number in range(150):
        git.write(f"old/{number}", f"{number % 3}\n" * 50)
    git.commit()
    for name in ("MAX_PAIRS", "MAX_FILE_BYTES", "MAX_READ_BYTES"):
        monkeypatch.setattr(renames, name, 0)
    git("mv", "old", "new")
    status = check_status(git)
    assert status.counts.renamed == 150
    assert status.renames_complete


def test_base_name_wins_over_similarity(make_repo, check_status):
    """Git believes a name that only one file has, if three quarters of the content agree."""
    git = make_repo()
    git.write("a/name", MANY)
    git.commit()
    git.full("a/name").unlink()
    git.write("b/name", MANY + "more\n" * 30)
    git.write("c/other", MANY + "more\n")
    git("add", "-A")
    assert [c.path for c in check_status(git).staged if c.kind == "renamed"] == ["b/name"]


@pytest.mark.parametrize(
    "kind", ["binary", "empty", "long-line", "crlf", "link", "link-to-file", "executable"]
)
def test_kinds_of_content(make_repo, check_status, kind):
    """Content without lines is measured in pieces; line ends of Windows count once; links must be equal."""
    content = {
        "binary": random.Random(1).randbytes(5000),
        "empty": b"",
        "long-line": b"word " * 1000,
        "crlf": MANY.replace("\n", "\r\n").encode(),
    }.get(kind, MANY.encode())
    git = make_repo()
    git.write("old", content)
    git.write("other", "other\n")
    if kind.startswith("link"):
        git.full("old").unlink()
        git.full("old").symlink_to("other")
    git.commit()
    git.full("old").unlink()
    git.write("new", content[:4000].replace(b"\r\n", b"\n"))
    if kind == "link":
        git.full("new").unlink()
        git.full("new").symlink_to("other")
    if kind == "link-to-file":
        git.write("new", "other")
    if kind == "executable":
        git.full("new").chmod(0o755)
    git("add", "-A")
    check_status(git)


@pytest.mark.parametrize("seed", [*range(8), 25])
def test_random_moves(make_repo, check_status, seed):
    """Many files that are more or less alike, moved and changed at random: git's pairs, exactly."""
    chance = random.Random(seed)
    lines = [f"{number} {'x' * chance.randrange(30)}\n" for number in range(40)]

    def text():
        start = chance.randrange(20)
        return "".join(lines[start : start + chance.randrange(5, 20)])

    git = make_repo()
    for number in range(25):
        git.write(f"{chance.choice('abc')}/{number}", text())
    git.commit()
    for path in sorted(git.path.glob("[abc]/*")):
        if chance.random() < 0.7:
            kept = path.read_text().splitlines(keepends=True)[chance.randrange(4) :]
            name = path.name if chance.random() < 0.5 else f"new{chance.randrange(1000)}"
            path.unlink()
            git.write(f"{chance.choice('def')}/{name}", "".join(kept) + chance.choice(["", "more\n", text()]))
    git("add", "-A")
    assert check_status(git).counts.renamed > 3
