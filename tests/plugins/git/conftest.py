"""Real repositories, made by the real git, and its answers in a form that can be compared with ours."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
import pygit2
import pytest
from aiohttp_steps_git import Status, crew, git_status, split
from aiohttp_steps_git.paths import to_bytes
from pygit2.enums import ConfigLevel

KINDS = {"A": "added", "D": "deleted", "M": "modified", "R": "renamed", "T": "typechange"}
CONFLICTS = {
    "DD": "both_deleted",
    "AU": "added_by_us",
    "UD": "deleted_by_them",
    "UA": "added_by_them",
    "DU": "deleted_by_us",
    "AA": "both_added",
    "UU": "both_modified",
}
ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_AUTHOR_DATE": "1700000000 +0100",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
    "GIT_COMMITTER_DATE": "1700000000 +0100",
    "LC_ALL": "C.UTF-8",
}


class Git:
    """A repository and the git command in it."""

    def __init__(self, path):
        self.path = Path(path)

    def __call__(self, *arguments, check=True, **options):
        command = ["git", "-c", "protocol.file.allow=always", *arguments]
        done = subprocess.run(command, cwd=self.path, capture_output=True, check=False, **options)
        if check and done.returncode:
            raise AssertionError(f"{command}: {done.stderr.decode(errors='replace')}")
        return done.stdout

    def write(self, name, content="text\n"):
        """Write a file and the folders above it; `name` and `content` may be bytes."""
        full = self.full(name)
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_bytes(content if isinstance(content, bytes) else content.encode())

    def full(self, name):
        """Return the path of a file; `name` may be bytes."""
        return self.path / os.fsdecode(name)

    def commit(self, message="change", *, date=None):
        """Stage everything and commit it; return the new id."""
        self("add", "-A")
        self("commit", "-q", "--allow-empty", "-m", message, env=_dated(date))
        return self("rev-parse", "HEAD").decode().strip()


def _dated(date):
    if date is None:
        return None
    return {**os.environ, "GIT_AUTHOR_DATE": f"{date} +0000", "GIT_COMMITTER_DATE": f"{date} +0000"}


@pytest.fixture(scope="session", autouse=True)
def _isolate(tmp_path_factory):
    """Neither git nor libgit2 sees the settings of whoever runs the tests."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("GIT_")]:
            patch.delenv(name)
        for name, value in {**ENVIRONMENT, "HOME": str(home)}.items():
            patch.setenv(name, value)
        for level in (ConfigLevel.GLOBAL, ConfigLevel.XDG, ConfigLevel.SYSTEM):
            pygit2.settings.search_path[level] = str(home)
        yield


@pytest.fixture
def make_repo(tmp_path):
    """Make an empty repository on the branch main."""

    def make(name="repo", *options):
        path = tmp_path / name
        path.mkdir(parents=True)
        git = Git(path)
        git("init", "-q", "-b", "main", *options)
        return git

    return make


@pytest.fixture
def at_path():
    """Give the git command in a folder that is a repository already."""
    return Git


@pytest.fixture
def repo(make_repo):
    """A repository with one commit of three files."""
    git = make_repo()
    git.write("a.txt", "".join(f"a {n}\n" for n in range(20)))
    git.write("b.txt", "".join(f"b {n}\n" for n in range(20)))
    git.write("dir/c.txt", "c\n")
    git.commit("first")
    return git


