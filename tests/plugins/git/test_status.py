"""`git_status` says what `git status` says."""

import os

import pytest
from aiohttp_steps_git import Counts, git_status

ODD_NAMES = [
    pytest.param(b"not-utf8-\xff\xfe", id="not-utf8"),
    pytest.param(b"two\nlines", id="newline"),
    pytest.param(b'"quoted"', id="in-quotes"),
    pytest.param(b'a"quote', id="quote"),
    pytest.param(b'\xff"\\\n\t\x01', id="not-utf8-quote-backslash"),
    pytest.param(b" space ", id="outer-spaces"),
    pytest.param(b"back\\slash", id="backslash"),
    pytest.param("ünïcödé-日本".encode(), id="unicode"),
    pytest.param("e\u0301".encode(), id="decomposed"),
    pytest.param(b"\xed\xa0\x80", id="surrogate"),
    pytest.param(b"-dash", id="dash"),
    pytest.param(b"[*?]", id="glob"),
    pytest.param(b"x" * 255, id="longest"),
]


def test_nothing_changed_is_clean(repo, check_status):
    """The most frequent answer."""
    assert check_status(repo).clean


@pytest.mark.parametrize("state", ["untracked", "staged", "unstaged"])
def test_any_difference_is_not_clean(repo, check_status, state):
    """A page that shows a tick must not show it too early."""
    repo.write("a.txt" if state == "unstaged" else "new.txt", "x\n")
    if state == "staged":
        repo("add", "new.txt")
    assert not check_status(repo).clean


def test_every_kind_of_change_is_told_apart(repo, check_status):
    """Staged and unstaged states of one path stand in both lists."""
    repo.write("a.txt", "staged\n")
    repo.write("new.txt", "new\n")
    repo("add", ".")
    repo.write("a.txt", "and changed again\n")
    repo.full("b.txt").unlink()
    repo("rm", "-q", "dir/c.txt")
    repo.write("dir/c.txt", "back, untracked\n")
    status = check_status(repo)
    assert [(c.path, c.kind) for c in status.staged] == [
        ("a.txt", "modified"),
        ("dir/c.txt", "deleted"),
        ("new.txt", "added"),
    ]
    assert [(c.path, c.kind) for c in status.unstaged] == [("a.txt", "modified"), ("b.txt", "deleted")]
    assert status.untracked == ("dir/",)


def test_mode_symlink_and_folder_changes(repo, check_status):
    """Git has a kind of its own for a file that became a link, and none for one that became executable."""
    repo.full("a.txt").chmod(0o755)
    repo.full("link").symlink_to("a.txt")
    repo.write("file", "file\n")
    repo.commit()
    repo.full("a.txt").chmod(0o644)
    repo.full("link").unlink()
    repo.write("link", "a file now\n")
    repo.full("b.txt").unlink()
    repo.full("b.txt").symlink_to("a.txt")
    repo.full("dir/c.txt").unlink()
    repo.full("dir").rmdir()
    repo.write("dir", "a file now\n")
    repo.full("file").unlink()
    repo.write("file/inside", "a folder now\n")
    unstaged = check_status(repo)
    assert [c.kind for c in unstaged.unstaged].count("typechange") == 2
    repo("add", "-A")
    assert [c.kind for c in check_status(repo).staged].count("typechange") == 2


def test_same_content_with_other_times_is_no_change(repo, check_status):
    """Another stat alone makes git look at the content, and so must we."""
    os.utime(repo.full("a.txt"), (1, 1))
    assert check_status(repo).clean


