"""Which commit a branch or a tag of a repository is, as a rule that waits for a push looks at it."""

import subprocess
from pathlib import Path

import pytest

from mlops_desk.automation.watch_workers.push_worker import answer
from mlops_desk.kit.base.errors import Unavailable


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=ana", "-c", "user.email=ana@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", "-C", str(folder), *who, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "-m", "first")
    return tmp_path


def commit_of(repository: Path, ref: str) -> str:
    return seen(repository, ref).rpartition(" ")[2]


def seen(repository: Path, ref: str) -> str:
    return answer({"repository": str(repository), "ref": ref})


def test_a_push_is_another_commit_of_the_branch_and_no_other_branch(repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD")
    git(repository, "branch", "side")
    assert commit_of(repository, "main") == first
    git(repository, "commit", "--quiet", "--allow-empty", "-m", "second")
    assert commit_of(repository, "main") == git(repository, "rev-parse", "HEAD") != first
    assert commit_of(repository, "side") == first


def test_a_tag_is_its_commit_and_a_branch_of_the_same_name_comes_first(repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD")
    git(repository, "tag", "-a", "v1", "-m", "one")
    assert commit_of(repository, "v1") == first, "of an annotated tag it is the commit, not the tag"
    git(repository, "commit", "--quiet", "--allow-empty", "-m", "second")
    git(repository, "branch", "v1")
    assert commit_of(repository, "v1") == git(repository, "rev-parse", "HEAD")


def test_what_is_seen_says_whether_it_is_a_branch_or_a_tag(repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD")
    git(repository, "tag", "-a", "v1", "-m", "one")
    assert seen(repository, "v1") == f"refs/tags/v1 {first}"
    git(repository, "commit", "--quiet", "--allow-empty", "-m", "second")
    git(repository, "branch", "v1")
    second = git(repository, "rev-parse", "refs/heads/v1")
    assert seen(repository, "v1") == f"refs/heads/v1 {second}"
    assert seen(repository, "refs/tags/v1") == f"refs/tags/v1 {first}"
    assert seen(repository, "refs/heads/v1") == f"refs/heads/v1 {second}"
    assert seen(repository, "v*") == f"refs/heads/v1 {second}\nrefs/tags/v1 {first}"
    assert seen(repository, "refs/tags/*") == f"refs/tags/v1 {first}"
    assert seen(repository, "refs/tags/main*") == "-"


@pytest.mark.parametrize(
    "ref", ["gone", "refs/tags/main", "refs/remotes/main", "HEAD", "--help", "../../HEAD", "", "a b"]
)
def test_what_is_no_branch_or_tag_is_nothing(repository: Path, ref: str) -> None:
    assert commit_of(repository, ref) == ""


def test_what_is_no_repository_is_told_and_is_not_a_branch_that_is_gone(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "none"):
        with pytest.raises(Unavailable, match="no repository that git reads"):
            answer({"repository": str(place), "ref": "main"})


def test_a_repository_runs_nothing_of_its_own(repository: Path, tmp_path: Path) -> None:
    proof = tmp_path / "ran"
    for key in ("core.fsmonitor", "core.sshCommand", "core.pager", "alias.rev-parse"):
        git(repository, "config", key, f"!touch {proof}" if key.startswith("alias") else f"touch {proof}")
    assert commit_of(repository, "main")
    assert not proof.exists()
