"""What a person asks the request log: statuses and times as they are written, and files of feedback."""

import os
from contextvars import copy_context
from pathlib import Path

import duckdb
import pytest

from mlops_desk.kit.base.caller import Caller, set_caller
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.storage.request_log.query import RequestQuery
from mlops_desk.serving.request_log.redaction import HiddenColumns
from mlops_desk.serving.request_log.requests import RequestDesk, own_file, query_of


@pytest.mark.parametrize(
    ("status", "slower", "expected"),
    [
        (None, None, RequestQuery(5, 9.0)), ("5xx", None, RequestQuery(5, 9.0, 500, 599)),
        ("4XX", "100ms", RequestQuery(5, 9.0, 400, 499, 0.1)), ("404", "2s", RequestQuery(5, 9.0, 404, 404, 2.0)),
        (None, "0.25", RequestQuery(5, 9.0, slower_seconds=0.25)), (None, "1m", RequestQuery(5, 9.0, slower_seconds=60.0)),
    ],
)  # fmt: skip
def test_what_is_asked_for_is_read(status: str | None, slower: str | None, expected: RequestQuery) -> None:
    assert query_of(9.0, status, slower, 5) == expected


def test_a_revision_is_asked_for_by_its_number() -> None:
    assert query_of(None, "5xx", None, 5, 9.0, 2) == RequestQuery(5, 0.0, 500, 599, None, 9.0, 2)


@pytest.mark.parametrize(
    ("status", "slower", "limit"),
    [("6xx", None, 5), ("50", None, 5), ("errors", None, 5), (None, "soon", 5), (None, "-1s", 5), (None, None, 0), (None, None, 10_001)],
)  # fmt: skip
def test_what_makes_no_sense_is_said(status: str | None, slower: str | None, limit: int) -> None:
    with pytest.raises(Invalid):
        query_of(None, status, slower, limit)


def desk(folder: Path) -> RequestDesk:
    return RequestDesk(lambda name: folder / name, lambda: True, Loop("test"))


def test_an_endpoint_that_was_never_asked_has_no_requests(tmp_path: Path) -> None:
    assert desk(tmp_path).find("front", RequestQuery(10)) == []


@pytest.mark.slow
def test_a_file_is_taken_by_a_worker_which_says_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "truth.csv"
    file.write_text("request_id,truth\na,1\nb,0\n")
    told = desk(tmp_path).take_feedback("front", file, HiddenColumns())
    assert (told.rows, told.known_requests, told.unknown_requests) == (2, 0, 2)
    file.write_text("request_id,truth\n,1\n")
    with pytest.raises(Invalid, match="no request id"):
        desk(tmp_path).take_feedback("front", file, HiddenColumns())
    with pytest.raises(NotFound):
        desk(tmp_path).take_feedback("front", tmp_path / "none", HiddenColumns())
    file.write_bytes(b"PAR1 and no more")
    with pytest.raises(Invalid, match="can't be read as a table"):
        desk(tmp_path).take_feedback("front", file, HiddenColumns())


def test_a_file_is_taken_as_the_rules_of_the_log_have_it(tmp_path: Path) -> None:
    file = tmp_path / "truth.csv"
    file.write_text("request_id,truth,ssn\na,1,77\n")
    assert desk(tmp_path).take_feedback("front", file, HiddenColumns(dropped=("SSN",), masked=("truth",))).rows == 1
    (kept,) = tmp_path.rglob("feedback-*.parquet")
    assert duckdb.connect(":memory:").execute(f"SELECT truth FROM read_parquet('{kept}')").fetchall() == [("***",)]
    with pytest.raises(duckdb.Error):
        duckdb.connect(":memory:").execute(f"SELECT ssn FROM read_parquet('{kept}')")


def test_a_file_of_somebody_else_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        own_file("truth.csv")
    assert own_file(str(tmp_path)) == tmp_path

    def asked_by_another() -> None:
        set_caller(Caller(os.getuid() + 12_345, 1, 1))
        own_file(str(tmp_path))

    with pytest.raises(Refused):
        copy_context().run(asked_by_another)
