"""Data of runs and passwords of databases, as a monitor's look is given them."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from mlops_desk.desk.drift_composition import MonitorSources, SourceParts
from mlops_desk.drift.records.monitors import Monitor
from mlops_desk.drift.records.sources import Source, SourceKind
from mlops_desk.kit.base.errors import Invalid, NotFound
from mlops_desk.registry.records.model import Artifact, DatasetInput


class Run:
    """A run with a table that grows, and a data set."""

    def __init__(self):
        self.size = 100
        self.datasets = []
        self.downloaded = []
        self.sources = MonitorSources(
            SourceParts(
                log_place=lambda name: (f"/log/{name}", (1, 2), 5.0),
                datasets=lambda _run: self.datasets,
                listed=lambda _run, parent: [Artifact(f"{parent}/t.json".lstrip("/"), False, self.size)],
                download=self._download,
                secret=lambda uid, name: f"{uid} {name} p\u00e4ss\r\n".encode(),
            )
        )

    def _download(self, run_id, path, folder):
        self.downloaded.append((run_id, path))
        return SimpleNamespace(path=f"{folder}/{path}")

    def fetched(self, name, folder, is_kept=True):
        monitor = Monitor("m", "evals", Source(SourceKind.MLFLOW, "r1", name))
        found = self.sources.fetched(monitor, folder)
        if is_kept:
            self.sources.settled(monitor)
        return found


def test_a_table_of_a_run_is_fetched_when_it_has_grown(tmp_path):
    run = Run()
    assert run.fetched("t.json", tmp_path) == tmp_path / "t.json"
    assert run.fetched("t.json", tmp_path) is None
    run.size = 200
    assert run.fetched("t.json", tmp_path) is not None
    run.size = None
    assert run.fetched("t.json", tmp_path) is not None
    assert run.fetched("t.json", tmp_path) is not None
    assert run.downloaded == [("r1", "t.json")] * 4


def test_what_was_fetched_and_could_not_be_kept_is_fetched_again(tmp_path):
    """A full disk, or a look that had no time for all of it: the table itself does not grow meanwhile."""
    run = Run()
    assert run.fetched("t.json", tmp_path, is_kept=False) is not None
    assert run.fetched("t.json", tmp_path) is not None
    assert run.fetched("t.json", tmp_path) is None


def test_what_was_judged_before_the_store_was_lost_is_no_news():
    run = Run()
    monitor = Monitor("m", "evals", Source(SourceKind.LOG, "digits"), created_at=200_000.0)
    assert run.sources.log_place(monitor).since == 200_000.0 - 86_400.0
    assert run.sources.log_place(replace(monitor, begun_at=250_000.5)).since == 250_000.5


def test_a_fetch_that_fails_is_tried_again(tmp_path):
    run = Run()

    def fails(*_):
        raise NotFound("gone")

    run.sources._parts = SourceParts(
        run.sources._parts.log_place, run.sources._parts.datasets, run.sources._parts.listed, fails,
        run.sources._parts.secret,
    )  # fmt: skip
    for _ in range(2):
        with pytest.raises(NotFound):
            run.fetched("t.json", tmp_path)


def test_a_data_set_is_where_the_run_says_as_long_as_that_is_among_its_files(tmp_path):
    run = Run()
    run.datasets = [DatasetInput("train", "d", None, "local", "runs:/r2/data/t.json")]
    assert run.fetched("train", tmp_path) is not None
    assert run.downloaded == [("r2", "data/t.json")]
    run.datasets = [DatasetInput("train", "d", None, "local", '{"uri": "/etc/passwd"}')]
    with pytest.raises(Invalid, match="does not lie among"):
        run.fetched("train", tmp_path)
    with pytest.raises(NotFound, match="neither a data set nor a file other"):
        run.fetched("other", tmp_path)


def test_a_password_is_that_of_who_made_the_monitor():
    run = Run()
    source = Source(SourceKind.SQL, "postgresql://me@h/d", "SELECT 1", watermark="id", login="shop")
    assert run.sources.password(Monitor("m", "o", source, created_by=7)) == "7 shop p\u00e4ss"
    assert run.sources.password(Monitor("m", "o", Source(SourceKind.SQL, "x"), created_by=7)) is None
    assert run.sources.log_place(Monitor("m", "o", Source(SourceKind.LOG, "e"), created_at=90_000.0)).since == 3600.0
