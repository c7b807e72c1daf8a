"""`git_status` where the index or the repository is special: sparse, intent-to-add, submodules, upstreams."""

import subprocess

import pytest
from aiohttp_steps_git import git_status


@pytest.fixture
def sparse(repo):
    """A sparse checkout that leaves out dir/ and keeps the top and kept/."""
    repo.write("kept/x", "kept\n")
    repo.commit()
    repo("sparse-checkout", "set", "--no-sparse-index", "kept")
    assert not repo.full("dir/c.txt").exists()
    return repo


@pytest.mark.parametrize("version", ["3", "4"])
def test_sparse_checkout_hides_no_deletion(sparse, check_status, version):
    """libgit2 calls every path that was left out deleted; both formats of the index have the mark."""
    sparse("update-index", "--index-version", version)
    assert check_status(sparse).clean
    sparse.full("kept/x").unlink()
    assert [c.path for c in check_status(sparse).unstaged] == ["kept/x"]


@pytest.mark.parametrize(
    "put_back",
    [
        pytest.param("c\n", id="same"),
        pytest.param("other\n", id="changed"),
        pytest.param(None, id="as-link"),
    ],
)
def test_sparse_path_that_was_put_back(sparse, check_status, put_back):
    """A path that sparse checkout left out and somebody wrote is compared again."""
    if put_back is None:
        sparse.full("dir").mkdir()
        sparse.full("dir/c.txt").symlink_to("x")
    else:
        sparse.write("dir/c.txt", put_back)
    sparse.write("dir/new")
    check_status(sparse)


def test_flags_of_long_names_are_read(sparse, check_status):
    """4,095 bytes is the longest name that libgit2 reads; compressed names build on the one before."""
    deep = "/".join(["d" * 200] * 21)
    for name in ("dir/" + deep[:4091], "kept/" + "k" * 100, "kept/" + "k" * 101):
        blob = sparse("hash-object", "-w", "--stdin", input=b"x").decode().strip()
        sparse("update-index", "--add", "--cacheinfo", f"100644,{blob},{name}")
        sparse("update-index", "--skip-worktree", name)
    sparse("commit", "-q", "-m", "long")
    for version in ("3", "4"):
        sparse("update-index", "--index-version", version)
        assert check_status(sparse).clean


def test_skip_worktree_without_sparse_checkout(repo, check_status):
    """The flag set by hand hides every change of the file, its deletion too."""
    repo("update-index", "--skip-worktree", "a.txt", "b.txt")
    repo.write("a.txt", "changed\n")
    repo.full("b.txt").unlink()
    assert check_status(repo).clean


def test_assume_unchanged(repo, check_status):
    """Who sets this flag promises not to change the file, and git believes it."""
    repo("update-index", "--assume-unchanged", "a.txt")
    repo.write("a.txt", "changed\n")
    assert check_status(repo).clean


def test_intent_to_add(repo, check_status):
    """`git add -N` makes an addition that is not staged, whatever libgit2 says."""
    repo.write("new", "new\n")
    repo.write("empty", "")
    repo.full("link").symlink_to("a.txt")
    repo("add", "-N", "new", "empty", "link")
    status = check_status(repo)
    assert status.staged == ()
    assert [c.kind for c in status.unstaged] == ["added", "added", "added"]


def test_intent_to_add_what_is_gone(repo, check_status):
    """The index knows the file as an empty one, which nobody ever wrote."""
    repo.write("gone", "gone\n")
    repo("add", "-N", "gone")
    repo.full("gone").unlink()
    assert [c.kind for c in check_status(repo).unstaged] == ["deleted"]
    repo.write("empty", "")
    repo("add", "-N", "empty")
    assert [c.kind for c in check_status(repo).unstaged] == ["renamed"]


def test_intent_to_add_what_became_a_folder(repo, check_status):
    """Git leaves out the untracked folder that has the name."""
    repo.write("new", "new\n")
    repo("add", "-N", "new")
    repo.full("new").unlink()
    repo.write("new/inside", "x\n")
    status = check_status(repo)
    assert [c.kind for c in status.unstaged] == ["deleted"]
    assert status.untracked == ()


def test_intent_to_add_what_head_has(repo, check_status):
    """Removed from the index and added again in intent: a deletion in one list, an addition in the other."""
    repo("rm", "-q", "--cached", "a.txt")
    repo("add", "-N", "a.txt")
    status = check_status(repo)
    assert [c.kind for c in status.staged] == ["deleted"]
    assert [c.kind for c in status.unstaged] == ["added"]


