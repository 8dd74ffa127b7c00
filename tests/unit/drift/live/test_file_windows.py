"""A folder that grows becomes windows: whole lines and whole files, each row once, whatever kind of file it is."""

import json
from contextlib import closing
from dataclasses import replace

import duckdb
import pytest

from mlops_desk.drift.data.sources import DataSide, file_at
from mlops_desk.drift.live import file_rows, worker
from mlops_desk.drift.live.current_window import newest_rows
from mlops_desk.drift.live.windowing import WindowCutter
from mlops_desk.drift.profile.worker import profile_of_source
from mlops_desk.drift.records.monitors import Monitor, WindowRule
from mlops_desk.drift.records.sources import Source, SourceKind
from mlops_desk.drift.store.windows import WindowStore
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import DeskError, Invalid
from tests.unit.drift.live.doors import doors

BEGIN = 1_772_323_200  # 2026-03-01T00:00:00Z


def values(number):
    return {"age": number % 71, "city": ["Bonn", "Köln", "Aa,chen"][number % 3], "at": BEGIN + number}


def csv(numbers):
    return "".join(f'{one["age"]},"{one["city"]}",{one["at"]}\n' for one in map(values, numbers))


def lines(numbers):
    return "".join(json.dumps(values(number)) + "\n" for number in numbers)


def parquet(file, numbers):
    rows = ", ".join(f"({one['age']}, '{one['city']}', {one['at']})" for one in map(values, numbers))
    duckdb.sql(f"COPY (SELECT * FROM (VALUES {rows}) AS t(age, city, \"at\")) TO '{file}' (FORMAT parquet)")


@pytest.fixture
def store(tmp_path):
    file = tmp_path / "train.csv"
    file.write_text("age,city,at\n" + csv(range(300)), encoding="utf-8")
    with closing(WindowStore(tmp_path / "drift")) as made:
        made.put_reference("m", profile_of_source(DataSide(file_at(file))))
        yield made


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "incoming"
    made.mkdir()
    return made


def take(store, place, **facts):
    source = Source(SourceKind.FILE, str(place), time_column="at")
    monitor = replace(Monitor("m", "churn", source, window=WindowRule(50)), **facts)

    def run(_module, request, _seconds):
        return worker.answer(wire.loads(wire.dumps(request), dict))

    return WindowCutter(store, doors(), run).take(monitor, BEGIN + 10_000)


def assert_all(store, numbers):
    numbers = list(numbers)
    found = {one.column.name: one.sketch for one in newest_rows(store, "m", 1 << 40).profile.columns}
    assert found["age"].n_usable == len(numbers)
    assert found["age"].most == max(number % 71 for number in numbers)
    counted = dict(zip(found["city"].labels, found["city"].counts, strict=True))
    assert counted == {
        name: sum(number % 3 == at for number in numbers) for at, name in enumerate(["Bonn", "Köln", "Aa,chen"])
    }


@pytest.mark.slow
@pytest.mark.parametrize(("ending", "header", "write"), [("csv", "age,city,at\n", csv), ("jsonl", "", lines)])
def test_lines_that_are_appended_are_taken_once_they_are_whole(store, folder, ending, header, write):
    file = folder / f"a.{ending}"
    file.write_text(header + write(range(70)), encoding="utf-8")
    first = take(store, folder)
    assert [(head.start, head.end, head.n_rows) for head in first.windows] == [(BEGIN, BEGIN + 49, 50)]
    assert first.pending_rows == 20
    more = write(range(70, 140))
    with file.open("a", encoding="utf-8") as opened:
        opened.write(more[:-10])
    assert take(store, folder).n_rows == 139
    with file.open("a", encoding="utf-8") as opened:
        opened.write(more[-10:])
    (folder / f"b.{ending}").write_text(header + write(range(140, 200)), encoding="utf-8")
    last = take(store, folder)
    assert (last.n_rows, last.pending_rows, last.n_rejected) == (200, 0, 0)
    assert take(store, folder).n_rows == 200
    assert_all(store, range(200))