@pytest.fixture(scope="session")
def large_repo(tmp_path_factory):
    """20,000 tracked files, of which 500 differ: changed, staged, moved, deleted; and 100 new ones."""
    git = Git(tmp_path_factory.mktemp("large"))
    git("init", "-q", "-b", "main")
    stream = [b"commit refs/heads/main\ncommitter Ada <a@b> 1700000000 +0000\ndata 1\n-\n"]
    for folder in range(200):
        for file in range(100):
            text = f"file {folder} {file}\n" + "a line of text\n" * 5
            stream.append(b"M 644 inline d%d/s%d/f%d.txt\n" % (folder // 20, folder, file))
            stream.append(b"data %d\n%s\n" % (len(text), text.encode()))
    git("fast-import", "--quiet", input=b"".join(stream))
    git("reset", "-q", "--hard")
    for folder in range(100):
        at = f"d{folder // 20}/s{folder}"
        git.write(f"{at}/f0.txt", f"changed {folder}\n")
        git.write(f"{at}/f1.txt", f"staged {folder}\n")
        git.full(f"{at}/f2.txt").unlink()
        git.full(f"{at}/f3.txt").rename(git.full(f"{at}/moved.txt"))
    git("add", "--", *(f"d{n // 20}/s{n}/f1.txt" for n in range(100)))
    git(
        "add",
        "-A",
        "--",
        *(f"d{n // 20}/s{n}/{name}" for n in range(100) for name in ("f3.txt", "moved.txt")),
    )
    for folder in range(100):
        git.write(f"d{folder // 20}/s{folder}/new.txt")
    return git


def read_git(git):
    """Return what `git status` says, in the form of `read_ours`."""
    said = git("--no-optional-locks", "status", "--porcelain=v2", "--branch", "-z")
    facts = {"upstream": None, "ahead": None, "behind": None}
    facts |= {name: [] for name in ("staged", "unstaged", "untracked", "conflicted")}
    records = iter(said.split(b"\0")[:-1])
    for record in records:
        kind, _, rest = record.partition(b" ")
        if kind == b"#":
            _read_branch(facts, rest)
        elif kind == b"?":
            facts["untracked"].append(rest)
        elif kind == b"u":
            facts["conflicted"].append((rest.split(b" ", 9)[9], CONFLICTS[rest[:2].decode()]))
        else:
            old = next(records) if kind == b"2" else None
            _read_change(facts, rest.split(b" ", 8 if old else 7), old)
    return {name: sorted(value) if isinstance(value, list) else value for name, value in facts.items()}


def _read_branch(facts, rest):
    if rest.startswith(b"branch.upstream "):
        facts["upstream"] = rest.removeprefix(b"branch.upstream ").decode()
    elif rest.startswith(b"branch.ab "):
        ahead, behind = rest.removeprefix(b"branch.ab ").split()
        facts |= {"ahead": int(ahead), "behind": -int(behind)}


def _read_change(facts, fields, old):
    (staged, unstaged), submodule, path = fields[0].decode(), fields[1].decode(), fields[-1]
    inside = {"C": "commits", "M": "modified", "U": "untracked"}
    differs = (
        None if submodule[0] == "N" else tuple(inside[letter] for letter in submodule[1:] if letter != ".")
    )
    for name, letter, facts_inside in (("staged", staged, None), ("unstaged", unstaged, differs)):
        if letter != ".":
            entry = (path, KINDS[letter], old if letter == "R" else None, facts_inside or ())
            facts[name].append(entry)


def read_ours(status):
    """Return what `git_status` says, after a journey through JSON, with names as bytes."""
    status = msgspec.json.decode(msgspec.json.encode(status), type=Status)

    def entries(changes):
        return [
            (
                to_bytes(c.path),
                c.kind,
                None if c.old_path is None else to_bytes(c.old_path),
                c.submodule or (),
            )
            for c in changes
        ]

    return {
        "upstream": status.upstream,
        "ahead": status.ahead,
        "behind": status.behind,
        "staged": entries(status.staged),
        "unstaged": entries(status.unstaged),
        "untracked": [to_bytes(path) for path in status.untracked],
        "conflicted": [(to_bytes(c.path), c.kind) for c in status.conflicted],
    }


# How many entries of the index to look at, and how many of them a part may have: from parts of one file, by
# folders divided on too little knowledge, to parts that span folders.
DIVISIONS = [(1000, 0), (3, 0), (8, 2)]


@pytest.fixture(scope="session")
def check_status():
    """Assert that `git_status` says what `git status` says, whole and in parts, and return it."""

    def check(git):
        said = read_git(git)
        status = git_status(project_path=git.path, status_limit=100_000)
        assert read_ours(status) == said
        for samples, in_part in DIVISIONS:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(crew, "LEAST_INDEX_BYTES", 0)
                patch.setattr(split, "SAMPLES", samples)
                patch.setattr(split, "SAMPLES_IN_PART", in_part)
                assert git_status(project_path=git.path, status_limit=100_000) == status, (samples, in_part)
        return status

    return check


@pytest.fixture
def snapshot():
    """Record every byte and time of change below a folder."""

    def take(folder):
        found = {}
        for full in (folder, *folder.rglob("*")):
            facts = full.lstat()
            content = full.read_bytes() if stat.S_ISREG(facts.st_mode) else None
            found[full] = (facts.st_mtime_ns, facts.st_ctime_ns, facts.st_mode, facts.st_size, content)
        return found

    return take


AS_STRANGER = """
import os, sys
from pathlib import Path
import msgspec, pygit2, aiohttp_steps_git
_, step, path, user = sys.argv
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(int(user))
    os.setuid(int(user))
try:
    value = getattr(aiohttp_steps_git, step)(project_path=Path(path))
except aiohttp_steps_git.GitStepError as error:
    value = {"type": error.type, "message": str(error)}
sys.stdout.buffer.write(msgspec.json.encode(value))
"""


@pytest.fixture
def run_as_user():
    """Run a step in a process whose user is not root, for root may read everything; return its JSON.

    Run by another user than root the process is that user's own.
    """

    def run(step, path, user=65534):
        command = [sys.executable, "-W", "error", "-c", AS_STRANGER, step, str(path), str(user)]
        done = subprocess.run(command, capture_output=True, check=False, cwd="/", timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        return msgspec.json.decode(done.stdout)

    return run


@pytest.fixture
def own_repo(monkeypatch):
    """A repository that belongs to the user of `run_as_user`, in a folder that this user may enter."""
    top = Path(tempfile.mkdtemp(prefix="aiohttp-steps-git-"))
    top.chmod(0o755)
    monkeypatch.setenv("HOME", str(top))
    git = Git(top / "repo")
    git.path.mkdir()
    git("init", "-q", "-b", "main")
    git.write("a.txt", "a\n")
    git.write("dir/b.txt", "b\n")
    git.commit("first")
    if os.geteuid() == 0:
        for full in (git.path, *git.path.rglob("*")):
            os.chown(full, 65534, 65534)
    yield git
    subprocess.run(["chmod", "-R", "u+rwX", top], check=True)
    shutil.rmtree(top)
