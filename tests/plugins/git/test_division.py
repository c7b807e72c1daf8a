"""Large work trees are compared in parts: which parts, and that nothing gets lost between them.

That the answers are those of git is what `check_status` asserts, in parts as well, in all the other files.
"""

import os
import shutil

import pygit2
import pytest
from aiohttp_steps_git import crew, git_status, limited, split, worktree
from aiohttp_steps_git.crew import Desk


@pytest.fixture
def parts(monkeypatch):
    """Return the parts that are compared; `None` is the whole."""
    seen = []
    compare = worktree._compare_part

    def note(part, desk):
        seen.append(part)
        return compare(part, desk)

    monkeypatch.setattr(worktree, "_compare_part", note)
    return seen


@pytest.fixture
def divided(monkeypatch):
    """Have also small work trees compared in parts."""
    monkeypatch.setattr(crew, "LEAST_INDEX_BYTES", 0)
    monkeypatch.setattr(split, "SAMPLES_IN_PART", 0)


def test_small_work_tree_stays_whole(repo, parts):
    """Three files are compared before they could be divided."""
    git_status(project_path=repo.path)
    assert parts == [None]


def test_large_work_tree_is_divided_into_parts_of_about_the_same_size(large_repo, parts):
    """The last part must not be most of the work: nobody would be there to share it."""
    git_status(project_path=large_repo.path)
    assert 8 <= len(parts) <= 16
    sizes = [int(large_repo("ls-files", "--", *map(os.fsdecode, part)).count(b"\n")) for part in parts]
    assert sum(sizes) == 20_000 - 100 + 100  # less those moved away, and those in their new place
    assert max(sizes) < 20_000 // 6


def test_one_folder_with_everything_in_it_is_divided(make_repo, divided, parts, check_status):
    """Most projects have a folder like `src`, and git's top level says little about them."""
    git = make_repo()
    for number in range(20):
        git.write(f"src/main/p{number}/file.txt")
    git.commit()
    git.write("src/main/p7/file.txt", "changed\n")
    git_status(project_path=git.path)
    assert len(parts) == 20
    assert check_status(git).counts.unstaged == 1


@pytest.mark.parametrize("name", ["new.txt", "dir/new.txt", "other/inner/new.txt"])
def test_file_that_only_the_index_has_is_missed(repo, divided, check_status, name):
    """Staged, and gone from the work tree: it is neither listed there nor in HEAD, yet git says `AD`."""
    repo.write(name)
    repo("add", name)
    repo.full(name).unlink()
    for folder in (repo.full("other/inner"), repo.full("other")):
        if folder.exists():
            folder.rmdir()
    counts = check_status(repo).counts
    assert (counts.staged, counts.unstaged) == (1, 1)


def test_folder_that_became_a_link_is_not_followed(repo, check_status, tmp_path):
    """What the link leads to is not in the work tree, however much it looks like it."""
    shutil.move(repo.full("dir"), tmp_path / "elsewhere")
    (tmp_path / "elsewhere/more.txt").touch()
    repo.full("dir").symlink_to(tmp_path / "elsewhere")
    assert check_status(repo).counts.unstaged == 1


def test_folder_without_tracked_files_in_its_part_is_not_called_untracked(repo, divided, check_status):
    """A part may have all the untracked paths of a folder and none of its tracked ones."""
    for number in range(30):
        repo.write(f"dir/new{number}")
    assert check_status(repo).counts.untracked == 30


@pytest.mark.parametrize("setting", ["core.ignoreCase", "core.precomposeUnicode"])
def test_names_that_may_be_written_otherwise_in_the_index_are_not_divided_by(repo, divided, parts, setting):
    """There a name in the work tree can be that of an entry which has other bytes."""
    repo("config", setting, "true")
    git_status(project_path=repo.path)
    assert parts == [None]


@pytest.mark.parametrize("missing", ["C", "Diff"])
def test_other_pygit2_compares_the_whole(repo, divided, parts, monkeypatch, missing):
    """The call is not among what pygit2 promises; without it the answer is the same, and slower."""
    before = git_status(project_path=repo.path)
    if missing == "C":
        monkeypatch.setattr(limited, "C", None)
    else:
        monkeypatch.setattr(pygit2, "Diff", object)
    parts.clear()
    assert git_status(project_path=repo.path) == before
    assert parts == [None]


def test_fault_in_a_part_is_told_as_for_the_whole(repo):
    """`_is_race` and the errors' texts depend on it."""
    opened = pygit2.Repository(os.fspath(repo.path))
    desk = Desk(opened, opened.index)
    shutil.rmtree(repo.path)
    faults = []
    for part in (None, [b"a.txt"]):
        with pytest.raises(pygit2.GitError, match="repo") as caught:
            worktree._compare_part(part, desk)
        faults.append((type(caught.value), str(caught.value)))
    assert faults[0] == faults[1]