@pytest.mark.slow
def test_files_of_parquet_are_taken_once_they_are_whole(store, folder, monkeypatch):
    monkeypatch.setattr(worker, "BATCH_ROWS", 30)
    parquet(folder / "a.parquet", range(70))
    whole = (folder / "a.parquet").read_bytes()
    (folder / "b.parquet").write_bytes(whole[:-20])
    found = take(store, folder)
    assert found.n_rows == 70
    assert any("b.parquet is left for later" in note for note in found.notes)
    parquet(folder / "b.parquet", range(70, 120))
    assert take(store, folder).n_rows == 120
    parquet(folder / "a.parquet", range(20))  # one that became shorter was replaced
    assert take(store, folder).n_rows == 140
    assert_all(store, [*range(120), *range(20)])


@pytest.mark.slow
def test_a_value_with_a_line_end_is_not_cut(store, folder):
    file = folder / "a.csv"
    file.write_text('age,city,at\n1,"Bonn",1772323200\n2,"Kö\nln', encoding="utf-8")
    assert take(store, folder).n_rows == 1
    file.write_text('age,city,at\n1,"Bonn",1772323200\n2,"Kö\nln",1772323201\n', encoding="utf-8")
    assert take(store, folder).n_rows == 2


@pytest.mark.slow
def test_by_time_files_are_cut_at_whole_spans(store, folder):
    (folder / "a.csv").write_text("age,city,at\n" + csv(range(30, 150)), encoding="utf-8")
    found = take(store, folder, window=WindowRule(None, 60.0))
    assert [head.n_rows for head in found.windows] == [30, 60]
    assert found.pending_rows == 30


@pytest.mark.slow
def test_without_a_time_a_row_is_as_old_as_its_file(store, folder):
    file = folder / "a.csv"
    file.write_text("age,city,at\n" + csv(range(60)), encoding="utf-8")
    found = take(store, folder, source=Source(SourceKind.FILE, str(folder)))
    assert [(head.start, head.end) for head in found.windows] == [(file.stat().st_mtime,) * 2]


@pytest.mark.slow
def test_columns_go_by_the_names_that_the_reference_has(store, folder):
    (folder / "a.csv").write_text("years,city,at\n" + csv(range(60)), encoding="utf-8")
    take(store, folder, renamed={"years": "age", "never": "there"})
    assert_all(store, range(60))


@pytest.mark.slow
def test_what_is_wrong_with_a_source_is_told_and_changes_nothing(store, folder, monkeypatch):
    with pytest.raises(Invalid, match="no files of data"):
        take(store, folder)
    (folder / "a.csv").write_text("age,city\n1,Bonn\n", encoding="utf-8")
    with pytest.raises(Invalid, match="no column 'at'"):
        take(store, folder)
    monkeypatch.setattr(file_rows, "_PART_BYTES", 64)
    (folder / "a.csv").write_text("age,city,at\n" + "9" * 200, encoding="utf-8")
    with pytest.raises(Invalid, match="a line of more than"):
        take(store, folder)
    with pytest.raises(DeskError):
        take(store, folder / "gone")
    assert store.cursor("m") is None


@pytest.mark.slow
def test_a_table_of_mlflows_that_is_written_anew_with_more_rows_gives_those(store, folder):
    file = folder / "evals.json"

    def write(numbers):
        rows = [list(values(number).values()) for number in numbers]
        file.write_text(json.dumps({"columns": ["age", "city", "at"], "data": rows}))

    write(range(70))
    assert take(store, folder).n_rows == 70
    write(range(95))
    assert take(store, folder).n_rows == 95
    assert take(store, folder).n_rows == 95
    assert_all(store, range(95))


@pytest.mark.slow
def test_data_that_are_fetched_are_read_and_the_same_ones_are_not_asked_for(store, folder, tmp_path):
    (folder / "a.csv").write_text("age,city,at\n" + csv(range(60)), encoding="utf-8")
    found = [folder / "a.csv", None]
    monitor = Monitor("m", "churn", Source(SourceKind.MLFLOW, "r1", "a.csv"), window=WindowRule(50))

    def run(_module, request, _seconds):
        return worker.answer(wire.loads(wire.dumps(request), dict))

    cutter = WindowCutter(store, doors(fetched=lambda _folder: found.pop(0)), run)
    first, again = cutter.take(monitor, BEGIN), cutter.take(monitor, BEGIN)
    assert (first.n_rows, len(first.windows), first.pending_rows) == (60, 1, 10)
    assert (again.n_rows, again.windows, again.pending_rows) == (60, (), 10)
