"""From a request to a row in Parquet: nothing is lost but a torn last line, and nothing is there twice."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops_desk.governance.records.data.retention import RowsKeep
from mlops_desk.kit.storage.data_files import pattern
from mlops_desk.kit.storage.request_log.layout import parts
from mlops_desk.kit.storage.request_log.names import sent
from mlops_desk.kit.storage.request_log.reader import newest
from mlops_desk.kit.storage.request_log.retention import tidy
from mlops_desk.kit.storage.request_log.writer import write_part
from mlops_desk.kit.storage.requests import LoggedFeature, LoggedRow, LogWindow
from mlops_desk.serving.gateway.request_log.rollup import Rollup, read_spool
from mlops_desk.serving.gateway.spool import Exchange, Spool, records

FEATURES = (LoggedFeature("a.x", "number"), LoggedFeature("city", "text"))


def exchange(number: int, rows: list[Mapping[str, Any]], revision: int = 1, status: int = 200) -> Exchange:
    body = json.dumps({"dataframe_records": rows}).encode()
    answer = json.dumps({"predictions": [f"p{number}"] * len(rows)}).encode()
    return Exchange(f"id-{number}", 1000.0 + number, revision, status, 0.25, "application/json", body, answer)


def roll(spool: Spool, rollup: Rollup | None = None) -> None:
    (rollup or Rollup()).roll(spool.folder, spool.rotate())


def logged(folder: Path, columns: str = "*") -> list[tuple[Any, ...]]:
    files = ", ".join(f"'{part.path}'" for part in parts(folder))
    query = f"SELECT {columns} FROM read_parquet([{files}], union_by_name = true) ORDER BY _received_at, _row"
    with duckdb.connect(":memory:") as connection:
        return connection.execute(query).fetchall() if files else []


def test_requests_become_typed_rows(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.describe({1: FEATURES})
    spool.append([exchange(1, [{"a.x": 1, "city": "Bonn"}, {"a.x": "2.5", "city": None}])])
    spool.append([exchange(2, [{"a.x": True, "city": 5, "more": [1]}], status=400)])
    roll(spool)
    assert logged(tmp_path, '_request_id, _row, _status, _revision, _output, "a.x", city, _extra') == [
        ("id-1", 0, 200, 1, "p1", 1.0, "Bonn", None),
        ("id-1", 1, 200, 1, "p1", 2.5, None, None),
        ("id-2", 0, 400, 1, "p2", None, "5", '{"a.x": true, "more": [1]}'),
    ]
    assert [path.relative_to(tmp_path).parent.as_posix() for path in tmp_path.rglob("*.*")] == ["1970-01-01/00"]


@pytest.mark.slow
@given(
    st.lists(
        st.lists(
            st.fixed_dictionaries(
                {"a.x": st.none() | st.floats() | st.integers(), "city": st.none() | st.text(max_size=20)}
            ),
            min_size=1,
            max_size=4,
        ),
        min_size=1,
        max_size=6,
    ),
    st.lists(st.booleans(), min_size=6, max_size=6),
)
@settings(max_examples=25)
def test_what_was_asked_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, asked: list[list[dict[str, Any]]], rolled: list[bool]
) -> None:
    folder = tmp_path_factory.mktemp("log")
    spool = Spool(folder)
    spool.describe({1: FEATURES})
    for number, rows in enumerate(asked):
        spool.append([exchange(number, rows)])
        if rolled[number]:
            roll(spool)
    roll(spool)
    expected = [row for rows in asked for row in rows]
    found = logged(folder, '"a.x", city')
    assert len(found) == len(expected)
    for (number, city), row in zip(found, expected, strict=True):
        assert same_number(number, row["a.x"])
        assert city == (None if row["city"] is None else row["city"].encode("utf-8", "replace").decode())


def same_number(found: float | None, asked: float | None) -> bool:
    if asked is None:
        return found is None
    try:
        value = float(asked)
    except OverflowError:
        return found is None
    return found is not None and (math.isnan(found) if math.isnan(value) else found == value)


@pytest.mark.slow
@given(st.integers(0, 400), st.booleans())
@example(100, False)  # what comes first after the torn record is a request, and no description
@settings(max_examples=30)
def test_a_torn_end_loses_the_last_record_only(
    tmp_path_factory: pytest.TempPathFactory, cut: int, is_described: bool
) -> None:
    folder = tmp_path_factory.mktemp("log")
    spool = Spool(folder)
    spool.describe({1: FEATURES})
    for number in range(3):
        spool.append([exchange(number, [{"a.x": number}])])
    spool.close()
    current = folder / "spool.records"
    whole = current.read_bytes()
    last = len(whole) - whole.rindex(b"\xc1RQ1")
    cut = min(cut, last)
    current.write_bytes(whole[: len(whole) - cut])
    after = Spool(folder)
    if is_described:
        after.describe({1: FEATURES})
    after.append([exchange(9, [{"a.x": 9}])])
    roll(after)
    ids = [row[0] for row in logged(folder, "_request_id")]
    assert ids == ["id-0", "id-1", *(["id-2"] if cut == 0 else []), "id-9"]


@given(st.integers(0, 2), st.binary(min_size=1, max_size=8), st.integers(0, 300))
@example(0, b"\xff\xff\xff\xff", 4)  # a length beyond the end
@example(1, b"\xc1", 8)  # no MessagePack
def test_a_damaged_record_costs_itself_alone(
    tmp_path_factory: pytest.TempPathFactory, which: int, noise: bytes, place: int
) -> None:
    spool = Spool(tmp_path_factory.mktemp("log"))
    sent = [exchange(number, [{"a": number}]) for number in range(3)]
    ends = []
    for one in sent:
        spool.append([one])
        ends.append(spool.waiting_bytes)
    ((path, _),) = spool.rotate()
    data = bytearray(path.read_bytes())
    first = ends[which - 1] if which else 0
    at = min(first + place, ends[which] - len(noise))
    data[at : at + len(noise)] = noise
    path.write_bytes(data)
    found = list(records(path))
    assert [one for one in sent if sent.index(one) != which] == [
        one for one in found if one in sent and one != sent[which]
    ]


def test_bodies_are_kept_as_the_bytes_that_came(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    body = bytes(range(256)) + b"\xc1RQ1\x00\x00\x00\x01" * 3
    sent = Exchange("id", 1.5, 2, 200, 0.1, "application/octet-stream", body, b"\n\x00", is_shadow=True)
    spool.append([sent, sent])
    ((path, _),) = spool.rotate()
    assert list(records(path)) == [sent, sent]


def test_what_an_older_gateway_has_spooled_is_read(tmp_path: Path) -> None:
    described = {"revision": 1, "features": [["a.x", "number"], ["city", "text"]]}
    line = {"request_id": "id-1", "received_at": 5.0, "revision": 1, "status": 200, "latency_seconds": 0.1,
            "content_type": "application/json", "body": '{"instances": [[1, "B\u00f6"]]}', "answer": "{}"}  # fmt: skip
    lines = [json.dumps(described), json.dumps(line), '{"torn']
    (tmp_path / "spool.ndjson").write_text("\n".join(lines))
    (tmp_path / "spool-0000000000007.ndjson").write_text(json.dumps({**line, "request_id": "id-0"}) + "\n")
    spool = Spool(tmp_path)
    spool.describe({1: FEATURES})
    spool.append([exchange(2, [{"a.x": 2, "city": "x"}])])
    roll(spool)
    assert sorted(logged(tmp_path, '_request_id, "a.x", city')) == [
        ("id-0", None, None),
        ("id-1", 1.0, "Bö"),
        ("id-2", 2.0, "x"),
    ]


def test_a_spool_that_was_rolled_up_twice_is_there_once(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([exchange(1, [{"a": 1}])])
    spool.close()
    kept = (tmp_path / "spool.records").read_bytes()
    roll(spool)
    stamp = parts(tmp_path)[0].first_ms
    # The gateway died between writing the part and deleting the spool.
    (tmp_path / f"spool-{stamp:013d}.records").write_bytes(kept)
    roll(Spool(tmp_path))
    assert len(logged(tmp_path)) == 1


def test_a_clock_that_was_set_back_puts_nothing_before_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path)
    monkeypatch.setattr("mlops_desk.serving.gateway.spool.time.time", lambda: 2_000_000.0)
    spool.append([exchange(1, [{"a": 1}])])
    roll(spool)
    monkeypatch.setattr("mlops_desk.serving.gateway.spool.time.time", lambda: 1_000_000.0)
    (tmp_path / "spool-2000000000007.ndjson").write_bytes(b"")
    spool = Spool(tmp_path)  # the next gateway, in a time before the last one
    for number in (2, 3):
        spool.append([exchange(number, [{"a": number}])])
        roll(spool)
    assert [part.first_ms for part in parts(tmp_path)] == [2_000_000_000, 2_000_000_000_008, 2_000_000_000_009]
    assert sorted(row[0] for row in logged(tmp_path, "_request_id")) == ["id-1", "id-2", "id-3"]


def test_a_gateway_in_an_earlier_time_goes_on_after_the_newest_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, clock in ((1, 2_000_000.0), (2, 1_000_000.0)):
        monkeypatch.setattr("mlops_desk.serving.gateway.spool.time.time", lambda now=clock: now)
        spool = Spool(tmp_path)
        spool.append([exchange(number, [{"a": number}])])
        roll(spool)
    assert [part.first_ms for part in parts(tmp_path)] == [2_000_000_000, 2_000_000_001]


def test_a_spool_that_cannot_be_rolled_up_is_set_aside_and_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, rollup = Spool(tmp_path), Rollup()
    spool.append([exchange(1, [{"a": 1}])])

    def broken(*_: object) -> None:
        raise duckdb.Error("no")

    with monkeypatch.context() as patch:
        patch.setattr("mlops_desk.serving.gateway.request_log.rollup.write_part", broken)
        for _ in range(2):
            with pytest.raises(duckdb.Error):
                roll(spool, rollup)
        roll(spool, rollup)
    spool.append([exchange(2, [{"a": 2}])])
    roll(spool)
    assert [row[0] for row in logged(tmp_path, "_request_id")] == ["id-2"]
    assert len(list(tmp_path.glob("*.damaged-*"))) == 1


def test_a_full_disk_costs_the_records_it_refused_and_no_other(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([exchange(1, [{"a": 1}])])

    class Full:
        """A disk that takes half of a record."""

        def __init__(self, file: Any) -> None:
            self.file = file

        def write(self, data: bytes) -> int:
            return int(self.file.write(data[: len(data) // 2]))

        def tell(self) -> int:
            return int(self.file.tell())

        def truncate(self, size: int) -> None:
            self.file.truncate(size)

        def seek(self, place: int) -> None:
            self.file.seek(place)

        def close(self) -> None:
            self.file.close()

    real = spool._file
    spool._file = Full(real)
    size = (tmp_path / "spool.records").stat().st_size
    with pytest.raises(OSError, match="space"):
        spool.append([exchange(2, [{"a": 2}])])
    assert (tmp_path / "spool.records").stat().st_size == size
    spool._file = real
    spool.append([exchange(3, [{"a": 3}])])
    roll(spool)
    assert [row[0] for row in logged(tmp_path, "_request_id")] == ["id-1", "id-3"]


def test_without_a_signature_kinds_are_read_from_the_values(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([exchange(1, [{"a": 1, "b": 1, "c": None}, {"a": 2.5, "b": "x"}])])
    ((path, _),) = spool.rotate()
    _, features, _ = read_spool(path)
    assert features == [LoggedFeature("a", "double"), LoggedFeature("b", "text"), LoggedFeature("c", "double")]


def test_features_that_were_described_later_hold_from_then_on(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.describe({1: (LoggedFeature("a", "number"),)})
    spool.append([exchange(1, [{"a": 1}])])
    spool.describe({2: (LoggedFeature("b", "text"),)})
    spool.append([exchange(2, [{"b": 7}], revision=2)])
    roll(spool)
    assert logged(tmp_path, "a, b") == [(1.0, None), (None, "7")]


def test_two_revisions_that_disagree_on_a_kind_share_a_text_column(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.describe({1: (LoggedFeature("a", "number"),), 2: (LoggedFeature("a", "text"), LoggedFeature("b", "number"))})
    spool.append([exchange(1, [{"a": 1}], revision=1)])
    spool.append([exchange(2, [{"a": "x", "b": 2}], revision=2)])
    roll(spool)
    assert logged(tmp_path, "a, b") == [("1", None), ("x", 2.0)]


def part_path(folder: Path, stamp_ms: int) -> Path:
    """Name a part as versions did that had no hours; its requests may be of any."""
    return folder / f"requests-{stamp_ms:013d}.parquet"


def row(number: int, values: Mapping[str, Any], status: int = 200, revision: int = 1) -> LoggedRow:
    return LoggedRow(f"id-{number}", float(number), revision, status, 0.1, 0, None, values)


@pytest.mark.slow
@given(st.lists(st.text(max_size=12), max_size=8))
@example(["_prediction", "_extra"])  # our own columns: what a feature of that name holds must not be taken for them
@example(["a", "a"])
@example(["a", "A", "A", "a"])
@settings(max_examples=25)
def test_any_feature_name_is_kept_somewhere(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    folder = tmp_path_factory.mktemp("log 'x' [1]*?")
    features = [LoggedFeature(name, "text") for name in names]
    write_part([row(1, {name: f"v {name}" for name in names})], features, part_path(folder, 1))
    target = folder / "newest.parquet"
    newest(folder, 5, target, with_meta=True)
    with duckdb.connect(":memory:") as connection:
        result = connection.execute(f"SELECT * FROM read_parquet({pattern(target)})")
        found = dict(zip([sent(str(column[0])) for column in result.description], result.fetchall()[0], strict=True))
    extra = json.loads(found["_extra"] or "{}")
    for name in names:
        assert extra.get(name, found.get(name)) is not None


@pytest.mark.slow
def test_newest_gives_answered_rows_of_one_revision_features_only(tmp_path: Path) -> None:
    feature = [LoggedFeature("a", "number")]
    write_part([row(n, {"a": n}) for n in range(10)], feature, part_path(tmp_path, 1))
    write_part([row(n, {"a": n}, status=400 if n % 2 else 200, revision=2) for n in range(10, 20)], feature,
               part_path(tmp_path, 2))  # fmt: skip
    target = tmp_path / "newest.parquet"
    window = newest(tmp_path, 3, target, revision=2)
    assert (window.rows, window.first_at, window.last_at) == (3, 14.0, 18.0)
    with duckdb.connect(":memory:") as connection:
        assert connection.execute(f"SELECT * FROM '{target}'").fetchall() == [(18.0,), (16.0,), (14.0,)]
    assert newest(tmp_path, 100, target).rows == 15
    assert newest(tmp_path, 100, target, since=12.0).rows == 4


def test_an_empty_log_writes_nothing(tmp_path: Path) -> None:
    target = tmp_path / "newest.parquet"
    assert newest(tmp_path / "none", 10, target) == LogWindow(0, None, None)
    assert not target.exists()


@pytest.mark.slow
def test_small_parts_are_merged_and_one_left_by_a_crash_does_not_count_twice(tmp_path: Path) -> None:
    for number in range(1, 41):
        write_part([row(number, {"a": number, f"c{number % 3}": "x"})], (), part_path(tmp_path, number))
    kept = part_path(tmp_path, 5).read_bytes()
    tidy(tmp_path, 41.0, RowsKeep(3650), limit_bytes=1 << 30)
    assert len(list(tmp_path.iterdir())) == 1
    part_path(tmp_path, 5).write_bytes(kept)
    assert [int(found[0]) for found in logged(tmp_path, "a")] == list(range(1, 41))
    tidy(tmp_path, 41.0, RowsKeep(3650), limit_bytes=1 << 30)
    assert not part_path(tmp_path, 5).exists()


def test_the_log_stays_within_its_days_and_bytes(tmp_path: Path) -> None:
    day = 86_400_000
    for number in range(1, 5):
        write_part([row(number, {"a": number})], (), part_path(tmp_path, number * day))
    tidy(tmp_path, now=4 * 86_400.0, keep=RowsKeep(2), limit_bytes=1 << 30)
    assert [part.first_ms // day for part in parts(tmp_path)] == [2, 3, 4]
    size = parts(tmp_path)[0].path.stat().st_size
    tidy(tmp_path, now=4 * 86_400.0, keep=RowsKeep(2), limit_bytes=2 * size + size // 2)
    assert [part.first_ms // day for part in parts(tmp_path)] == [3, 4]
