"""Other trackers' runs as ours are shown: from files that their own packages wrote, whole, growing, torn and hostile."""

import math
import os
import shlex
import struct
import sys
import tomllib
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused, Unavailable
from mlops_desk.registry.artifacts.source import source_of
from mlops_desk.registry.artifacts.worker import FolderFiles
from mlops_desk.registry.foreign import extras, history, walk, wandb
from mlops_desk.registry.foreign.files import listed
from mlops_desk.registry.foreign.history import ForeignRun, flattened, number, whole
from mlops_desk.registry.foreign.reader_factory import ForeignReader, open_reader
from mlops_desk.registry.foreign.tensorboard import TensorBoardLogs
from mlops_desk.registry.foreign.wandb import RecordFile
from mlops_desk.registry.mlflow.file_locations import ArtifactPlace
from mlops_desk.registry.readers.batch import NO_TIME
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.tracker import TrackerKind
from mlops_desk.registry.registries import ForeignPlaces
from tests.foreign_runs import OLD_TRACKIO_TABLES, EventFile, trackio_points, trackio_project, wandb_run


def reader_of(kind: TrackerKind, path: Path) -> ForeignReader:
    return open_reader(RegistrySource(kind, str(path), str(path), path))


def read(kind: TrackerKind, path: Path) -> dict[str, ForeignRun]:
    reader = reader_of(kind, path)
    for _ in reader.batches():
        pass
    return {run.name: run for run in reader.all_runs()}


# -- TensorBoard ---------------------------------------------------------------------------------


def test_each_folder_of_event_files_is_a_run_of_both_ways_to_write_a_number(tmp_path):
    one = EventFile(tmp_path / "sweep" / "lr-0.1")
    for step in range(5):
        one.scalar("loss", step, 0.5 / (step + 1), at=100.0 + step)
        one.scalar("acc", step, step / 4, tensor=True, at=100.0 + step)
    one.scalar("odd", 0, math.nan, at=101.0)
    one.text("image")
    one.hparams({"lr": 0.1, "depth": 3, "bias": True, "net": "cnn"})
    one.close()
    EventFile(tmp_path / "empty").close()
    runs = read(TrackerKind.TENSORBOARD, tmp_path)
    run = runs["sweep/lr-0.1"]
    assert run.metrics["loss"].values.tolist() == pytest.approx([0.5, 0.25, 0.5 / 3, 0.125, 0.1], abs=1e-7)
    assert run.metrics["acc"].values.tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert run.metrics["loss"].times.tolist() == [100_000, 101_000, 102_000, 103_000, 104_000]
    assert math.isnan(run.metrics["odd"].values[0])
    assert run.params == {"lr": "0.1", "depth": "3.0", "bias": "True", "net": "cnn"}
    assert run.status == "FINISHED"
    assert run.skipped == {"image": 1}
    assert runs["empty"].metrics == {}
    assert runs["empty"].status == "UNKNOWN"


def test_what_was_written_after_a_restart_goes_on_in_the_same_run(tmp_path):
    for first in (0, 3):
        file = EventFile(tmp_path / "a")
        for step in range(first, first + 3):
            file.scalar("loss", step, float(step))
        file.close()
    assert read(TrackerKind.TENSORBOARD, tmp_path)["a"].metrics["loss"].steps.tolist() == [0, 1, 2, 3, 4, 5]


def test_a_running_run_grows_and_nothing_is_read_twice(tmp_path):
    file = EventFile(tmp_path / "a")
    file.scalar("loss", 0, 1.0)
    file.flush()
    reader = reader_of(TrackerKind.TENSORBOARD, tmp_path)
    mark = reader.mark()
    (batch,) = [one for one in reader.batches() if one.run_ids]
    assert reader.changes(mark).batches == ()
    file.scalar("loss", 1, 0.5)
    file.flush()
    changes = reader.changes(mark)
    assert changes.batches[0].run_ids == batch.run_ids
    assert changes.batches[0].metrics["loss"].values.tolist() == [0.5]
    assert changes.mark != mark
    assert reader.changes(mark).everything  # somebody who looked before
    (curve,) = reader.curves(batch.run_ids, "loss", 10)
    assert (curve.steps, curve.values, curve.n_points) == ((0, 1), (1.0, 0.5), 2)
    file.scalar("loss", 2, 0.25)
    file.close()
    reader.changes(changes.mark)
    (later,) = reader.curves(batch.run_ids, "loss", 10, curve.mark)
    assert (later.steps, later.values) == ((2,), (0.25,))