def test_change_that_keeps_size_and_times_of_the_index_is_seen(repo, check_status):
    """A file changed in the second of `git add` looks unchanged to a careless reader."""
    for number in range(20):
        repo.write("racy.txt", f"{number:03}\n")
        repo("add", "racy.txt")
        repo.write("racy.txt", f"{number + 500:03}\n")
        assert [c.path for c in check_status(repo).unstaged] == ["racy.txt"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_come_back_whole(repo, check_status, name):
    """Names in git are bytes: none may break the JSON, and none may be lost."""
    repo.write(name, "untracked\n")
    assert len(check_status(repo).untracked) == 1
    repo.commit()
    repo.write(name, "changed\n")
    assert len(check_status(repo).unstaged) == 1
    repo.full(name).rename(repo.full(b"dir/" + name[:200]))
    repo("add", "-A")
    assert {c.kind for c in check_status(repo).staged} == {"added", "deleted"}


def test_ignored_files_are_left_out(repo, check_status):
    """Patterns come from .gitignore in any folder and from info/exclude; tracked files are never ignored."""
    repo.write(".gitignore", "*.o\n/build/\n!keep.o\ntracked.log\n")
    repo.write("dir/.gitignore", "local\n")
    repo.write("tracked.log", "tracked\n")
    repo("add", "-f", "tracked.log")
    repo.commit()
    (repo.path / ".git/info/exclude").write_text("secret\n")
    for name in (
        "x.o",
        "keep.o",
        "build/x",
        "build/y",
        "dir/local",
        "dir/other",
        "secret",
        "sub/build/x",
        "obj/x.o",
    ):
        repo.write(name)
    repo.write("tracked.log", "changed\n")
    assert check_status(repo).untracked == ("dir/other", "keep.o", "sub/")


def test_untracked_folders_are_one_entry(repo, check_status):
    """As git shows them: a folder with a thousand new files is one line, an empty one is none."""
    repo.write("new/deep/x")
    repo.write("new/y")
    repo.write("dir/new")
    repo.full("empty/deeper").mkdir(parents=True)
    repo.full("dangling").symlink_to("/nowhere")
    os.mkfifo(repo.full("pipe"))
    assert check_status(repo).untracked == ("dangling", "dir/new", "new/")


def test_repositories_inside_are_untracked(repo, make_repo, check_status):
    """libgit2 calls them ignored, so that a clone in the wrong folder would go unseen."""
    repo.write(".gitignore", "ignored*\n*.o\n")
    repo.commit()
    for name in (
        "nested",
        "outer/inner",
        "ignored/x",
        "ignored2",
        "outer2/ignored",
        "dir/nested",
        "objects/deep/repo",
    ):
        make_repo(f"repo/{name}")
    repo.write("objects/x.o")
    repo.write("only/x.o")
    assert check_status(repo).untracked == ("dir/nested/", "nested/", "objects/", "outer/")


@pytest.mark.parametrize("change", [0, 1, 4, 12], ids="{}-lines".format)
def test_staged_renames(repo, check_status, change):
    """The similarity that makes a rename is measured as git does it: half of the larger file."""
    old = [f"a {n}\n" for n in range(20)]
    repo.full("a.txt").unlink()
    repo.write("dir/other.txt", "".join(["changed line\n"] * change + old[change:]))
    repo("add", "-A")
    kinds = [c.kind for c in check_status(repo).staged]
    assert ("renamed" in kinds) == (change <= 4)


def test_rename_then_change(repo, check_status):
    """A staged rename, changed again in the work tree, stands in both lists."""
    repo("mv", "a.txt", "moved.txt")
    repo.write("moved.txt", "changed\n")
    status = check_status(repo)
    assert [(c.path, c.old_path) for c in status.staged] == [("moved.txt", "a.txt")]
    assert status.counts == Counts(staged=1, unstaged=1, untracked=0, conflicted=0, renamed=1)


def test_unborn_branch(make_repo, check_status):
    """Before the first commit everything staged is added."""
    git = make_repo()
    assert check_status(git).clean
    git.write("a")
    git.write("dir/b")
    git("add", "a")
    assert [c.kind for c in check_status(git).staged] == ["added"]


@pytest.mark.parametrize("where", ["below", "detached", "worktree"])
def test_status_from_other_places(repo, check_status, at_path, tmp_path, where):
    """The repository is found from a folder below; a linked work tree has its own index."""
    git = repo
    if where == "below":
        git = at_path(repo.path / "dir")
    elif where == "detached":
        repo("checkout", "-q", "--detach")
    else:
        repo("worktree", "add", "-q", str(tmp_path / "linked"))
        git = at_path(tmp_path / "linked")
    repo.write("dir/c.txt", "changed\n")
    git.write("unseen/x")
    check_status(git)


@pytest.fixture
def conflicted(make_repo):
    """A merge in which every kind of conflict that git knows has happened."""
    git = make_repo()
    for name in ("both", "ours-gone", "theirs-gone", "moved", "settled"):
        git.write(name, "".join(f"{name} {n}\n" for n in range(20)))
    git.commit()
    git("checkout", "-q", "-b", "theirs")
    git.write("both", "theirs\n")
    git.write("ours-gone", "theirs\n")
    git.full("theirs-gone").unlink()
    git.write("added", "theirs\n")
    git.full("moved").rename(git.full("moved-by-them"))
    git.write("from-them", "x\n")
    git.write("settled", "theirs\n")
    git.commit()
    git("checkout", "-q", "main")
    git.write("both", "ours\n")
    git.full("ours-gone").unlink()
    git.write("theirs-gone", "ours\n")
    git.write("added", "ours\n")
    git.write(b"added-\xff", "ours\n")
    git.full("moved").rename(git.full("moved-by-us"))
    git.commit()
    git("merge", "theirs", check=False)
    return git


def test_conflicts(conflicted, check_status):
    """A conflict is in its own list and in no other, and says who did what."""
    conflicted.write("untracked")
    status = check_status(conflicted)
    assert {c.kind for c in status.conflicted} == {
        "both_added",
        "both_modified",
        "both_deleted",
        "deleted_by_us",
        "deleted_by_them",
        "added_by_us",
        "added_by_them",
    }
    assert not status.clean


def test_settled_conflict_becomes_a_change(conflicted, check_status):
    """`git add` settles; deleting the file does not."""
    conflicted.write("both", "settled\n")
    conflicted("add", "both")
    conflicted.full("added").unlink()
    conflicts = [c.path for c in check_status(conflicted).conflicted]
    assert "both" not in conflicts
    assert "added" in conflicts


def test_conflict_in_a_name_that_is_not_utf8(make_repo, check_status):
    """The names of conflicts come from another call of libgit2 than those of changes."""
    git = make_repo()
    git.commit()
    git("checkout", "-q", "-b", "theirs")
    git.write(b"\xff", "theirs\n")
    git.commit()
    git("checkout", "-q", "main")
    git.write(b"\xff", "ours\n")
    git.commit()
    git("merge", "theirs", check=False)
    assert [c.path for c in check_status(git).conflicted] == ['"\\377"']


def test_limit_cuts_lists_and_not_counts(repo):
    """A client that wants one line must not pay for all, and must know that there is more."""
    for number in range(5):
        repo.write(f"dir/new{number}")
    status = git_status(project_path=repo.path, status_limit=2)
    assert status.untracked == ("dir/new0", "dir/new1")
    assert status.counts.untracked == 5
    assert status.truncated
    assert not git_status(project_path=repo.path, status_limit=5).truncated