@pytest.mark.parametrize("addition", ["", "more\n"], ids=["same", "similar"])
def test_renames_in_the_work_tree(repo, check_status, addition):
    """With intent to add, git finds renames between index and work tree as well."""
    repo.full("a.txt").rename(repo.full("dir/moved.txt"))
    with repo.full("dir/moved.txt").open("a") as file:
        file.write(addition)
    repo("add", "-N", "dir/moved.txt")
    assert [(c.kind, c.old_path) for c in check_status(repo).unstaged] == [("renamed", "a.txt")]


@pytest.fixture
def library(make_repo):
    """A repository to be a submodule."""
    git = make_repo("library")
    git.write("lib.txt", "lib\n")
    git.commit()
    return git


@pytest.fixture
def with_submodule(repo, library):
    """A repository with a clean submodule at sub/."""
    repo("submodule", "--quiet", "add", str(library.path), "sub")
    repo.commit()
    return repo


def _commit_inside(repo, at_path):
    at_path(repo.path / "sub").commit("inside")


def _change_inside(repo, at_path):
    repo.write("sub/lib.txt", "changed\n")


def _stage_inside(repo, at_path):
    repo.write("sub/staged", "new\n")
    at_path(repo.path / "sub")("add", "staged")


def _add_inside(repo, at_path):
    repo.write("sub/new", "new\n")


SUBMODULE_CHANGES = [
    pytest.param([], None, id="clean"),
    pytest.param([_commit_inside], ("commits",), id="new-commits"),
    pytest.param([_change_inside], ("modified",), id="changed"),
    pytest.param([_stage_inside], ("modified",), id="staged"),
    pytest.param([_add_inside], ("untracked",), id="untracked"),
    pytest.param(
        [_commit_inside, _change_inside, _add_inside], ("commits", "modified", "untracked"), id="all"
    ),
]


@pytest.mark.parametrize(("changes", "facts"), SUBMODULE_CHANGES)
def test_submodule(with_submodule, check_status, at_path, changes, facts):
    """What differs inside a submodule is told apart, as git's long form does."""
    for change in changes:
        change(with_submodule, at_path)
    unstaged = check_status(with_submodule).unstaged
    assert [c.submodule for c in unstaged] == ([facts] if facts else [])


@pytest.mark.parametrize("where", ["config", ".gitmodules"])
@pytest.mark.parametrize("ignore", ["none", "untracked", "dirty", "all"])
def test_submodule_that_is_configured_to_be_ignored(with_submodule, check_status, at_path, ignore, where):
    """pygit2 does not look at this setting; git does."""
    if where == "config":
        with_submodule("config", "submodule.sub.ignore", ignore)
    else:
        with_submodule("config", "-f", ".gitmodules", "submodule.sub.ignore", ignore)
        with_submodule("commit", "-qam", "ignore")
    for change in (_change_inside, _add_inside):
        change(with_submodule, at_path)
        check_status(with_submodule)
    _commit_inside(with_submodule, at_path)
    check_status(with_submodule)


@pytest.mark.parametrize("state", ["staged", "deinit", "removed", "file", "unmanaged", "in-index-only"])
def test_submodule_that_is_not_in_its_place(with_submodule, check_status, at_path, state):
    """Submodules come and go in many ways; none is mistaken for a file or a deletion."""
    git = with_submodule
    if state == "staged":
        _commit_inside(git, at_path)
        git("add", "sub")
    elif state == "deinit":
        git("submodule", "--quiet", "deinit", "sub")
    elif state in {"removed", "file"}:
        subprocess.run(["rm", "-rf", git.full("sub")], check=True)
        if state == "file":
            git.write("sub", "a file\n")
    elif state == "unmanaged":
        git("rm", "-q", "--cached", ".gitmodules")
        git.full(".gitmodules").unlink()
    else:
        git("rm", "-q", "--cached", "sub")
    check_status(git)


def test_file_that_became_a_repository(repo, check_status, make_repo):
    """libgit2 sees a deleted file and an ignored folder here."""
    repo.full("a.txt").unlink()
    make_repo("repo/a.txt").commit()
    assert [(c.kind, c.submodule) for c in check_status(repo).unstaged] == [("typechange", ("commits",))]