def test_a_torn_event_file_shows_what_is_whole(tmp_path):
    file = EventFile(tmp_path / "a")
    for step in range(3):
        file.scalar("loss", step, 1.0)
    file.close()
    (path,) = (tmp_path / "a").iterdir()
    with path.open("r+b") as torn:
        torn.truncate(path.stat().st_size - 5)
    assert read(TrackerKind.TENSORBOARD, tmp_path)["a"].metrics["loss"].steps.tolist() == [0, 1]


def test_a_run_that_was_removed_is_gone(tmp_path):
    for name in ("a", "b"):
        EventFile(tmp_path / name).close()
    reader = reader_of(TrackerKind.TENSORBOARD, tmp_path)
    mark = reader.mark()
    ids = {run_id for batch in reader.batches() for run_id in batch.run_ids}
    gone = next(run.run_id for run in reader.all_runs() if run.name == "a")
    for path in (tmp_path / "a").iterdir():
        path.unlink()
    assert reader.changes(mark).gone == (gone,)
    assert {run.run_id for run in reader.all_runs()} == ids - {gone}
    with pytest.raises(NotFound, match="has no run"):
        reader.run(gone)


# -- W&B -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("offline")
    wandb_run(folder, "good", {"lr": 0.1, "flag": True, "nest": {"a": [1, 2]}, "none": None, "text": "a=b"})
    wandb_run(folder, "bad", {"lr": 0.2}, 3)
    return folder


@pytest.mark.slow
def test_an_offline_run_of_wandb_is_read_with_what_it_was_given_and_how_it_ended(offline):
    runs = read(TrackerKind.WANDB, offline)
    good = runs["good"]
    assert good.experiment == "digits"
    assert good.status == "FINISHED"
    assert runs["bad"].status == "FAILED"
    assert good.params == {"lr": "0.1", "flag": "True", "nest.a": "[1, 2]", "none": "None", "text": "a=b"}
    assert good.tags["mlflow.note.content"] == "second try"
    assert good.tags["wandb.tag.night"] == "True"
    own = {name for name in good.metrics if not name.startswith("system/")}
    assert own == {"loss", "odd", "val/acc", "best"}
    assert good.metrics["loss"].values.tolist() == [1 / (step + 1) for step in range(30)]
    assert good.metrics["loss"].steps.tolist() == list(range(30))
    assert [math.isnan(value) for value in good.metrics["odd"].values[:8]] == [True, *[False] * 6, True]
    assert good.metrics["best"].values.tolist() == [0.5]
    assert good.skipped["note"] == 1
    assert good.start_ms is not None
    assert good.end_ms is not None
    assert good.start_ms <= good.end_ms


