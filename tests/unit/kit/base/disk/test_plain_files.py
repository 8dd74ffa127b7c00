"""Pipes and devices where a person's or a stranger's folder should have a file: nothing waits for them."""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from mlops_desk.automation.ci import metrics as ci_metrics
from mlops_desk.automation.rules.pipeline import hashing
from mlops_desk.automation.watch_workers import dvc_worker
from mlops_desk.drift.data.file_formats import data_files_of, kind_of
from mlops_desk.drift.profile.file_format import read_profile
from mlops_desk.governance.evidence import worker as evidence
from mlops_desk.jobs.provenance import data as mounted_data
from mlops_desk.jobs.provenance.archive import reader as capsule
from mlops_desk.jobs.provenance.source import folder as source
from mlops_desk.jobs.templates import Templates
from mlops_desk.kit.base.disk.files import NotPlainError, check_sqlite, open_plain, plain_descriptor
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.storage.queries import query_reader
from mlops_desk.registry.artifacts.worker import FolderFiles
from mlops_desk.registry.doctor.sqlite_reader import QuietStore
from mlops_desk.registry.foreign.reader_factory import open_reader
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.tracker import TrackerKind
from mlops_desk.registry.store.sqlite.connection import SqliteConnection
from mlops_desk.registry.trackers.trackers import recognise
from mlops_desk.registry.transfer import archive as exported
from mlops_desk.serving.image.model_files import read_model
from mlops_desk.serving.templates.adapters.triton import read_graph
from tests.foreign_runs import trackio_project

PIPES: list[Path] = []


@pytest.fixture(autouse=True)
def _deadline() -> Iterator[None]:
    """Let go of whoever waits for a pipe after a minute, in a library too, and fail then."""
    PIPES.clear()
    late: list[Path] = []

    def let_go() -> None:
        for path in PIPES:
            with suppress(OSError):  # nobody reads it
                os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
                late.append(path)

    watch = threading.Timer(60, let_go)
    watch.start()
    yield
    watch.cancel()
    assert not late, "it was waited for"


def pipe(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    PIPES.append(path)
    return path


def runs_of(kind: TrackerKind, path: Path) -> None:
    reader = open_reader(RegistrySource(kind, "x", "x", path))
    for _ in reader.batches():
        pass


def database(path: Path, beside: str) -> Path:
    trackio_project(path).close()
    pipe(path.with_name(path.name + beside))
    return path


def query(path: Path) -> None:
    with query_reader.asked(f"sqlite:///{path}", "SELECT 1", 5.0) as answer:
        list(answer.batches)


def archived(opened: Callable[[Any], Any], path: object) -> None:
    with opened(path):
        pass


FOLDERS: dict[str, Callable[[Path], object]] = {
    "TensorBoard": lambda at: runs_of(TrackerKind.TENSORBOARD, pipe(at / "run/events.out.tfevents.1.a").parent.parent),
    "W&B": lambda at: runs_of(TrackerKind.WANDB, pipe(at / "wandb/run-1/run-1.wandb").parents[2]),
    "Trackio": lambda at: runs_of(TrackerKind.TRACKIO, pipe(at / "p.db").parent),
    "Trackio's journal": lambda at: runs_of(TrackerKind.TRACKIO, database(at / "p.db", "-journal")),
    "Trackio's log": lambda at: runs_of(TrackerKind.TRACKIO, database(at / "p.db", "-wal")),
    "a folder that is added": lambda at: recognise(pipe(at / "p.db").parent),
    "a database that is added": lambda at: recognise(database(at / "p.db", "-journal")),
    "a file that is added": lambda at: recognise(pipe(at / "p.db")),
    "MLflow's folder": lambda at: recognise(pipe(at / "0/meta.yaml").parents[1]),
    "a store of MLflow's": lambda at: SqliteConnection(database(at / "mlflow.db", "-journal")).rows("SELECT 1"),
    "a store that is examined": lambda at: QuietStore(database(at / "mlflow.db", "-wal")),
    "a database that is asked": lambda at: query(database(at / "d.db", "-journal")),
    "artifacts": lambda at: archived(lambda name: FolderFiles(str(at)).open(name, 10), pipe(at / "model.bin").name),
    "a capsule": lambda at: archived(capsule.opened, str(pipe(at / "x.mldcapsule"))),
    "an exported version": lambda at: archived(exported.opened, pipe(at / "x.zip")),
    "an evidence pack": lambda at: evidence.work({"file": str(pipe(at / "x.zip"))}),
    "code": lambda at: source.open_beneath(str(at), pipe(at / "train.py").name),
    "what code ignores": lambda at: source.listing(str(pipe(at / ".mldignore").parent), None),
    "metrics of a stage": lambda at: ci_metrics.answer({"folder": str(at), "path": pipe(at / "m.json").name}),
    "mounted data": lambda at: mounted_data.manifest({"sources": [str(pipe(at / "d").parent)], "whole_bytes": 9,
                                                      "seconds": 5}),
    "frozen data": lambda at: hashing.manifest({str(pipe(at / "d").parent): "/data"}, {}),
    "data of drift": lambda at: data_files_of(pipe(at / "d.csv").parent, "d"),
    "a file of drift": lambda at: kind_of(pipe(at / "d.csv")),
    "a profile": lambda at: read_profile(pipe(at / "p.profile")),
    "DVC": lambda at: dvc_worker.answer({"file": str(pipe(at / "data.dvc")), "ref": None, "output": None}),
    "a model": lambda at: read_model(pipe(at / "MLmodel").parent),
    "a graph": lambda at: read_graph(pipe(at / "model.onnx")),
    "templates": lambda at: Templates(pipe(at / "0/mine.yaml").parents[1]).all(0),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("what", FOLDERS)
def test_a_pipe_in_a_folder_is_never_waited_for(what, tmp_path):
    with suppress(DeskError, OSError):  # each says in its own way that there is no file, or leaves it out
        FOLDERS[what](tmp_path)


@pytest.mark.parametrize("place", ["/dev/zero", "/dev/null", "/tmp"])
def test_what_is_no_file_is_not_opened(place):
    with pytest.raises(NotPlainError, match="it is no plain file"):
        open_plain(place)


def test_a_device_is_not_even_opened():
    def opened(*_arguments: object, **_more: object) -> int:
        raise AssertionError("it was opened")

    with pytest.raises(NotPlainError):
        plain_descriptor("/dev/zero", opened=opened)


def test_a_link_is_followed_where_it_may_be_alone(tmp_path):
    (tmp_path / "a").write_text("x")
    (tmp_path / "b").symlink_to("a")
    pipe(tmp_path / "c")
    (tmp_path / "d").symlink_to("c")
    with pytest.raises(OSError, match="symbolic links"):
        open_plain(tmp_path / "b")
    with pytest.raises(NotPlainError):
        open_plain(tmp_path / "d", links=True)
    with open_plain(tmp_path / "b", links=True) as file:
        assert file.read() == b"x"


def test_looking_at_a_database_takes_no_lock_from_it(tmp_path):
    with closing(sqlite3.connect(tmp_path / "d.db")) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.execute("BEGIN IMMEDIATE")
        check_sqlite(tmp_path / "d.db")
        other = sqlite3.connect(tmp_path / "d.db", timeout=0.1)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()
