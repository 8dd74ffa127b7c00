"""Jobs without a record: which they are, and putting their folders aside without losing what lies in them."""

from pathlib import Path

import pytest

from mlops_desk.jobs.run.lost_jobs import find, owner, put_aside, without_record
from mlops_desk.kit.base.errors import Invalid, NotFound, Unavailable


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    for name in ("aa11", "aa22", "bb33", "unfinished-runs"):
        (tmp_path / "jobs" / name / "a1").mkdir(parents=True)
        (tmp_path / "jobs" / name / "a1" / "log.txt").write_text(name)
    (tmp_path / "jobs" / "a file").touch()
    return tmp_path / "jobs"


def test_only_folders_of_jobs_without_a_record_are_lost(jobs: Path) -> None:
    assert without_record(jobs, {"bb33"}) == ["aa11", "aa22"]
    assert without_record(jobs / "nowhere", set()) == []


@pytest.mark.parametrize(("prefix", "found"), [("b", "bb33"), ("bb33", "bb33"), ("aa1", "aa11"), ("bb", "bb33")])
def test_a_lost_job_is_found_by_the_beginning_of_its_id(prefix: str, found: str) -> None:
    assert find(["aa11", "aa22", "bb33", "bb33x"] if prefix == "bb33" else ["aa11", "aa22", "bb33"], prefix) == found


@pytest.mark.parametrize("prefix", ["", "c", "../jobs/aa11", "."])
def test_what_is_no_lost_job_is_not_found(prefix: str) -> None:
    with pytest.raises(NotFound):
        find(["aa11"], prefix)


def test_an_id_that_several_begin_with_is_not_guessed() -> None:
    with pytest.raises(Invalid) as refused:
        find(["aa11", "aa22"], "aa")
    assert "aa11, aa22" in (refused.value.hint or "")


def test_what_is_put_aside_keeps_everything_and_replaces_nothing(jobs: Path) -> None:
    first = put_aside(jobs, "aa11")
    assert (first, first.stat().st_mode & 0o777) == (jobs.parent / "forgotten-jobs" / "aa11", 0o755)
    (jobs / "aa11" / "a2").mkdir(parents=True)
    second = put_aside(jobs, "aa11")
    assert second == jobs.parent / "forgotten-jobs" / "aa11.2"
    assert ((first / "a1" / "log.txt").read_text(), (second / "a2").is_dir()) == ("aa11", True)
    assert first.parent.stat().st_mode & 0o777 == 0o700
    assert without_record(jobs, set()) == ["aa22", "bb33"]


def test_a_folder_that_can_not_be_moved_is_told_of(jobs: Path) -> None:
    (jobs.parent / "forgotten-jobs").touch()
    with pytest.raises(Unavailable, match="aa11 can't be moved"):
        put_aside(jobs, "aa11")
    assert (jobs / "aa11").is_dir()


def test_a_lost_job_belongs_to_whom_its_results_belong(jobs: Path) -> None:
    assert owner(jobs / "aa11") is None
    (jobs / "aa11" / "a1" / "out").symlink_to("/etc")
    assert owner(jobs / "aa11") == (jobs / "aa11").stat().st_uid
