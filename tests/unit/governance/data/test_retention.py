"""What a retention takes: only files of the desk, only what is old enough, only what nobody stands on, once shown."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.governance.data.desk_files import desk_files
from mlops_desk.governance.data.file_deletion import _another, delete
from mlops_desk.governance.data.retention_plan import DataHold, RetentionAsked, is_inside, planned
from mlops_desk.governance.records.data.retention import RetentionItem

NOW = 1_790_000_000.0
DAY = 86_400.0


def item(path: str = "endpoints/front/requests/a", age_days: float = 40.0, **more: object) -> RetentionItem:
    ends = NOW - age_days * DAY
    made = RetentionItem("front/requests", path, ends - 3600, ends, 10, 7, 9)
    return replace(made, **more)


def paths(plan) -> list[str]:
    return [one.path for one in plan.items]


def test_what_is_older_goes_oldest_first_and_the_rest_stays() -> None:
    files = [item("b", 31), item("young", 29.9), item("a", 90)]
    plan = planned(RetentionAsked(30.0), files, {}, [], NOW)
    assert (paths(plan), plan.files, plan.size_bytes) == (["a", "b"], 2, 20)


def test_each_set_is_kept_as_long_as_somebody_has_said_and_of_the_others_nothing_goes() -> None:
    files = [item("a", 31), item("l", 31, dataset="front/labels"), item("o", 900, dataset="other/requests")]
    plan = planned(RetentionAsked(), files, {"front/requests": 30.0, "front/labels": 60.0}, [], NOW)
    assert paths(plan) == ["a"]
    assert plan.unset == ("other/requests",)
    assert paths(planned(RetentionAsked(30.0, "front/labels"), files, {}, [], NOW)) == ["l"]


def test_an_hour_that_may_get_requests_yet_stays_whatever_is_asked() -> None:
    files = [item("now", 0.0), item("late", 599 / DAY), item("over", 600 / DAY)]
    assert paths(planned(RetentionAsked(0.0), files, {}, [], NOW)) == ["over"]


def test_what_something_stands_on_is_held_and_says_by_whom() -> None:
    files = [item("in", 50), item("out", 60), item("label", 50, dataset="front/labels")]
    span = DataHold("front/requests", "monitor m has them", NOW - 50 * DAY - 10, NOW - 49 * DAY)
    plan = planned(RetentionAsked(1.0), files, {}, [span], NOW)
    assert paths(plan) == ["out", "label"]
    assert [(one.dataset, one.why, one.files, one.size_bytes) for one in plan.held] == [
        ("front/requests", "monitor m has them", 1, 10)
    ]
    assert paths(planned(RetentionAsked(1.0), files, {}, [DataHold("front/requests", "x")], NOW)) == ["label"]


def test_the_token_is_of_exactly_these_files_as_they_are() -> None:
    token = planned(RetentionAsked(1.0), [item("a")], {}, [], NOW).token
    for other in (item("b"), item("a", inode=8), item("a", size_bytes=11), item("a", changed_ns=1)):
        assert planned(RetentionAsked(1.0), [other], {}, [], NOW).token != token
    assert planned(RetentionAsked(2.0), [item("a")], {}, [], NOW).token != token
    assert planned(RetentionAsked(1.0), [item("a")], {}, [], NOW + 5).token == token


@given(st.text("./ab\0", max_size=12))
@example("../x")
@example("/etc/passwd")
@example("a/../../x")
@example("")
@example(".")
def test_no_path_that_leaves_the_folder_is_ever_taken(path: str) -> None:
    plan = planned(RetentionAsked(1.0), [item(path)], {}, [], NOW)
    if paths(plan):
        assert Path(os.path.normpath(f"/data/{path}")).is_relative_to("/data")
        assert Path(os.path.normpath(f"/data/{path}")) != Path("/data")
    assert is_inside(path) or not paths(plan)


# -- deleting ------------------------------------------------------------------------------------


def made(root: Path, below: str, content: bytes = b"x" * 10) -> RetentionItem:
    path = root / below
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    facts = path.lstat()
    return RetentionItem("front/requests", below, 0.0, 1.0, facts.st_size, facts.st_ino, facts.st_mtime_ns)


def test_files_that_were_shown_go_and_others_stay(tmp_path: Path) -> None:
    first, other = made(tmp_path, "endpoints/a/1"), made(tmp_path, "endpoints/a/2")
    done = delete(tmp_path, "t", [first])
    assert (done.files, done.size_bytes, done.left) == (1, 10, ())
    assert not (tmp_path / first.path).exists()
    assert (tmp_path / other.path).exists()


def test_a_link_leads_nowhere_neither_as_a_file_nor_on_the_way(tmp_path: Path) -> None:
    mine = made(tmp_path, "people/data.parquet")
    root = tmp_path / "desk"
    (root / "endpoints").mkdir(parents=True)
    (root / "endpoints/a").symlink_to(tmp_path / "people")
    (root / "endpoints/link").symlink_to(tmp_path / "people/data.parquet")
    on_the_way, itself = replace(mine, path="endpoints/a/data.parquet"), replace(mine, path="endpoints/link")
    done = delete(root, "t", [on_the_way, itself, replace(mine, path="../people/data.parquet")])
    assert done.files == 0
    assert [one.path for one in done.left] == [on_the_way.path, itself.path, "../people/data.parquet"]
    assert (tmp_path / "people/data.parquet").exists()


@pytest.mark.parametrize("change", ["replaced", "grown", "folder", "gone"])
def test_what_is_another_file_by_now_is_left(tmp_path: Path, change: str) -> None:
    one = made(tmp_path, "endpoints/a/1")
    path = tmp_path / one.path
    if change == "replaced":
        made(tmp_path, "endpoints/a/new", b"y" * 10)
        (tmp_path / "endpoints/a/new").replace(path)
    elif change == "grown":
        path.write_bytes(b"x" * 11)
    else:
        path.unlink()
        if change == "folder":
            path.mkdir()
    done = delete(tmp_path, "t", [one])
    assert (done.files, len(done.left)) == (0, 1)
    assert path.exists() is (change != "gone")


def test_one_that_can_t_be_deleted_does_not_keep_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = made(tmp_path, "endpoints/a/1"), made(tmp_path, "endpoints/a/2")
    unlink = os.unlink

    def refusing(name: str, *, dir_fd: int) -> None:
        if name == "1":
            raise PermissionError(1, "Operation not permitted")
        unlink(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", refusing)
    done = delete(tmp_path, "t", [first, second])
    assert done.files == 1
    assert [(one.path, one.why) for one in done.left] == [
        ("endpoints/a/1", "It can't be deleted: Operation not permitted.")
    ]


def test_another_file_system_on_the_way_is_not_entered(tmp_path: Path) -> None:
    one = made(tmp_path, "endpoints/a/1")
    facts = (tmp_path / one.path).lstat()
    assert _another(facts, facts.st_dev, one) is None
    assert _another(facts, facts.st_dev + 1, one) == "Another file system is mounted there."


# -- which files there are ------------------------------------------------------------------------


def test_only_logs_and_labels_are_files_of_the_desk(tmp_path: Path) -> None:
    endpoints = tmp_path / "endpoints"
    log = "endpoints/front/requests-2/2026-01-02/03/requests-1767322800000.parquet"
    made(tmp_path, log)
    made(tmp_path, "endpoints/front/requests-2/feedback/feedback-1767322800000.parquet")
    for other in ("endpoints/front/model/weights.bin", "endpoints/_gateway/table", "endpoints/front/requests-2/notes.txt",
                  "jobs/1/out.parquet", "endpoints/front/requests-2/2026-01-02/03/mine.parquet"):  # fmt: skip
        made(tmp_path, other)
    outside = tmp_path / "outside/requests/2026-01-02/03/requests-1767322800000.parquet"
    made(tmp_path, str(outside.relative_to(tmp_path)))
    (endpoints / "linked").symlink_to(tmp_path / "outside")
    (endpoints / "front/requests-3").symlink_to(tmp_path / "outside/requests")
    found = desk_files(tmp_path, endpoints, tmp_path / "pipelines")
    assert [(one.dataset, one.path) for one in found] == [
        ("front/requests", log),
        ("front/labels", "endpoints/front/requests-2/feedback/feedback-1767322800000.parquet"),
    ]
    assert (found[0].begins, found[0].ends) == (1_767_322_800.0, 1_767_326_400.0)
    assert found[1].ends == 1_767_322_800.0


def test_without_endpoints_there_are_none(tmp_path: Path) -> None:
    assert desk_files(tmp_path, tmp_path / "endpoints", tmp_path / "pipelines") == []