@pytest.fixture
def clone(library, at_path, tmp_path):
    """A clone whose branch follows the original's."""
    library("clone", "-q", str(library.path), str(tmp_path / "clone"))
    return at_path(tmp_path / "clone")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        pytest.param(0, 0, id="even"),
        pytest.param(2, 0, id="ahead"),
        pytest.param(0, 3, id="behind"),
        pytest.param(2, 1, id="diverged"),
    ],
)
def test_ahead_and_behind(clone, library, check_status, ours, theirs):
    """Counted against what was last fetched."""
    for number in range(theirs):
        library.commit(f"theirs {number}")
    for number in range(ours):
        clone.commit(f"ours {number}")
    clone("fetch", "-q")
    status = check_status(clone)
    assert (status.upstream, status.ahead, status.behind) == ("origin/main", ours, theirs)


def _remove_ref(git):
    git("update-ref", "-d", "refs/remotes/origin/main")


def _follow_local(git):
    git("checkout", "-q", "-b", "feature/x", "--track", "main")
    git.commit()


def _detach(git):
    git("checkout", "-q", "--detach")


def _remove_remote(git):
    git("config", "--remove-section", "remote.origin")


def _follow_nothing(git):
    git("branch", "--unset-upstream")


def _follow_several(git):
    git("config", "--add", "branch.main.merge", "refs/heads/other")


def _orphan(git):
    git("checkout", "-q", "--orphan", "unborn")
    git("config", "branch.unborn.remote", "origin")
    git("config", "branch.unborn.merge", "refs/heads/main")


@pytest.mark.parametrize(
    "arrange",
    [_remove_ref, _follow_local, _detach, _remove_remote, _follow_nothing, _follow_several, _orphan],
    ids=lambda arrange: arrange.__name__.strip("_"),
)
def test_upstreams(clone, check_status, arrange):
    """An upstream that is gone is still named; a branch may follow a local one, or none."""
    arrange(clone)
    check_status(clone)


def test_clone_of_an_empty_repository_has_an_upstream(make_repo, at_path, tmp_path, check_status):
    """What one has in the first minute of a project."""
    make_repo("empty")("clone", "-q", str(tmp_path / "empty"), str(tmp_path / "clone"))
    status = check_status(at_path(tmp_path / "clone"))
    assert (status.upstream, status.ahead) == ("origin/main", None)


@pytest.mark.parametrize("attributes", ["* text=auto\n", "*.txt text eol=crlf\n"], ids=["auto", "crlf"])
def test_line_endings(repo, check_status, attributes):
    """Git compares what it would store, not what lies in the work tree."""
    repo.write(".gitattributes", attributes)
    repo.commit()
    content = repo.full("a.txt").read_bytes()
    repo.write("a.txt", content.replace(b"\n", b"\r\n"))
    check_status(repo)


def test_files_that_may_not_be_read_are_unknown(own_repo, run_as_user):
    """libgit2 calls what lies in an unreadable folder deleted, which would be a false alarm."""
    own_repo.path.joinpath("dir").chmod(0)
    status = run_as_user("git_status", own_repo.path)
    assert status["unreadable"] == ["dir/b.txt"]
    assert status["unstaged"] == []
    own_repo.path.joinpath("dir").chmod(0o311)
    assert run_as_user("git_status", own_repo.path)["unreadable"] == ["dir/b.txt"]


def test_default_limit_is_that_of_the_input(repo):
    """Run without the input, the step behaves as with the input's default."""
    for number in range(1001):
        repo.write(f"dir/{number}")
    status = git_status(project_path=repo.path)
    assert len(status.untracked) == 1000
    assert status.counts.untracked == 1001


@pytest.mark.parametrize(
    ("target", "expected"),
    [pytest.param("loop", [], id="endless"), pytest.param("elsewhere", ["deleted"], id="to-folder")],
)
def test_intended_file_behind_a_link(repo, check_status, target, expected):
    """What a link leads to is not in the work tree; where it leads nowhere git does not know."""
    repo.write("new/a.txt")
    repo("add", "-N", "new/a.txt")
    repo.full("new").rename(repo.full("elsewhere"))
    repo.full("loop").symlink_to("loop")
    repo.full("new").symlink_to(target)
    assert [change.kind for change in check_status(repo).unstaged] == expected
