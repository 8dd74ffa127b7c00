"""What a data set without a source is found to be: a profile of its run, a file of the job's mounts, another's source."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from mlops_desk.drift.data import pandas_digest
from mlops_desk.drift.profile.file_format import to_bytes
from mlops_desk.drift.reference_search import ReferenceSearch
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.spec import JobSpec, Mount
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.registry.records.model import DatasetInput, Experiment, Run
from tests.unit.drift.test_registry_profiles import Store, reference_profile

CODE = '{"tags": {"mlflow.source.name": "train.py"}}'
ROWS = "b,a\n1,x\n2,NA\n3,y\n"


class World:
    """A registry with the runs r (older) and s of one experiment, and the job of both."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store()
        self.mount = folder / "mount"
        self.mount.mkdir()
        self.logged: dict[str, list[DatasetInput]] = {"r": [self.bare()], "s": []}
        self.looks = 0
        self.answer: dict[str, str] | Exception | None = None
        self.now = 0.0
        reader = SimpleNamespace(
            run=lambda run_id: Run(run_id, None, "FINISHED", 1, experiment_id="1"),
            experiments=lambda: [Experiment("1", "iris")],
            runs=lambda _name, limit: [Run(one, None, "FINISHED", 1) for one in ("s", "r")][:limit],
            datasets=lambda run_id: self.logged[run_id],
        )
        registries = SimpleNamespace(
            read=lambda _uri: reader,
            download=lambda uri, _kind, named, into, limit: self.store.download(*named, into, uri, limit),
        )
        core = SimpleNamespace(
            shelf=SimpleNamespace(listed_of_run=self.store.listed),
            registries=registries,
            log_file=None,
            download_artifact=None,
        )
        self.search = ReferenceSearch(core, folder / "cache", self.job, self.run, lambda: self.now)  # type: ignore[arg-type]  # of the core it asks these alone

    def bare(self) -> DatasetInput:
        (self.folder / "asked.csv").write_text(ROWS)
        digest = pandas_digest.digest_of(pd.read_csv(self.folder / "asked.csv"))
        return DatasetInput("rows", digest, "training", "code", CODE)

    def job(self, run_id: str) -> Job:
        spec = JobSpec("train", "image", mounts=(Mount(str(self.mount), "/data"),))
        return Job(f"job-{run_id}", "train", JobState.SUCCEEDED, spec, 0.0, 0, "me")

    def run(self, module: str, request: Mapping[str, Any], _seconds: float) -> Any:
        assert module == "mlops_desk.drift.data.pandas_digest"
        self.looks += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            return self.answer
        return pandas_digest.answer(dict(request))

    def found(self) -> Any:
        self.now += 1000.0
        return self.search.find("r", None, self.logged["r"][0])


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_each_way_is_gone_in_its_order_and_says_which_it_was(world: World) -> None:
    assert world.found() is None
    (world.mount / "elsewhere.csv").write_text("not,a\nfit,1\n")
    named = replace(world.bare(), name="later", source=json.dumps({"uri": "/data/elsewhere.csv"}))
    world.logged["s"] = [named]
    other = world.found()
    assert other.path == world.mount / "elsewhere.csv"
    assert "run s names" in other.told
    (world.mount / "train.csv").write_text(ROWS)
    mounted = world.found()
    assert (mounted.path, mounted.seen) == (world.mount / "train.csv", "/data/train.csv")
    assert "/data/train.csv of job job-r" in mounted.told
    world.store.files["drift/reference.profile"] = to_bytes(reference_profile())
    profile = world.found()
    assert profile.path.read_bytes() == to_bytes(reference_profile())
    assert "kept with its run" in profile.told
    assert world.search.told("r", profile.path) == profile.told
    assert world.search.told("s", profile.path) is None


def test_a_profile_that_is_broken_or_of_other_data_is_passed_over(world: World) -> None:
    world.store.files["drift/reference.profile"] = b"no profile"
    world.store.files["drift/reference-other-0123456789abcdef.profile"] = to_bytes(reference_profile())
    assert world.found() is None


def test_another_runs_source_outside_of_its_jobs_mounts_opens_nothing(world: World) -> None:
    world.logged["s"] = [replace(world.bare(), source=json.dumps({"uri": "/data/../asked.csv"}))]
    assert world.found() is None


def test_files_are_not_read_again_for_each_who_asks(world: World) -> None:
    assert world.found() is None
    assert world.search.find("r", None, world.logged["r"][0]) is None
    assert world.looks == 1


def test_what_the_worker_names_outside_of_the_mount_is_not_opened(world: World) -> None:
    world.answer = {"path": str(world.folder / "asked.csv")}
    assert world.found() is None


def test_another_runs_data_set_of_another_digest_is_none_of_it(world: World) -> None:
    (world.mount / "elsewhere.csv").write_text("not,a\nfit,1\n")
    source = json.dumps({"uri": "/data/elsewhere.csv"})
    world.logged["s"] = [replace(world.bare(), digest="0" * 8, source=source)]
    assert world.found() is None


def test_a_file_that_is_gone_is_looked_for_anew_whatever_was_found_before(world: World) -> None:
    (world.mount / "train.csv").write_text(ROWS)
    assert world.found().path == world.mount / "train.csv"
    (world.mount / "train.csv").rename(world.mount / "moved.csv")
    assert world.search.find("r", None, world.logged["r"][0]).path == world.mount / "moved.csv"  # type: ignore[union-attr]  # it is there


def test_a_profile_that_a_desk_has_left_is_for_when_the_file_is_gone(world: World) -> None:
    digest = world.logged["r"][0].digest
    name = f"drift/reference-{digest}-0123456789abcdef.profile"
    world.store.files[name] = to_bytes(reference_profile())
    (world.mount / "train.csv").write_text(ROWS)
    assert world.found().path == world.mount / "train.csv"
    (world.mount / "train.csv").unlink()
    assert world.found().told == f"the profile {name} that is kept with its run"


def test_of_a_logged_profile_it_is_known_where_its_data_lay(world: World) -> None:
    """A retraining holds the file in that place of the new data against it."""
    world.store.files["drift/reference.profile"] = to_bytes(reference_profile())
    assert world.found().seen is None
    (world.mount / "train.csv").write_text(ROWS)
    assert world.found().seen == "/data/train.csv"
    world.answer = Unavailable("The mount hangs.")
    assert world.found().seen is None
