"""Files against a stored profile: the same verdicts as against the file itself, whole or read in parts."""

import contextlib

import duckdb
import numpy as np
import pytest

from mlops_desk.drift.data.file_formats import open_data
from mlops_desk.drift.data.sources import DataSide, file_at
from mlops_desk.drift.profile.file_format import from_bytes, to_bytes
from mlops_desk.drift.profile.numbers import NumericSketch
from mlops_desk.drift.profile.profile import DataProfile, merged
from mlops_desk.drift.profile.table_comparison import compare_with, make_profile
from mlops_desk.drift.profile.worker import answer, profile_of_source
from mlops_desk.drift.records.report import DriftOptions
from mlops_desk.drift.worker import compare_files
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.storage.data_files import connect

WORDS = [
    "red",
    "green",
    "blue",
    "round",
    "square",
    "old",
    "new",
    "fast",
    "slow",
    "warm",
    "cold",
    "high",
    "low",
    "near",
    "far",
]


def table(n: int, seed: int, shift: float = 0.0, first: int = 0) -> dict[str, list[object]]:
    """Return ordinary data: numbers with gaps, integers, categories, truth, moments, texts, an id and a target."""
    random = np.random.default_rng(seed)
    x = random.normal(shift, 1, n)
    texts = [" ".join(random.choice(WORDS, 6)) for _ in range(n)]
    return {
        "x": [None if gap else float(value) for gap, value in zip(random.random(n) < 0.05, x, strict=True)],
        "n": [int(value) for value in random.poisson(3 + shift, n)],
        "k": [str(value) for value in random.choice(["a", "b", "c", "é"], n, p=[0.4, 0.3, 0.2, 0.1])],
        "flag": [bool(value) for value in random.random(n) < 0.3],
        "at": [f"2024-03-{1 + int(day):02d} {int(hour):02d}:00:00" for day, hour in random.integers(0, 24, (n, 2))],
        "note": texts,
        "id": [f"row-{first + at}" for at in range(n)],
        "y": [int(value) for value in random.random(n) < 0.5],
    }


def write(path, columns: dict[str, list[object]]):
    with duckdb.connect() as connection:
        kinds = {"x": "DOUBLE", "n": "BIGINT", "flag": "BOOLEAN", "at": "TIMESTAMP", "y": "BIGINT"}
        named = ", ".join(f'"{name}" {kinds.get(name, "VARCHAR")}' for name in columns)
        connection.execute(f"CREATE TABLE t ({named})")
        marks = ", ".join("?" * len(columns))
        connection.executemany(f"INSERT INTO t VALUES ({marks})", list(zip(*columns.values(), strict=True)))
        form = "(FORMAT csv, HEADER)" if path.suffix == ".csv" else "(FORMAT parquet)"
        connection.execute(f"COPY t TO '{path}' {form}")
    return path


def profiled(path, out, **chosen):
    document = answer({"reference": str(path), "out": str(out), "options": chosen})
    return out, document


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for suffix in ("parquet", "csv"):
        write(folder / f"r.{suffix}", table(900, 1))
        write(folder / f"same.{suffix}", table(600, 2, first=5000))
        write(folder / f"moved.{suffix}", table(600, 3, 0.6, first=9000))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("reference", ["r.parquet", "r.csv"])
@pytest.mark.parametrize("current", ["same.parquet", "moved.csv", "moved.parquet", "r.parquet"])
def test_verdicts_are_those_against_the_file_itself(files, tmp_path, reference, current):
    out, _ = profiled(files / reference, tmp_path / "p")
    exact = compare_files(files / reference, files / current)
    found = compare_files(out, files / current)
    assert (found.verdict, found.dataset) == (exact.verdict, exact.dataset)
    for one, other in zip(found.columns, exact.columns, strict=True):
        assert (one.name, one.kind, one.role, one.verdict) == (other.name, other.kind, other.role, other.verdict)
        assert (one.n_reference, one.n_current, set(one.measures)) == (
            other.n_reference, other.n_current, set(other.measures)
        )  # fmt: skip
        assert one.decided_by == other.decided_by
        assert {name: signal.alert for name, signal in one.signals.items()} == {
            name: signal.alert for name, signal in other.signals.items()
        }
        for name in ("psi", "chi2", "l_infinity", "missing", "unseen"):
            if name in other.measures and one.kind != "text":
                assert one.measures[name].value == pytest.approx(other.measures[name].value)


