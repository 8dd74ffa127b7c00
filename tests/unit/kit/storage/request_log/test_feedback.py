"""Feedback joins requests whenever it comes, however often, and what is wrong with a file is said before any is taken."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mlops_desk.governance.records.data.retention import DAY_SECONDS, RowsKeep
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.storage.request_log import feedback
from mlops_desk.kit.storage.request_log.feedback import (
    Feedback,
    feedback_of,
    import_feedback,
    tidy_feedback,
    write_feedback,
)
from mlops_desk.kit.storage.request_log.files import connect
from mlops_desk.kit.storage.request_log.layout import hour_of, part_path
from mlops_desk.kit.storage.request_log.writer import write_part
from mlops_desk.kit.storage.requests import LoggedRow
from mlops_desk.serving.records.request import FeedbackTaken

HEX = "0123456789abcdef0123456789ABCDEF"


def known(folder: Path, *ids: str) -> dict[tuple[str, int | None], dict[str, Any]]:
    connection = connect(folder)
    try:
        return feedback_of(connection, folder, ids)
    finally:
        connection.close()


@pytest.mark.slow
def test_the_newest_value_of_each_column_counts(tmp_path: Path) -> None:
    write_feedback(tmp_path, [Feedback("a", None, 5.0, {"truth": 1, "note": "x"})], 10)
    write_feedback(tmp_path, [Feedback("a", None, 9.0, {"truth": 2}), Feedback("a", 1, 9.0, {"truth": 3})], 20)
    write_feedback(tmp_path, [Feedback("a", None, 7.0, {"truth": 4})], 30)  # one that was on its way for longer
    assert known(tmp_path, "a") == {("a", None): {"truth": 2, "note": "x"}, ("a", 1): {"truth": 3}}
    assert known(tmp_path, "b") == {}


def test_of_one_file_the_last_row_counts(tmp_path: Path) -> None:
    write_feedback(tmp_path, [Feedback("a", None, 5.0, {"truth": n}) for n in range(5)], 10)
    assert known(tmp_path, "a") == {("a", None): {"truth": 4}}
    assert duckdb.sql(f"SELECT count(*) FROM '{tmp_path}/feedback/*.parquet'").fetchall() == [(1,)]


def test_feedback_of_another_type_makes_both_texts(tmp_path: Path) -> None:
    write_feedback(tmp_path, [Feedback("a", None, 5.0, {"truth": 1})], 10)
    write_feedback(tmp_path, [Feedback("b", None, 5.0, {"truth": "cat"})], 20)
    assert known(tmp_path, "a", "b") == {("a", None): {"truth": "1"}, ("b", None): {"truth": "cat"}}


LINES = [
    {"request_id": HEX, "truth": 1, "score": 0.5, "sure": True, "more": {"a": [1]}},
    {"request_id": "00012", "row": 3, "truth": 2},
    {"request_id": "2024-01-01", "truth": 3, "day": "2024-05-06"},
]


def write(folder: Path, form: str) -> Path:
    file = folder / f"feedback.{form}"
    lines = folder / "lines"
    lines.write_text("\n".join(json.dumps(line) for line in LINES))
    columns = "request_id: 'VARCHAR', row: 'BIGINT', truth: 'BIGINT', score: 'DOUBLE', sure: 'BOOLEAN', more: 'VARCHAR', day: 'VARCHAR'"
    table = f"(SELECT * FROM read_json('{lines}', columns = {{{columns}}}))"
    if form == "json":
        file.write_text(lines.read_text())
    elif form == "list":
        file.write_text("  " + json.dumps(LINES))
    else:
        duckdb.sql(f"COPY {table} TO '{file}' (FORMAT {form})")
    return file


@pytest.mark.parametrize("form", ["csv", "json", "list", "parquet"])
def test_a_file_of_any_form_says_the_same(tmp_path: Path, form: str) -> None:
    at = 1_700_000_000.0
    rows = [LoggedRow(HEX, at, 1, 200, 0.1, place, None, {"a": 1}) for place in range(2)]
    write_part(rows, (), part_path(tmp_path, 5, hour_of(at)))
    assert import_feedback(tmp_path, write(tmp_path, form), 5.0, 10) == FeedbackTaken(3, 1, 2)
    found = known(tmp_path, HEX, "00012", "2024-01-01")
    day = found["2024-01-01", None].pop("day")
    assert str(day) == "2024-05-06"
    assert found == {
        (HEX, None): {"truth": 1, "score": 0.5, "sure": True, "more": '{"a":[1]}'},
        ("00012", 3): {"truth": 2},
        ("2024-01-01", None): {"truth": 3},
    }


def test_ids_of_digits_keep_their_zeros(tmp_path: Path) -> None:
    for number, text in enumerate(("request_id,truth\n1.50,1\n2.00,2\n", '{"request_id": "1.50", "truth": 1}')):
        file = tmp_path / "file"
        file.write_text(text)
        import_feedback(tmp_path / str(number), file, 5.0, 10)
        assert known(tmp_path / str(number), "1.50", "1.5") == {("1.50", None): {"truth": 1}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"), ("truth\n1\n", "no column request_id"), ("request_id\na\n", "nothing beside"),
        ("request_id,_x\na,1\n", "underscore"), ("request_id,truth\n,1\nb,2\n", "1 rows have no request id"),
        ("request_id,truth\na b,1\n", "1 rows have no request id"), ("request_id,row,truth\na,-1,1\n", "1 rows have a row"),
        ("request_id,row,truth\na,x,1\nb,1.5,2\nc,2,3\n", "2 rows have a row"), ('{"truth": 1}', "no column request_id"),
        ('{"request_id": "a", "row": true, "truth": 1}', "1 rows have a row"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_and_nothing_is_taken(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "file"
    file.write_text(text)
    with pytest.raises(Invalid, match=said):
        import_feedback(tmp_path, file, 5.0, 10)
    assert list((tmp_path / "feedback").glob("*")) == []


@pytest.mark.slow
def test_labels_go_when_they_are_old_however_often_newer_ones_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback, "_MERGE_FROM", 4)
    for number in range(1, 7):
        for part in (1, 2):
            at = (number + part / 4) * DAY_SECONDS
            write_feedback(tmp_path, [Feedback(f"r{number}", part, at, {"truth": part})], int(at * 1000))
        tidy_feedback(tmp_path, (number + 0.9) * DAY_SECONDS, RowsKeep(3))
    assert [number for number in range(1, 7) if known(tmp_path, f"r{number}")] == [4, 5, 6]
    assert known(tmp_path, "r4") == {("r4", 1): {"truth": 1}, ("r4", 2): {"truth": 2}}
    assert len(list((tmp_path / "feedback").glob("*.parquet"))) == 4, "a day that is over is one file"


@pytest.mark.slow
def test_small_files_are_merged_and_old_ones_go(tmp_path: Path) -> None:
    for number in range(1, 41):
        write_feedback(tmp_path, [Feedback("a", number % 2, float(number), {"truth": number})], number * 1000)
    tidy_feedback(tmp_path, 41.0, RowsKeep(30))
    assert len(list((tmp_path / "feedback").glob("*.parquet"))) == 1
    assert known(tmp_path, "a") == {("a", 0): {"truth": 40}, ("a", 1): {"truth": 39}}
    tidy_feedback(tmp_path, 40.0 + 31 * 86_400, RowsKeep(30))
    assert known(tmp_path, "a") == {}