@pytest.mark.slow
def test_a_wandb_file_that_is_still_written_is_read_on(offline, tmp_path):
    whole = next(path for path in offline.glob("wandb/offline-run-*/*.wandb")).read_bytes()
    path = tmp_path / "run-abc.wandb"
    path.write_bytes(b"")
    reader = reader_of(TrackerKind.WANDB, path)
    mark = reader.mark()
    for _ in reader.batches():
        pass
    for size in (3, 200, len(whole) // 2, len(whole)):
        path.write_bytes(whole[:size])
        mark = reader.changes(mark).mark
    (run,) = reader.all_runs()
    assert run.problem is None
    assert run.metrics["loss"].steps.tolist() == list(range(30))
    assert run.status in {"FINISHED", "FAILED"}


def test_a_damaged_wandb_file_shows_what_stands_before_the_damage_and_says_so(offline, tmp_path):
    data = bytearray(next(path for path in offline.glob("wandb/offline-run-*/*.wandb")).read_bytes())
    data[len(data) // 2] ^= 0xFF
    (tmp_path / "run-abc.wandb").write_bytes(data)
    (run,) = read(TrackerKind.WANDB, tmp_path).values()
    assert run.problem is not None
    assert "damaged at byte" in run.problem
    assert 0 < len(run.metrics["loss"].steps) < 30


def test_what_is_no_file_of_wandb_is_told(tmp_path):
    (tmp_path / "run-abc.wandb").write_bytes(b"not a file of theirs at all")
    (run,) = read(TrackerKind.WANDB, tmp_path).values()
    assert run.problem == "This is no file of W&B's, or of a version that is not known here."
    assert (run.name, run.status) == ("abc", "UNKNOWN")


def test_a_summary_counts_until_the_metric_itself_is_logged():
    class Words:
        Record = object

    log = wandb.WandbLog(Path("/nowhere/run-x.wandb"), Words)
    log._summarised("acc", 0.9)
    assert log.runs()[0].metrics["acc"].values.tolist() == [0.9]
    log._summarised("acc", 0.95)
    assert log.runs()[0].metrics["acc"].values.tolist() == [0.95]
    log._point("acc", 4, 1000, 0.7)
    log._summarised("acc", 0.99)
    assert log.runs()[0].metrics["acc"].values.tolist() == [0.7]


def frames(records: list[bytes]) -> bytes:
    """Write records as LevelDB's log format says, block by block."""
    out = bytearray(b":W&B\xe1\xbe\x00")
    for record in records:
        rest, first = record, True
        while first or rest:
            left = 32768 - len(out) % 32768
            if left < 7:
                out += bytes(left)
                continue
            part, rest = rest[: left - 7], rest[left - 7 :]
            kind = {(True, True): 1, (True, False): 2, (False, False): 3, (False, True): 4}[first, not rest]
            out += struct.pack("<IHB", zlib.crc32(part, zlib.crc32(bytes([kind]))), len(part), kind) + part
            first = False
    return bytes(out)


@given(
    sizes=st.lists(st.integers(0, 70_000), max_size=8), looks=st.lists(st.integers(0, 400_000), max_size=4)
)  # fmt: skip
@example(sizes=[32768 - 7 - 7], looks=[])
@example(sizes=[32768 - 7 - 7 - 3, 10], looks=[20])
@example(sizes=[32768 - 7 - 7 - 6, 10], looks=[])
@example(sizes=[65_536, 1, 0], looks=[7, 32_768, 32_775])
def test_records_come_whole_and_once_however_a_file_grows(sizes, looks, tmp_path_factory):
    records = [bytes([number % 251 + 1]) * size for number, size in enumerate(sizes)]
    whole = frames(records)
    path = tmp_path_factory.mktemp("records") / "x"
    file, found = RecordFile(path), []
    for size in [*sorted({min(look, len(whole)) for look in looks}), len(whole)]:
        path.write_bytes(whole[:size])
        found += list(file.read_on())
    assert file.problem is None
    assert found == records


# -- Trackio -------------------------------------------------------------------------------------


def test_a_trackio_project_is_read_with_its_configuration_and_grows(tmp_path):
    connection = trackio_project(tmp_path / "digits.db")
    connection.execute(
        "INSERT INTO configs (run_id, run_name, config, created_at) VALUES ('r1', 'first',"
        ' \'{"lr": 0.1, "flag": true, "_Username": "ana", "nest": {"a": [1]}}\', \'2026-01-01T00:00:00+00:00\')'
    )
    trackio_points(connection, "r1", [{"loss": 1.0, "odd": math.nan}, {"loss": "Infinity", "note": "x"}], "first")
    reader = reader_of(TrackerKind.TRACKIO, tmp_path)
    mark = reader.mark()
    for _ in reader.batches():
        pass
    (run,) = reader.all_runs()
    assert (run.name, run.experiment, run.user, run.status) == ("first", "digits", "ana", "UNKNOWN")
    assert run.params == {"lr": "0.1", "flag": "True", "nest.a": "[1]"}
    assert run.metrics["loss"].values.tolist() == [1.0, math.inf]
    assert run.start_ms == 1_767_225_600_000
    assert run.skipped == {"note": 1}
    trackio_points(connection, "r1", [{"loss": 0.5}], "first", 2)
    trackio_points(connection, "r2", [{"loss": 9.0}], "second")
    changes = reader.changes(mark)
    assert sorted(name for batch in changes.batches for name in batch.names) == ["first", "second"]
    assert run.metrics["loss"].steps.tolist() == [0, 1, 2]
    connection.close()


def test_an_old_trackio_file_knows_runs_by_name(tmp_path):
    connection = trackio_project(tmp_path / "old.db", OLD_TRACKIO_TABLES)
    connection.executemany(
        "INSERT INTO metrics (timestamp, run_name, step, metrics) VALUES (?, ?, ?, ?)",
        [("2026-01-01T00:00:00", "a", 0, '{"loss": 1}'), ("yesterday", "b", 0, "[]"), ("", "b", 1, "{torn")],
    )
    connection.commit()
    connection.close()
    runs = read(TrackerKind.TRACKIO, tmp_path / "old.db")
    assert runs["a"].metrics["loss"].values.tolist() == [1.0]
    assert runs["a"].start_ms == 1_767_225_600_000
    assert runs["b"].skipped == {"unreadable": 2}


def test_trackio_is_read_while_it_writes_and_a_writer_is_not_kept_waiting(tmp_path):
    connection = trackio_project(tmp_path / "busy.db")
    trackio_points(connection, "r", [{"loss": float(step)} for step in range(50)])
    reader = reader_of(TrackerKind.TRACKIO, tmp_path)
    for _ in reader.batches():
        connection.execute("PRAGMA busy_timeout = 0")
        trackio_points(connection, "r", [{"loss": 0.0}], first=50)
    connection.close()


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\x00" + b"\xff" * 3000])
def test_a_damaged_trackio_file_is_told(tmp_path, content):
    (tmp_path / "x.db").write_bytes(content)
    reader = reader_of(TrackerKind.TRACKIO, tmp_path)
    if content:
        with pytest.raises(Unavailable, match="can't be read as a project of Trackio"):
            list(reader.batches())
    else:
        assert [batch.run_ids for batch in reader.batches() if batch.run_ids] == []


# -- all of them ---------------------------------------------------------------------------------


def test_columns_have_the_last_value_of_each_metric_and_no_row_where_there_is_none(tmp_path):
    for name, tag in (("a", "loss"), ("b", "acc")):
        file = EventFile(tmp_path / name)
        file.scalar(tag, 0, 1.0)
        file.scalar(tag, 7, 0.5)
        file.close()
    found = {}
    for batch in reader_of(TrackerKind.TENSORBOARD, tmp_path).batches():
        assert batch.start_times.dtype == np.int64
        for name, cells in batch.metrics.items():
            found[batch.names[cells.rows[0]], name] = (cells.values.tolist(), cells.steps.tolist())
    assert found == {("a", "loss"): ([0.5], [7]), ("b", "acc"): ([0.5], [7])}


def test_experiments_are_known_before_anything_else_was_asked_and_cost_no_run(tmp_path):
    for project in ("a", "b"):
        connection = trackio_project(tmp_path / f"{project}.db")
        trackio_points(connection, "r1", [{"loss": 1.0}])
        trackio_points(connection, "r2", [{"loss": 1.0}])
        connection.close()
    reader = reader_of(TrackerKind.TRACKIO, tmp_path)
    assert [one.name for one in reader.experiments()] == ["a", "b"]
    assert sum(len(batch.run_ids) for batch in reader.batches()) == 4


def test_a_run_without_a_time_has_none(tmp_path):
    (tmp_path / "run-abc.wandb").write_bytes(b"")
    (batch,) = [one for one in reader_of(TrackerKind.WANDB, tmp_path).batches() if one.run_ids]
    assert batch.start_times.tolist() == [NO_TIME]


def test_other_values_of_a_metric_than_the_last(tmp_path):
    file = EventFile(tmp_path / "a")
    for step, value in ((5, 3.0), (0, 2.0), (9, math.nan), (7, 1.0)):
        file.scalar("loss", step, value)
    file.close()
    reader = reader_of(TrackerKind.TENSORBOARD, tmp_path)
    (batch,) = [one for one in reader.batches() if one.run_ids]
    (run_id,) = batch.run_ids
    told = {which: reader.metric_values([run_id], "loss", which, None) for which in ("min", "max", "first")}
    assert told == {"min": {run_id: 1.0}, "max": {run_id: 3.0}, "first": {run_id: 2.0}}
    assert reader.metric_values([run_id], "loss", "step", 5) == {run_id: 3.0}
    assert reader.metric_values([run_id], "loss", "step", 6) == {}
    assert reader.metric_values([run_id], "acc", "min", None) == {}
    (curve,) = reader.curves([run_id], "loss", 10)
    assert curve.steps == (0, 5, 7, 9)


def test_a_source_beyond_all_measure_shows_its_first_points_and_says_so(monkeypatch):
    monkeypatch.setattr(history, "_MOST_POINTS", 3)
    run = ForeignRun("a", "a", "x", "/nowhere")
    for step in range(5):
        run.point("loss", step, step, 1.0)
    assert run.metrics["loss"].steps.tolist() == [0, 1, 2]
    assert run.problem == "It has more than 3 points; the later ones are left out."


def test_files_of_a_run_are_listed_and_none_outside(tmp_path):
    root = tmp_path / "logs"
    EventFile(root / "a").close()
    (root / "a" / "plots").mkdir()
    (root / "a" / "plots" / "roc.png").write_bytes(b"x")
    (root / "a" / "out").symlink_to("/etc")
    reader = reader_of(TrackerKind.TENSORBOARD, root)
    listed = reader.artifacts(str(root / "a"), "")
    assert next((one.path, one.is_folder) for one in listed) == ("plots", True)
    assert "out" not in [one.path for one in listed]
    assert [one.size_bytes for one in reader.artifacts(str(root / "a"), "plots")] == [1]
    for path in ("..", "../..", "out", "%2e%2e", "/etc"):
        with pytest.raises((Refused, NotFound)):
            reader.artifacts(str(root / "a"), path)
    with pytest.raises(Refused, match="lies outside"):
        reader.artifacts("/etc", "")


def test_links_are_not_followed_and_depth_has_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr(walk, "_DEEPEST", 2)
    EventFile(tmp_path / "a" / "b").close()
    EventFile(tmp_path / "a" / "b" / "c" / "d").close()
    (tmp_path / "loop").symlink_to(tmp_path)
    assert set(read(TrackerKind.TENSORBOARD, tmp_path)) == {"a/b"}


def test_a_folder_that_nobody_may_read_is_passed_over_and_the_root_is_told(tmp_path, monkeypatch):
    EventFile(tmp_path / "a").close()
    (tmp_path / "b").mkdir()
    real = os.scandir

    def refusing(path: Path):
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert set(read(TrackerKind.TENSORBOARD, tmp_path)) == {"a"}
    with pytest.raises(Unavailable, match="Permission denied"):
        read(TrackerKind.TENSORBOARD, tmp_path / "b")
    with pytest.raises(NotFound, match="nothing at"):
        read(TrackerKind.TENSORBOARD, tmp_path / "none")


def test_a_missing_package_is_told_with_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb.proto.wandb_internal_pb2", None)
    with pytest.raises(Unavailable, match="own package wandb, which is not installed") as told:
        reader_of(TrackerKind.WANDB, tmp_path)
    assert told.value.command == shlex.join(
        [
            sys.executable,
            "-E",
            "-P",
            *(["-B"] if sys.dont_write_bytecode else []),
            "-m",
            "pip",
            "install",
            "wandb>=0.19",
        ]
    )
    assert told.value.command in (told.value.hint or "")
    with pytest.raises(Invalid, match="nothing that another tracker"):
        reader_of(TrackerKind.SQLITE, tmp_path)


@pytest.mark.parametrize(
    ("value", "found"),
    [(True, 1.0), (3, 3.0), ("NaN", math.nan), ("-Infinity", -math.inf), ("0.5", None), (None, None), ([1], None),
     (10**400, math.inf), (-(10**400), -math.inf)],
)  # fmt: skip
def test_what_is_a_number(value, found):
    made = number(value)
    assert made == found or (found is not None and math.isnan(found) and made is not None and math.isnan(made))


def test_nested_values_have_names_with_dots():
    assert flattened({"a": {"b": 1, "c": {"d": None}}, "e": {}, "f": [1]}) == {
        "a.b": 1, "a.c.d": None, "e": {}, "f": [1],
    }  # fmt: skip


# -- what no tracker writes, and anybody may ------------------------------------------------------

_ODD_ROWS = [
    ("{", 1), ("[1]", 2), ("null", 3), ('{"a": "x"}', 4), ('{"<b>\\ud800": 1}', 5), ('{"big": 1e999, "nan": NaN}', 6),
    ('{"long": 123456789012345678901234567890}', 7), ('{"a": 1}', None), ('{"b": 1}', "soon"), (b"\xff", 8),
]  # fmt: skip


def test_a_hostile_trackio_project_is_read_as_far_as_it_can_be_told(tmp_path):
    connection = trackio_project(tmp_path / "odd.db")
    stamps = ["2026-01-01T00:00:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "soon"]
    rows = [("r", stamps[at % 4], "name", at, text) for at, (text, _) in enumerate(_ODD_ROWS)]
    connection.executemany(
        "INSERT INTO metrics (run_id, timestamp, run_name, step, metrics) VALUES (?, ?, ?, ?, ?)", rows
    )
    config = (
        '{"p\\udfff": "v\\ud800", "deep": ' + '{"a": ' * 50_000 + "1" + "}" * 50_000 + "}",
        '{"ok\\ud800": "\\ud801"}',
    )
    for key, text in zip("qr", config, strict=True):
        connection.execute(
            "INSERT INTO configs (run_id, run_name, config, created_at) VALUES (?, 'n', ?, 'x')", (key, text)
        )
    connection.execute("UPDATE metrics SET run_name = CAST(x'6eff' AS TEXT), step = 'soon' WHERE id = 1")
    connection.commit()
    connection.close()
    reader = reader_of(TrackerKind.TRACKIO, tmp_path)
    (batch,) = [one for one in reader.batches() if one.run_ids]
    for run in reader.all_runs():
        wire.dumps(reader.run(run.run_id))
    runs = {run.name: run for run in reader.all_runs()}
    (run,) = [one for one in runs.values() if one.metrics]
    assert run.metrics["<b>\\ud800"].values.tolist() == [1.0]
    assert run.metrics["big"].values.tolist() == [math.inf]
    assert run.metrics["b"].values.tolist() == [1.0]
    assert run.params == {"ok\\ud800": "\\ud801"}
    assert len(batch.run_ids) == 2


def test_a_folder_whose_name_is_no_utf_8_is_a_run_that_can_be_told_of(tmp_path):
    event = EventFile(tmp_path / "logs" / "cafe")
    event.scalar("loss", 0, 1.0, at=100.0)
    event.close()
    (tmp_path / "logs" / "cafe").rename(os.fsdecode(bytes(tmp_path) + b"/logs/caf\xe9"))
    reader = reader_of(TrackerKind.TENSORBOARD, tmp_path)
    list(reader.batches())
    (run,) = reader.all_runs()
    assert run.name == "logs/caf\\udce9"
    assert "no UTF-8" in (run.problem or "")
    wire.dumps(reader.run(run.run_id))


@pytest.mark.parametrize(
    ("value", "found"),
    [(3, 3), (True, 1), (2.9, 2), (math.nan, 7), (math.inf, 7), (-math.inf, 7), (None, 7), ("soon", 7), ("NaN", 7),
     (2**62 + 1, 2**62 + 1)],
)  # fmt: skip
def test_a_step_is_a_whole_number_or_what_stands_instead(value, found):
    assert whole(value, 7) == found


def test_steps_and_times_that_no_store_could_keep_are_left_out_and_counted():
    run = ForeignRun("r", "n", "e", "/f")
    for step, at in ((2**63, 0), (-(2**63) - 1, 0), (0, 2**63), (0, -(2**63) - 1)):
        run.point("loss", step, at, 1.0)
    run.seen(10**30)
    run.point("loss", -(2**63), 2**63 - 1, 1.0)
    assert (run.metrics["loss"].steps.tolist(), run.skipped) == ([-(2**63)], {"loss": 4})
    assert (run.start_ms, run.end_ms) == (2**63 - 1, 2**63 - 1)


def test_a_hostile_step_of_wandb_costs_no_more_than_that_step():
    for step, at in (("1e300", "1"), ("NaN", "NaN"), ('"soon"', '"NaN"'), ("Infinity", "1e300"), ("-1e999", "-1e999")):
        log = wandb.WandbLog.__new__(wandb.WandbLog)
        log._run, log._without_steps = ForeignRun("r", "n", "e", "/f"), set()
        items = [("_step", step), ("_timestamp", at), ("loss", "0.5")]
        told = [SimpleNamespace(key=key, nested_key=[], value_json=text) for key, text in items]
        log._step(SimpleNamespace(item=told, step=SimpleNamespace(num=4)))
        assert sum(len(one.values) for one in log._run.metrics.values()) + sum(log._run.skipped.values()) == 1


def test_hyperparameters_that_the_plugin_does_not_know_and_a_time_that_is_none_cost_no_run(tmp_path):
    words = pytest.importorskip("tensorboard.plugins.hparams.plugin_data_pb2")
    newer = words.HParamsPluginData(version=99).SerializeToString()
    log = TensorBoardLogs(tmp_path).open(str(tmp_path))
    events = pytest.importorskip("tensorboard.compat.proto.event_pb2")
    for content, at in ((b"\xff\xff garbage", math.nan), (newer, math.inf), (b"", 1e300)):
        event = events.Event(wall_time=at, step=1, file_version="brain.Event:2")
        value = event.summary.value.add(tag="_hparams_/session_start_info")
        value.metadata.plugin_data.content = content
        event.ClearField("file_version")
        event.summary.value.add(tag="loss", simple_value=0.5)
        log._take(event)
    (run,) = log.runs()
    assert run.skipped["_hparams_/session_start_info"] == 3
    assert run.metrics["loss"].values.tolist() == [0.5, 0.5]


class SlowLog:
    """One run of a hundred points, which gives way after each."""

    def __init__(self, name: str) -> None:
        self.run = ForeignRun(name, name, "e", "/f")
        self.at = 0

    def read_on(self) -> Iterator[None]:
        place = self.at  # of the file as this reading has opened it, as W&B's records are read
        while place < 100:
            place += 1
            self.at = place
            self.run.point("loss", place, place, 1.0)
            yield

    def runs(self) -> list[ForeignRun]:
        return [self.run]


class SlowLogs:
    def stamps(self):
        return {"a": (1,), "b": (2,)}

    def open(self, name):
        return SlowLog(name)

    def root(self):
        return Path("/f")


def test_nothing_is_read_twice_by_who_asks_while_it_is_being_read(monkeypatch):
    monkeypatch.setattr("mlops_desk.registry.foreign.reader_factory._STEP_SECONDS", 0.0)
    reader = ForeignReader(SlowLogs(), "W&B")
    batches = reader.batches()
    for _ in range(5):
        next(batches)
    assert [one.name for one in reader.experiments()] == ["e"]
    list(batches)
    assert {run.name: run.n_points for run in reader.all_runs()} == {"a": 100, "b": 100}


def test_who_asks_for_one_run_may_be_the_first_to_ask():
    assert ForeignReader(SlowLogs(), "W&B").run("a").metrics == {"loss": 1.0}
    assert [one.run_id for one in ForeignReader(SlowLogs(), "W&B").origins(["b", "gone"])] == ["b"]
    with pytest.raises(NotFound):
        ForeignReader(SlowLogs(), "W&B").run("gone")


def test_files_of_other_trackers_runs_lie_in_their_folders_and_there_are_no_models():
    reader = ForeignReader(SlowLogs(), "W&B")
    places = ForeignPlaces(reader.origins, "/f")
    assert places.places_of_run("a", "x/y") == [ArtifactPlace("/f", "x/y")]
    assert [one.run_id for one in places.origins(["a"])] == ["a"]
    assert (places.places_of_versions([("m", "1")]), places.logged_models(["m-1"])) == ([[]], [])
    for ask in (lambda: places.places_of_run("gone", ""), lambda: places.places_of_version("m", "1")):
        with pytest.raises(NotFound):
            ask()


def test_the_packages_that_are_named_are_those_of_the_extra():
    extra = tomllib.loads(Path(__file__).parents[4].joinpath("pyproject.toml").read_text(encoding="utf-8"))
    assert sorted(extras.PACKAGES.values()) == sorted(extra["project"]["optional-dependencies"]["trackers"])


@pytest.mark.parametrize("name", ["/etc", "..", "../../..", "a/../../../../../etc", "a\0b", "a//b"])
def test_a_trackio_run_whose_name_leads_elsewhere_shows_no_file_of_there(tmp_path, name):
    connection = trackio_project(tmp_path / "digits.db")
    trackio_points(connection, "r1", [{"loss": 1.0}], name)
    connection.close()
    reader = open_reader(RegistrySource(TrackerKind.TRACKIO, "trackio:x", "Trackio", tmp_path / "digits.db"))
    (run,) = every_run(reader)
    assert [one.artifact_uri for one in reader.origins([run])] == [None]


def test_a_trackio_run_with_a_plain_name_keeps_its_files(tmp_path):
    connection = trackio_project(tmp_path / "digits.db")
    trackio_points(connection, "r1", [{"loss": 1.0}], "night/first")
    connection.close()
    reader = open_reader(RegistrySource(TrackerKind.TRACKIO, "trackio:x", "Trackio", tmp_path))
    (run,) = every_run(reader)
    assert [one.artifact_uri for one in reader.origins([run])] == [str(tmp_path / "media/digits/night/first")]


def every_run(reader):
    return [run_id for batch in reader.batches() for run_id in batch.run_ids]


@pytest.mark.parametrize("kind", [TrackerKind.TRACKIO, TrackerKind.WANDB, TrackerKind.TENSORBOARD])
def test_files_of_a_foreign_run_are_reached_from_the_root_of_its_tracker_alone(tmp_path, kind):
    (tmp_path / "logs" / "run").mkdir(parents=True)
    registry = RegistrySource(kind, "x", "x", tmp_path / "logs")
    inside = source_of(ArtifactPlace(str(tmp_path / "logs/run"), "plots"), registry, tmp_path)
    assert (inside.root, inside.base) == (str(tmp_path / "logs"), "run/plots")
    for place in ("/etc", str(tmp_path), str(tmp_path / "logs/../.."), "file:///etc"):
        with pytest.raises(Refused, match="lies outside"):
            source_of(ArtifactPlace(place, ""), registry, tmp_path)


def test_a_link_in_the_place_of_a_foreign_run_s_folder_is_not_followed(tmp_path):
    logs, secret = tmp_path / "logs", tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("x")
    logs.mkdir()
    (logs / "run").symlink_to(secret)
    registry = RegistrySource(TrackerKind.WANDB, "x", "x", logs)
    source = source_of(ArtifactPlace(str(logs / "run"), ""), registry, tmp_path)
    with pytest.raises(Refused, match="link"):
        FolderFiles(source.root).list(source.base)
    with pytest.raises(Refused, match="link"):
        listed(logs, str(logs / "run"), "")
