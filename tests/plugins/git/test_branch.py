"""`git_branch` says where HEAD stands, as `git symbolic-ref` and `git rev-parse` do."""

import pytest
from aiohttp_steps_git import Branch, git_branch
from aiohttp_steps_git.paths import to_bytes


def _read_git(git):
    """Return the name of the branch and the commit, each `None` where git has none."""
    name = git("symbolic-ref", "-q", "HEAD", check=False).strip().removeprefix(b"refs/heads/")
    commit = git("rev-parse", "-q", "--verify", "HEAD", check=False).decode().strip()
    return name or None, commit or None


@pytest.fixture
def check_branch():
    """Assert that `git_branch` says what git says, and return it."""

    def check(git):
        branch = git_branch(project_path=git.path)
        name, commit = _read_git(git)
        assert (branch.name and to_bytes(branch.name), branch.commit) == (name, commit)
        assert branch.detached == (name is None)
        assert branch.unborn == (commit is None)
        return branch

    return check


def test_normal(repo, check_branch):
    """The whole answer, once."""
    commit = repo("rev-parse", "HEAD").decode().strip()
    assert check_branch(repo) == Branch(
        name="main",
        commit=commit,
        detached=False,
        unborn=False,
        bare=False,
        linked_worktree=False,
        upstream=None,
    )


@pytest.mark.parametrize(
    "name", ["feature/a/b", "ünïcode", "HEAD-like", "x" * 200, b"not-utf8-\xff", '"quoted"']
)
def test_names(repo, check_branch, name):
    """Slashes belong to the name, and a name that is not UTF-8 is not lost."""
    repo("checkout", "-q", "-b", name)
    check_branch(repo)


@pytest.mark.parametrize("at", ["HEAD", "HEAD~1", "v1"])
def test_detached(repo, check_branch, at):
    """At a commit or a tag there is no branch."""
    repo.commit("second")
    repo("tag", "-a", "-m", "tag", "v1")
    repo("checkout", "-q", "--detach", at)
    assert check_branch(repo).name is None


@pytest.mark.parametrize("name", ["main", "feature/x"])
def test_unborn(make_repo, check_branch, name):
    """A branch without a commit has a name already."""
    git = make_repo()
    git("symbolic-ref", "HEAD", f"refs/heads/{name}")
    assert check_branch(git).unborn


def test_bare(repo, check_branch, at_path, tmp_path):
    """A bare repository has a branch, too."""
    repo("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    assert check_branch(at_path(tmp_path / "bare.git")).bare


@pytest.mark.parametrize("detach", [False, True], ids=["branch", "detached"])
def test_linked_worktree(repo, check_branch, at_path, tmp_path, detach):
    """A linked work tree has a HEAD of its own."""
    where = ["--detach"] if detach else ["-b", "linked/branch"]
    repo("worktree", "add", "-q", *where, str(tmp_path / "linked"))
    linked = at_path(tmp_path / "linked")
    linked.commit("in the linked one")
    assert check_branch(linked).linked_worktree
    assert not check_branch(repo).linked_worktree


def test_submodule_is_no_linked_worktree(repo, make_repo, check_branch, at_path):
    """Its `.git` is a file as well."""
    make_repo("library").commit()
    repo("submodule", "--quiet", "add", str(repo.path.parent / "library"), "sub")
    assert not check_branch(at_path(repo.path / "sub")).linked_worktree


def test_repository_is_found_from_below(repo, check_branch, at_path):
    """As git does: the nearest one above."""
    check_branch(at_path(repo.path / "dir"))


def test_environment_of_git_is_not_followed(repo, make_repo, monkeypatch):
    """A server started by a git hook has GIT_DIR set; its answers are about project_path all the same."""
    other = make_repo("other")
    other("symbolic-ref", "HEAD", "refs/heads/other")
    monkeypatch.setenv("GIT_DIR", str(other.path / ".git"))
    assert git_branch(project_path=repo.path).name == "main"


def test_head_outside_of_branches(repo, check_branch):
    """Odd, but allowed: the full name says so."""
    repo("update-ref", "refs/odd/place", "HEAD")
    repo("symbolic-ref", "HEAD", "refs/odd/place")
    assert check_branch(repo).name == "refs/odd/place"


def test_packed_refs(repo, check_branch):
    """Most branches of an old repository are in one file."""
    repo("pack-refs", "--all")
    check_branch(repo)


@pytest.mark.parametrize("name", ["main", "feature/x", b"not-utf8-\xff"])
def test_upstream(repo, name):
    """Named as people name it; pygit2 cannot look up the upstream of a branch that is not UTF-8."""
    repo("remote", "add", "origin", str(repo.path))
    repo("checkout", "-q", "-B", name)
    repo("push", "-q", "-u", "origin", name)
    expected = repo("rev-parse", "--abbrev-ref", "@{upstream}").strip().decode(errors="replace")
    upstream = git_branch(project_path=repo.path).upstream
    assert upstream == (None if isinstance(name, bytes) else expected)
