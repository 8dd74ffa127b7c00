"""What is known of a database's answer: how many rows, and a hash that tells other rows and no other order."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mlops_desk.drift import columns_worker
from mlops_desk.drift.records.sources import Source, SourceKind
from mlops_desk.governance.data.service import judged
from mlops_desk.governance.records.data.catalogue import DataVersion, SetState
from mlops_desk.kit.base import wire

ROWS = [(1, "a", 0.5), (2, None, 1.5), (3, "1:b", None)]


def told(folder: Path, rows: list[tuple[object, ...]], query: str = "SELECT * FROM t") -> dict:
    path = folder / "rows.db"
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE t (a INTEGER, b TEXT, c REAL)")
        database.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
        database.commit()
    source = wire.to_builtins(Source(SourceKind.SQL, f"sqlite:///{path}", query=query))
    return columns_worker.answer({"source": source})


def test_the_same_rows_in_another_order_have_the_same_hash(tmp_path: Path) -> None:
    found = told(tmp_path, ROWS)
    assert (found["rows"], [name for name, _kind in found["columns"]]) == (3, ["a", "b", "c"])
    assert found["rows_sha256"] is not None
    assert told(tmp_path, ROWS[::-1])["rows_sha256"] == found["rows_sha256"]


@pytest.mark.parametrize(
    "rows",
    [
        ROWS[:2], [*ROWS, ROWS[0]], [(1, "a", 0.5), (2, "", 1.5), ROWS[2]], [(1, "1:b", 0.5), ROWS[1], (3, "a", None)],
        [(1, "a", 0.25), *ROWS[1:]],
    ],
)  # fmt: skip
def test_other_rows_have_another_hash(tmp_path: Path, rows: list[tuple[object, ...]]) -> None:
    assert told(tmp_path, rows)["rows_sha256"] != told(tmp_path, ROWS)["rows_sha256"]


def test_other_columns_have_another_hash_and_of_too_many_rows_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = told(tmp_path, ROWS, "SELECT a, b AS other, c FROM t")
    assert same["rows_sha256"] != told(tmp_path, ROWS)["rows_sha256"]
    monkeypatch.setattr(columns_worker, "_MOST_HASHED", 2)
    found = told(tmp_path, ROWS)
    assert (found["rows"], found["rows_sha256"]) == (3, None)


def test_a_file_has_its_own_hash_and_no_second_one(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    assert columns_worker.answer({"source": str(tmp_path / "rows.csv")})["rows_sha256"] is None


def test_a_look_at_a_query_says_whether_its_rows_are_the_same_and_unknown_where_nobody_can_tell() -> None:
    first = DataVersion("q", 1, digest="rows:a", rows=3, query_sha256="x")
    assert judged(first, DataVersion("q", 0, digest="rows:a"), 1.0)[0].state is SetState.SAME
    look, made = judged(first, DataVersion("q", 0, digest="rows:b"), 1.0)
    assert (look.state, made.number) == (SetState.CHANGED, 2)
    assert judged(first, DataVersion("q", 0), 1.0)[0].state is SetState.UNKNOWN