@pytest.mark.slow
def test_a_file_has_not_drifted_from_its_own_profile(files, tmp_path):
    out, _ = profiled(files / "r.csv", tmp_path / "p")
    for current in ("r.csv", "r.parquet"):
        report = compare_files(out, files / current)
        assert report.verdict == "ok"
        assert all(abs(one.measures["psi"].value) < 1e-12 for one in report.columns if "psi" in one.measures)


@pytest.mark.slow
def test_choices_are_kept_and_may_be_made_again(files, tmp_path):
    out, document = profiled(files / "r.parquet", tmp_path / "p", targets=["y"], ignored=["note"])
    assert document["columns"] == ["x", "n", "k", "flag", "at", "y"]
    assert document["left_out"]["note"] == "It is ignored."
    lacking = {name: values for name, values in table(300, 4, first=7000).items() if name not in {"y", "k"}}
    current = write(tmp_path / "c.parquet", lacking)
    report = compare_files(out, current)
    assert report.dataset.left_out["y"] == "A target that is not sent."
    assert report.dataset.missing_columns == ("k",)
    roles = {column.name: str(column.role) for column in report.columns}
    assert (roles["y"], roles["id"]) == ("target", "id")
    chosen = compare_files(out, current, DriftOptions(columns=("x", "note")))
    assert {one.name for one in chosen.columns if one.verdict != "not_compared"} == {"x"}
    assert "no sketch" in chosen.dataset.left_out["note"]
    with pytest.raises(Invalid, match="no column 'nobody'"):
        compare_files(out, current, DriftOptions(ignored=("nobody",)))


def opened(path, folder):
    stack = contextlib.ExitStack()
    connection = stack.enter_context(contextlib.closing(connect(folder / "spill", threads=1)))
    connection.execute("SET TimeZone = 'UTC'")
    return stack, connection, open_data(connection, path, folder)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["parquet", "csv", "folder"])
def test_a_table_read_in_parts_is_the_table(tmp_path, form):
    n = 300_000
    query = f"""SELECT CASE WHEN i % 7 = 0 THEN NULL ELSE (i * 7919) % 100003 / 3.0 END AS x, i % 5 AS k,
        CASE WHEN i % 1000 = 0 THEN 'inf'::DOUBLE ELSE i % 11 END AS d FROM range({n}) t(i)"""
    path = tmp_path / f"t.{form}"
    with duckdb.connect() as connection:
        if form == "folder":
            path.mkdir()
            for at in range(2):
                where = f"{query} WHERE i % 2 = {at}"
                connection.execute(f"COPY ({where}) TO '{path / str(at)}.parquet' (FORMAT parquet)")
        else:
            options = "FORMAT csv, HEADER" if form == "csv" else "FORMAT parquet"
            connection.execute(f"COPY ({query}) TO '{path}' ({options})")
    (tmp_path / "work").mkdir()
    stack, connection, table = opened(path, tmp_path / "work")
    told: list[tuple[int, int, str]] = []
    with stack:
        whole = make_profile(connection, table, DriftOptions())
        parts = make_profile(connection, table, DriftOptions(), lambda *said: told.append(said), rows=50_000)
        assert len(list(table.parts(50_000))) == (2 if form == "folder" else 3)
        assert sum(part.n_rows for part in table.parts(50_000)) == n
        report = compare_with(connection, parts, table, DriftOptions(), rows=50_000)
    assert report.verdict == "ok"
    assert told[-1] == (3, 3, "d")
    assert [name for _, _, name in told].count("x") > 4
    for one, other in zip(whole.columns, parts.columns, strict=True):
        assert isinstance(one.sketch, NumericSketch)
        assert isinstance(other.sketch, NumericSketch)
        assert one.frame.edges.tolist() == other.frame.edges.tolist()
        assert one.sketch.counts.tolist() == other.sketch.counts.tolist()
        assert (one.sketch.n_missing, one.sketch.n_infinite) == (other.sketch.n_missing, other.sketch.n_infinite)
        assert one.sketch.sums == pytest.approx(other.sketch.sums, rel=1e-9, abs=1e-3)


