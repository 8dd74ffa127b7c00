"""Hours on disk: parts lie by the hour of their requests, and the log stays within its days, bytes and files."""

from pathlib import Path

import duckdb
import pytest

from mlops_desk.governance.records.data.retention import RowsKeep
from mlops_desk.kit.storage.request_log.layout import hour_of, hours, part_path, parts
from mlops_desk.kit.storage.request_log.reader import newest
from mlops_desk.kit.storage.request_log.retention import tidy, trim
from mlops_desk.kit.storage.request_log.writer import write_part
from mlops_desk.kit.storage.requests import LoggedRow

HOUR = 3600
NOW = 1_700_000_000.0  # 2023-11-14 22:13:20 UTC
LARGE = 1 << 30


def put(folder: Path, received_at: float, stamp_ms: int | None = None) -> Path:
    path = part_path(folder, int(received_at * 1000) if stamp_ms is None else stamp_ms, hour_of(received_at))
    write_part([LoggedRow("id", received_at, 1, 200, 0.1, 0, None, {"a": received_at})], (), path)
    return path


def ids(folder: Path) -> list[float]:
    files = [str(part.path) for part in parts(folder)]
    return [at for (at,) in duckdb.sql(f"SELECT _received_at FROM read_parquet({files})").fetchall()] if files else []


def test_parts_lie_by_the_hour_of_their_requests_in_utc(tmp_path: Path) -> None:
    assert put(tmp_path, NOW).relative_to(tmp_path).as_posix() == "2023-11-14/22/requests-1700000000000.parquet"
    assert put(tmp_path, 1_699_999_199.9).parent.name == "21"
    assert hours(tmp_path) == [1_699_995_600, 1_699_999_200]
    (tmp_path / "2023-13-45" / "77").mkdir(parents=True)  # a stranger's
    assert len(parts(tmp_path)) == 2


def test_since_leaves_out_hours_that_were_over_and_no_other(tmp_path: Path) -> None:
    for back in range(4):
        put(tmp_path, NOW - back * HOUR)
    assert len(parts(tmp_path, NOW - HOUR)) == 2
    assert len(parts(tmp_path, hour_of(NOW))) == 1
    assert len(parts(tmp_path, hour_of(NOW) - 0.001)) == 2


@pytest.mark.slow
def test_an_hour_that_is_over_becomes_one_file(tmp_path: Path) -> None:
    for second in range(3):
        put(tmp_path, NOW + second)
        put(tmp_path, NOW - HOUR + second)
    tidy(tmp_path, NOW + 3, RowsKeep(30), LARGE)
    assert [part.merged for part in parts(tmp_path)] == [True, False, False, False]
    assert sorted(ids(tmp_path)) == [NOW - HOUR, NOW - HOUR + 1, NOW - HOUR + 2, NOW, NOW + 1, NOW + 2]
    put(tmp_path, NOW - HOUR + 9)  # one that came late
    tidy(tmp_path, NOW + HOUR * 2, RowsKeep(30), LARGE)
    assert [part.merged for part in parts(tmp_path)] == [True, True]
    assert len(ids(tmp_path)) == 7


def test_a_part_of_a_merged_range_that_a_crash_left_counts_once_whatever_was_merged(tmp_path: Path) -> None:
    first = put(tmp_path, NOW)
    kept = first.read_bytes()
    put(tmp_path, NOW + 1)
    tidy(tmp_path, NOW + 2 * HOUR, RowsKeep(30), LARGE)
    (merged,) = parts(tmp_path)
    merged_bytes = merged.path.read_bytes()
    put(tmp_path, NOW + 2)
    tidy(tmp_path, NOW + 2 * HOUR, RowsKeep(30), LARGE)
    first.write_bytes(kept)
    merged.path.write_bytes(merged_bytes)
    assert sorted(ids(tmp_path)) == [NOW, NOW + 1, NOW + 2]
    tidy(tmp_path, NOW + 2 * HOUR, RowsKeep(30), LARGE)
    assert len(list(tmp_path.rglob("*.parquet"))) == 1


def test_whole_hours_go_by_age_and_by_size_with_their_folders(tmp_path: Path) -> None:
    for back in range(5):
        put(tmp_path, NOW - back * 86_400)
    tidy(tmp_path, NOW, RowsKeep(2), LARGE)
    assert sorted(ids(tmp_path)) == [NOW - 2 * 86_400, NOW - 86_400, NOW]
    assert len(list(tmp_path.iterdir())) == 3
    size = parts(tmp_path)[0].path.stat().st_size
    trim(tmp_path, 2 * size + size // 2, RowsKeep(2))
    assert sorted(ids(tmp_path)) == [NOW - 86_400, NOW]
    trim(tmp_path, 1, RowsKeep(2))
    assert ids(tmp_path) == [NOW]


@pytest.mark.slow
def test_the_newest_are_those_that_came_last_wherever_they_lie(tmp_path: Path) -> None:
    put(tmp_path, NOW, stamp_ms=5)
    put(tmp_path, NOW - HOUR, stamp_ms=9)  # rolled up after it
    write_part(
        [LoggedRow("id", NOW - 10, 1, 200, 0.1, 0, None, {"a": 1.0})], (), tmp_path / "requests-1699999990000.parquet"
    )
    target = tmp_path / "newest.parquet"
    assert newest(tmp_path, 1, target).first_at == NOW
    assert newest(tmp_path, 2, target).first_at == pytest.approx(NOW - 10)
    assert newest(tmp_path, 9, target, since=NOW - 60).rows == 2


def test_what_is_held_outlives_its_age_and_goes_last_beyond_the_size(tmp_path: Path) -> None:
    for back in range(5):
        put(tmp_path, NOW - back * 86_400)
    held = NOW - 4 * 86_400
    keep = RowsKeep(1, ((float(held), float(held) + 1),))
    tidy(tmp_path, NOW, keep, LARGE)
    assert sorted(ids(tmp_path)) == [held, NOW - 86_400, NOW]
    size = parts(tmp_path)[0].path.stat().st_size
    trim(tmp_path, 2 * size + size // 2, keep)
    assert sorted(ids(tmp_path)) == [held, NOW], "what nobody needs goes before what is older and needed"
    trim(tmp_path, size + size // 2, keep)
    assert sorted(ids(tmp_path)) == [NOW], "a full disk would end the log altogether"


def test_while_nobody_knows_who_needs_them_no_rows_go_by_their_age(tmp_path: Path) -> None:
    put(tmp_path, NOW - 4000 * 86_400)
    put(tmp_path, NOW)
    tidy(tmp_path, NOW, RowsKeep(None), LARGE)
    assert len(ids(tmp_path)) == 2
