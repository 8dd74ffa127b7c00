"""The folder of a log belongs to one endpoint: never to the next one of its name, and it goes when its time has come."""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_desk.governance.records.data.retention import LogKeep, RowsKeep
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState, ModelRef
from mlops_desk.serving.routing_sync import LogFolders

DAY = 86_400.0


def endpoint(log: Path | str | None) -> Endpoint:
    model = ModelRef("digits", "1", "models:/digits/1", None, None, None)
    return Endpoint("front", EndpointState.LIVE, None, 1, model, 0.0, request_log=None if log is None else str(log))


def age(folder: Path, days: float) -> None:
    at = time.time() - days * DAY
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (at, at))


def test_each_endpoint_of_a_name_gets_a_folder_that_was_nobodys(tmp_path: Path) -> None:
    folders = LogFolders(tmp_path)
    assert folders.newest("front") == tmp_path / "front" / "requests"
    made = [folders.begin("front").name for _ in range(3)]
    assert made == ["requests", "requests-2", "requests-3"]
    assert folders.newest("front").name == "requests-3"
    (tmp_path / "front" / "requests-2").rmdir()
    (tmp_path / "front" / "revisions").mkdir()
    (tmp_path / "front" / "requests-x").mkdir()
    assert folders.begin("front").name == "requests-4"


@pytest.mark.parametrize(
    ("told", "name"),
    [
        (None, "requests"),
        ("/elsewhere/front/requests", "requests"),
        ("/elsewhere/front/requests-7", "requests-7"),
        ("/etc", "requests"),
        ("/elsewhere/requests-07", "requests"),
        ("", "requests"),
    ],
)
def test_a_record_names_a_log_and_no_other_place(tmp_path: Path, told: str | None, name: str) -> None:
    assert LogFolders(tmp_path).of(endpoint(told)) == tmp_path / "front" / name


def kept_for(days: float | None, *spans: tuple[float | None, float | None]) -> Callable[[str], LogKeep]:
    keep = RowsKeep(days, spans)
    return lambda name: LogKeep(keep, keep) if name == "front" else pytest.fail(name)


def test_what_something_needs_stays_and_so_does_all_while_nobody_knows(tmp_path: Path) -> None:
    folders = LogFolders(tmp_path)
    folder = folders.begin("front")
    age(folder, 400)
    for keep in (kept_for(None), kept_for(500), kept_for(30, (None, None)), kept_for(30, (0.0, None))):
        folders.retire(set(), keep)
        assert folder.is_dir()
    labels = LogKeep(RowsKeep(30), RowsKeep(900))
    folders.retire(set(), lambda _name: labels)
    assert folder.is_dir(), "labels lie beside the requests"
    folders.retire(set(), kept_for(30))
    assert not folder.exists()


def test_what_belongs_to_nobody_goes_once_its_newest_file_is_old(tmp_path: Path) -> None:
    folders = LogFolders(tmp_path)
    old, young, kept = (folders.begin("front") for _ in range(3))
    for folder in (old, young, kept):
        (folder / "hour").mkdir()
        (folder / "hour" / "part.parquet").write_bytes(b"rows")
        age(folder, 40)
    os.utime(young / "hour" / "part.parquet")
    folders.retire({folders.of(replace(endpoint(kept)))}, kept_for(30))
    assert [folder.is_dir() for folder in (old, young, kept)] == [False, True, True]


def test_without_any_endpoint_nothing_is_retired(tmp_path: Path) -> None:
    LogFolders(tmp_path / "none").retire(set(), kept_for(30))
    (tmp_path / "_gateway").mkdir()
    LogFolders(tmp_path).retire(set(), kept_for(30))
    assert (tmp_path / "_gateway").is_dir()