def test_a_sample_freezes_bins_that_hold_all_values(tmp_path, monkeypatch):
    monkeypatch.setattr("mlops_desk.drift.profile.sketch_builder._SAMPLE_ROWS", 20_000)
    path = tmp_path / "t.parquet"
    with duckdb.connect() as connection:
        query = "SELECT (i * 7919) % 300007 AS x FROM range(300000) t(i)"
        connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
    stack, connection, table = opened(path, tmp_path)
    with stack:
        one = make_profile(connection, table, DriftOptions(), rows=130_000).columns[0]
    assert (one.sketch.n_usable, one.sketch.counts[0], one.sketch.counts[-1]) == (300_000, 0, 0)
    assert one.sketch.counts.max() < 300_000 / 226 * 1.6


def test_a_column_named_as_the_number_of_a_row_is_read_whole(tmp_path):
    path = tmp_path / "t.parquet"
    with duckdb.connect() as connection:
        query = "SELECT i % 9 AS File_Row_Number, i % 4 AS k FROM range(200000) t(i)"
        connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
    stack, connection, table = opened(path, tmp_path)
    with stack:
        found = make_profile(connection, table, DriftOptions(), rows=50_000)
    assert [one.sketch.n_rows for one in found.columns] == [200_000, 200_000]


@pytest.mark.slow
def test_windows_of_one_reference_add_up_and_others_are_refused(files):
    reference = profile_of_source(DataSide(file_at(files / "r.parquet")))
    again = from_bytes(to_bytes(reference))
    both = merged([reference, again])
    assert both.n_rows == 1800
    assert [one.sketch.n_rows for one in both.columns[:4]] == [1800] * 4
    assert both.columns[5].sketch.lengths.n_rows == 1800
    with pytest.raises(Invalid, match="can't be added"):
        merged([reference, profile_of_source(DataSide(file_at(files / "same.parquet")))])
    with pytest.raises(Invalid, match="can't be added"):
        merged([reference, DataProfile(0, reference.columns[:2])])


def test_long_labels_are_told_apart_and_cut(tmp_path):
    path = write(tmp_path / "t.parquet", {"k": ["a" * 300, "a" * 301] * 100})
    sketch = profile_of_source(DataSide(file_at(path))).columns[0].sketch
    assert sorted(map(len, sketch.labels)) == [200, 200]
    assert sketch.counts == (100, 100)


def test_a_profile_is_no_current_data_and_a_damaged_one_no_reference(files, tmp_path):
    out, _ = profiled(files / "r.parquet", tmp_path / "p")
    with pytest.raises(Invalid, match="reference alone") as caught:
        compare_files(files / "r.parquet", out)
    assert caught.value.hint
    out.write_bytes(out.read_bytes()[:-1])
    with pytest.raises(Invalid, match="damaged profile"):
        compare_files(out, files / "r.parquet")


def test_a_profile_that_cannot_be_written_is_told(files, tmp_path):
    with pytest.raises(Invalid, match="can't be written") as caught:
        profiled(files / "r.parquet", tmp_path / "nowhere" / "p")
    assert caught.value.hint


@pytest.mark.slow
def test_a_column_that_stands_still_is_named_as_against_the_file(tmp_path):
    path = write(
        tmp_path / "r.parquet", {"x": [float(at) for at in range(300)], "c": [float(at % 3) for at in range(300)]}
    )
    current = write(tmp_path / "c.parquet", {"x": [7.0] * 200, "c": [1.0] * 200})
    out, _ = profiled(path, tmp_path / "p")
    found, exact = compare_files(out, current), compare_files(path, current)
    assert [one.quality["current"].constant_ratio for one in found.columns] == [1.0, 1.0]
    assert found.columns[1].quality["reference"].constant_ratio == exact.columns[1].quality["reference"].constant_ratio
    assert {(alarm.name, alarm.column) for alarm in found.quality} >= {("constant", "x"), ("constant", "c")}
