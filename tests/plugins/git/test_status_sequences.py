"""Whatever one does to a repository, `git_status` says what `git status` says."""

import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NAMES = [b"a", b"b.txt", b"d/a", b"d/b.txt", b"d/e/f", b"\xff", b'q"', b"d"]
LINES = [f"line {number}\n" for number in range(12)]

names = st.sampled_from(NAMES)
# Contents that are alike in every degree, so that renames are found and missed.
contents = st.builds(
    lambda start, length, mark: "".join(LINES[start : start + length]) + mark,
    st.integers(0, 6),
    st.integers(0, 6),
    st.sampled_from(["", "x\n", "no newline"]),
)
operations = st.one_of(
    st.tuples(st.just("write"), names, contents),
    st.tuples(st.just("append"), names),
    st.tuples(st.just("link"), names),
    st.tuples(st.just("executable"), names),
    st.tuples(st.just("delete"), names),
    st.tuples(st.just("move"), names, names),
    st.tuples(st.sampled_from(["stage", "unstage", "intend", "forget"]), names),
    st.tuples(st.sampled_from(["stage-all", "commit", "ignore", "branch", "merge", "skip", "check"])),
)


def _clear(git, name):
    """Make room for a file: remove a file or folder of this name, and files where folders must be."""
    full = git.full(name)
    for place in (full, *(parent for parent in full.parents if git.path in parent.parents)):
        if place.is_symlink() or place.is_file():
            place.unlink()
    if full.is_dir():
        shutil.rmtree(full)
    full.parent.mkdir(parents=True, exist_ok=True)


def _apply(git, action, name=None, more=None):
    full = git.full(name) if name else None
    is_file = full is not None and full.is_file() and not full.is_symlink()
    if action == "write":
        _clear(git, name)
        git.write(name, more)
    elif action == "link":
        _clear(git, name)
        full.symlink_to("a")
    elif action == "append" and is_file:
        with full.open("a") as file:
            file.write("appended\n")
    elif action == "executable" and is_file:
        full.chmod(full.stat().st_mode ^ 0o111)
    elif action == "delete" and (is_file or full.is_symlink()):
        full.unlink()
    elif action == "move" and is_file and name != more and not more.startswith(name + b"/"):
        content, mode = full.read_bytes(), full.stat().st_mode
        full.unlink()
        _clear(git, more)
        git.write(more, content)
        git.full(more).chmod(mode)
    elif action in GIT_COMMANDS:
        # git refuses what makes no sense at the moment, and that is as good as not asking for it.
        command = GIT_COMMANDS[action]
        git(*command, *([name] if name else []), check=False)


GIT_COMMANDS = {
    "stage": ("add", "-A", "--"),
    "unstage": ("reset", "-q", "--"),
    "intend": ("add", "-N", "--"),
    "forget": ("rm", "-rq", "--cached", "--"),
    "stage-all": ("add", "-A"),
    "commit": ("commit", "-qm", "commit"),
    "ignore": ("config", "core.excludesFile", ".git/ignored"),
    "branch": ("checkout", "-q", "--detach"),
    "merge": ("merge", "-q", "main"),
    "skip": ("update-index", "--skip-worktree", "a"),
}


@pytest.fixture
def fresh_repo(make_repo):
    """Make an empty repository for each example."""
    made = []

    def make():
        made.append(make_repo(f"example{len(made)}"))
        (made[-1].path / ".git/ignored").write_text("b.txt\n")
        return made[-1]

    return make


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(operations, min_size=3, max_size=16))
def test_any_sequence_of_operations(fresh_repo, check_status, steps):
    """Compared after every `check`, and in the end."""
    git = fresh_repo()
    for number, step in enumerate(steps):
        _apply(git, *step)
        if step[0] == "check" or number == len(steps) - 1:
            check_status(git)
