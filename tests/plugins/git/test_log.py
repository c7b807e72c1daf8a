"""`git_log` gives what `git log` gives, in its order."""

import os
import random
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from aiohttp_steps_git import git_log

FORMAT = "%H%x00%s%x00%an%x00%ae%x00%aI%x00%P%x01"


def _read_git(git, limit):
    said = git("log", "-n", str(limit), f"--format={FORMAT}", "--encoding=UTF-8").decode()
    commits = []
    for record in said.split("\x01\n")[:-1]:
        commit, summary, name, email, date, parents = record.split("\0")
        commits.append((commit, summary, name, email, datetime.fromisoformat(date), tuple(parents.split())))
    return commits


@pytest.fixture
def check_log():
    """Assert that `git_log` gives what git gives, and return it."""

    def check(git, limit=20):
        commits = git_log(project_path=git.path, log_limit=limit)
        msgspec.json.encode(commits)
        ours = [(c.id, c.summary, c.author_name, c.author_email, c.authored_at, c.parents) for c in commits]
        assert ours == _read_git(git, limit)
        return commits

    return check


@pytest.mark.parametrize("limit", [1, 2, 5, 1000])
def test_last_commits(repo, check_log, limit):
    """The newest first; fewer if there are fewer."""
    for number in range(4):
        repo.commit(f"commit {number}", date=1_700_000_000 + number)
    assert len(check_log(repo, limit)) == min(limit, 5)


def test_limit_is_20_without_a_word(repo):
    """The default of the input and that of the step are one."""
    for number in range(25):
        repo.commit(str(number))
    assert len(git_log(project_path=repo.path)) == 20


def test_unborn_branch_has_no_commits(make_repo):
    """No error: there is nothing to tell."""
    assert git_log(project_path=make_repo().path) == []


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("dates", ["rising", "equal", "random"])
def test_order_with_merges(make_repo, check_log, seed, dates):
    """Merges, equal times and clocks that go wrong: the order is that of git, with any limit."""
    chance = random.Random(seed)
    git = make_repo()
    tree = git("mktree", input=b"").decode().strip()
    commits = []
    for number in range(30):
        at = 1_700_000_000 + {"rising": number, "equal": 0, "random": chance.randrange(40)}[dates]
        parents = chance.sample(commits[-6:], min(len(commits), chance.choice([1, 1, 1, 2, 3])))
        environment = {**os.environ, "GIT_AUTHOR_DATE": f"{at} +0000", "GIT_COMMITTER_DATE": f"{at} +0000"}
        links = [word for parent in parents for word in ("-p", parent)]
        made = git("commit-tree", tree, "-m", str(number), *links, env=environment).decode().strip()
        commits.append(made)
    git("update-ref", "refs/heads/main", commits[-1])
    for limit in (1, 7, 100):
        check_log(git, limit)


@pytest.mark.parametrize(
    "message",
    [
        "one line",
        "two\nlines\n\nand a body",
        "\n\n  indented first\n",
        "trailing   \nspaces  \n\nbody",
        "ünïcödé 日本",
        "blank with spaces\n   \nbody",
        "",
        "tab\tinside",
    ],
)
def test_summaries(repo, check_log, message):
    """The first paragraph on one line, as `%s` gives it."""
    repo("commit", "-q", "--allow-empty", "--allow-empty-message", "--cleanup=verbatim", "-m", message)
    check_log(repo, 1)


def _make_raw_commit(git, header, message):
    tree = git("write-tree").strip()
    raw = b"tree " + tree + b"\n" + header + b"\n" + message
    commit = git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", input=raw).decode().strip()
    git("update-ref", "refs/heads/main", commit)


def test_encoding_of_the_commit_is_followed(repo, check_log):
    """Old histories are in Latin-1, and say so."""
    who = "J\u00f6rg <j@x> 1 +0000\n".encode("latin-1")
    _make_raw_commit(
        repo, b"author " + who + b"committer " + who + b"encoding ISO-8859-1\n", b"gr\xfc\xdfe\n"
    )
    commit = check_log(repo, 1)[0]
    assert (commit.author_name, commit.summary) == ("J\u00f6rg", "grüße")


@pytest.mark.parametrize("encoding", [b"", b"encoding no-such\n", b"encoding utf-7\n", b"encoding base64\n"])
def test_text_that_cannot_be_read_does_not_break_the_answer(repo, encoding):
    """One bad commit of 1999 must not take the whole log away."""
    who = b"\xff\xfe <> 1 +0000\n"
    _make_raw_commit(repo, b"author " + who + b"committer " + who + encoding, b"bad +2AA- \xff\n")
    (commit,) = git_log(project_path=repo.path, log_limit=1)
    assert "\ufffd" in commit.author_name
    msgspec.json.encode(commit)


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (b"0 +0000", datetime(1970, 1, 1, tzinfo=UTC)),
        (b"1700000000 -0730", datetime.fromtimestamp(1_700_000_000, UTC)),
        (b"1700000000 +9900", datetime.fromtimestamp(1_700_000_000, UTC)),
        (b"99999999999999 +0000", None),
    ],
)
def test_odd_times(repo, time, expected):
    """A commit may claim any time; one that no calendar has is `None`."""
    who = b"A <a@b> " + time + b"\n"
    _make_raw_commit(repo, b"author " + who + b"committer A <a@b> 1 +0000\n", b"x\n")
    (commit,) = git_log(project_path=repo.path, log_limit=1)
    assert commit.authored_at == expected
    msgspec.json.encode(commit)


def test_time_zone_is_that_of_the_author(repo):
    """Aware, and not moved to UTC: the local hour is a fact."""
    assert git_log(project_path=repo.path)[0].authored_at.utcoffset() == timedelta(hours=1)


def test_shallow_clone_ends_where_it_was_cut(repo, check_log, at_path, tmp_path):
    """CI servers clone this way; the commits below are not there."""
    for number in range(5):
        repo.commit(str(number))
    repo("clone", "-q", "--depth", "2", f"file://{repo.path}", str(tmp_path / "shallow"))
    assert len(check_log(at_path(tmp_path / "shallow"))) == 2


def test_history_is_read_no_further_than_asked(repo):
    """A million commits below must cost nothing: here they cannot even be read."""
    commits = [repo.commit(str(number), date=1_700_000_000 + number) for number in range(6)]
    (repo.path / ".git/objects" / commits[0][:2] / commits[0][2:]).unlink()
    assert [c.id for c in git_log(project_path=repo.path, log_limit=3)] == commits[:2:-1]
