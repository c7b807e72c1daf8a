"""What cannot be read is named, with the reason and the remedy, whichever step meets it."""

import os
import re
import shutil

import pytest
from aiohttp_steps import StepError
from aiohttp_steps_git import (
    CorruptRepositoryError,
    GitStepError,
    NotARepositoryError,
    NoWorkTreeError,
    PathNotFoundError,
    UnsupportedRepositoryError,
    errors,
    git_branch,
    git_log,
    git_status,
)

every_step = pytest.mark.parametrize("run", [git_branch, git_status, git_log])


def _classes():
    return [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, GitStepError)
    ]


def test_every_error_has_a_type_of_its_own():
    """Clients tell errors apart by `type`; each is a StepError, so that its message reaches them."""
    assert all(issubclass(kind, StepError) for kind in _classes())
    assert len({kind.type for kind in _classes()}) == len(_classes())


@every_step
@pytest.mark.parametrize("name", ["missing", "file", "missing/below", "file/below", "nul\0"])
def test_no_such_folder(run, tmp_path, name):
    """A typing error in the configuration is not called a missing repository."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(PathNotFoundError, match=r"correct project_path|set project_path"):
        run(project_path=tmp_path / name)


@every_step
def test_no_repository(run, tmp_path):
    """The path and the remedy are in the message, the path in an attribute as well."""
    with pytest.raises(NotARepositoryError, match=f"{re.escape(str(tmp_path))}.*git init") as caught:
        run(project_path=tmp_path)
    assert caught.value.path == str(tmp_path)
    assert caught.value.status == 404


@every_step
def test_path_that_is_not_utf8_can_be_reported(run, tmp_path):
    """An error goes through JSON like any answer."""
    path = tmp_path / os.fsdecode(b"\xff")
    path.mkdir()
    with pytest.raises(NotARepositoryError, match=r"\\377") as caught:
        run(project_path=path)
    str(caught.value).encode()


def test_bare_repository_has_no_status(make_repo):
    """There are no files to compare; the other two steps work."""
    git = make_repo("bare", "--bare")
    with pytest.raises(NoWorkTreeError, match="bare"):
        git_status(project_path=git.path)


def _cut_index(git_dir):
    (git_dir / "index").write_bytes((git_dir / "index").read_bytes()[:50])


def _garble_index(git_dir):
    content = bytearray((git_dir / "index").read_bytes())
    content[60] ^= 255
    (git_dir / "index").write_bytes(content)


def _empty_index(git_dir):
    (git_dir / "index").write_bytes(b"")


def _garble_head(git_dir):
    (git_dir / "HEAD").write_text("garbage")


def _empty_head(git_dir):
    (git_dir / "HEAD").write_text("")


def _remove_head(git_dir):
    (git_dir / "HEAD").unlink()


def _garble_branch(git_dir):
    (git_dir / "refs/heads/main").write_text("garbage")


def _garble_config(git_dir):
    (git_dir / "config").write_text("[core")


def _remove_objects(git_dir):
    shutil.rmtree(git_dir / "objects")
    (git_dir / "objects").mkdir()


def _garble_objects(git_dir):
    for path in (git_dir / "objects").glob("??/*"):
        path.chmod(0o644)
        path.write_bytes(b"garbage")


def _detach_at_nothing(git_dir):
    (git_dir / "HEAD").write_text("1234567890" * 4 + "\n")


DAMAGES = {
    _cut_index: ("index", {git_status}),
    _garble_index: ("index", {git_status}),
    _empty_index: ("index", {git_status}),
    _garble_head: ("HEAD", {git_branch, git_status, git_log}),
    _empty_head: ("HEAD", {git_branch, git_status, git_log}),
    _remove_head: ("HEAD", {git_branch, git_status, git_log}),
    _garble_branch: ("HEAD", {git_branch, git_status, git_log}),
    _garble_config: ("config", {git_branch, git_status, git_log}),
    _remove_objects: ("objects", {git_status, git_log}),
    _garble_objects: ("objects", {git_status, git_log}),
    _detach_at_nothing: ("objects", {git_status, git_log}),
}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__.strip("_"))
@every_step
def test_damage(repo, run, damage):
    """The part that is damaged is named; a step that does not need it is not disturbed."""
    damage(repo.path / ".git")
    part, disturbed = DAMAGES[damage]
    if run in disturbed:
        with pytest.raises(CorruptRepositoryError, match=re.escape(str(repo.path))) as caught:
            run(project_path=repo.path)
        assert caught.value.part == part
    else:
        run(project_path=repo.path)


def test_broken_link_to_the_repository(tmp_path):
    """A work tree whose repository was moved away."""
    (tmp_path / ".git").write_text("gitdir: /nowhere\n")
    with pytest.raises(CorruptRepositoryError, match="no complete repository"):
        git_branch(project_path=tmp_path)


def _split_index(git):
    git("update-index", "--split-index")


def _sparse_index(git):
    git("sparse-checkout", "set", "--cone", "--sparse-index", "nothing")


def _newer_version(git):
    git("config", "core.repositoryformatversion", "99")


def _sha256(git):
    shutil.rmtree(git.path / ".git")
    git("init", "-q", "--object-format=sha256")


@pytest.mark.parametrize(
    ("arrange", "remedy"),
    [
        (_split_index, "--no-split-index"),
        (_sparse_index, "--no-sparse-index"),
        (_newer_version, "update pygit2"),
        (_sha256, "SHA-1"),
    ],
)
def test_formats_that_libgit2_does_not_read(repo, arrange, remedy):
    """Sound for git, unreadable for libgit2: not called damaged, and the way out is named."""
    arrange(repo)
    with pytest.raises(UnsupportedRepositoryError, match=re.escape(remedy)):
        git_status(project_path=repo.path)


@pytest.mark.parametrize(
    ("denied", "steps"),
    [
        (".", {"git_branch", "git_status", "git_log"}),
        (".git", {"git_branch", "git_status", "git_log"}),
        (".git/HEAD", {"git_branch", "git_status", "git_log"}),
        (".git/config", {"git_branch", "git_status", "git_log"}),
        (".git/index", {"git_status"}),
        (".git/objects", {"git_status", "git_log"}),
        (".git/refs", {"git_branch", "git_status", "git_log"}),
        ("a.txt", {"git_status"}),
    ],
)
@pytest.mark.parametrize("step", ["git_branch", "git_status", "git_log"])
def test_no_permission(own_repo, run_as_user, denied, steps, step):
    """What may not be read is named; it is neither "not found" nor "damaged"."""
    own_repo.write("a.txt", "z\n")
    own_repo.path.joinpath(denied).chmod(0)
    answer = run_as_user(step, own_repo.path)
    if step in steps:
        assert answer["type"] == "permission_denied"
        assert str(own_repo.path / denied) in answer["message"]
    else:
        assert "type" not in answer


def test_folder_above_without_permission(own_repo, run_as_user):
    """The path cannot even be looked at."""
    own_repo.path.parent.chmod(0)
    assert run_as_user("git_branch", own_repo.path)["type"] == "permission_denied"


def test_settings_without_permission(own_repo, run_as_user, monkeypatch):
    """A service whose HOME is that of root: not the fault of the repository."""
    home = own_repo.path.parent / "home"
    home.mkdir()
    home.chmod(0)
    monkeypatch.setenv("HOME", str(home / "user"))
    answer = run_as_user("git_branch", own_repo.path)
    assert answer["type"] == "permission_denied"
    assert "HOME" in answer["message"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as two users")
def test_repository_of_another_user(own_repo, run_as_user):
    """Its configuration could run programs as us; git and libgit2 refuse it, and say how to allow it."""
    answer = run_as_user("git_branch", own_repo.path, user=65533)
    assert answer["type"] == "dubious_ownership"
    assert "safe.directory" in answer["message"]
    (own_repo.path.parent / ".gitconfig").write_text(f"[safe]\n\tdirectory = {own_repo.path}\n")
    assert run_as_user("git_branch", own_repo.path, user=65533)["name"] == "main"
