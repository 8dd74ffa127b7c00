"""A run's word about its dataset opens nothing outside the job's own mounts."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.drift.reference_dataset import ReferenceParts, address_of, on_host, reference_file
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.spec import JobSpec, Mount
from mlops_desk.kit.base.errors import DeskError, NotFound, Refused, Unavailable
from mlops_desk.registry.records.model import DatasetInput
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState, ModelRef


def job(*mounts: Mount) -> Job:
    return Job("j1", "train", JobState.SUCCEEDED, JobSpec("train", "image", mounts=mounts), 0.0, 0, "me")


def dataset(source: str) -> DatasetInput:
    return DatasetInput("iris", "abc", "training", "local", source)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "iris.csv").write_text("x\n1\n")
    (tmp_path / "data" / "deep" / "b.csv").write_text("x\n1\n")
    (tmp_path / "secret.csv").write_text("x\n1\n")
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('{"uri": "/data/iris.csv"}', "/data/iris.csv"),
        ('{"uri": "file:///data/iris.csv"}', "/data/iris.csv"),
        ('{"url": "https://h/x.csv"}', "https://h/x.csv"),
        ("/data/iris.csv", "/data/iris.csv"),
    ],
)
def test_mlflow_tells_the_address_in_several_shapes(source: str, expected: str) -> None:
    assert address_of(dataset(source)) == expected


def test_a_path_is_found_through_the_innermost_mount(data: Path) -> None:
    found = on_host("/data/deep/b.csv", job(Mount("/nowhere", "/data"), Mount(str(data / "deep"), "/data/deep")), "")
    assert found == data / "deep" / "b.csv"


def test_a_mounted_file_is_found(data: Path) -> None:
    assert on_host("/in.csv", job(Mount(str(data / "iris.csv"), "/in.csv")), "") == data / "iris.csv"


@pytest.mark.parametrize("where", ["/data/../secret.csv", "/data/link.csv", "/data/deep/../../secret.csv"])
def test_a_path_that_leaves_its_mount_is_refused(data: Path, where: str) -> None:
    (data / "link.csv").symlink_to(data.parent / "secret.csv")
    with pytest.raises(Refused):
        on_host(where, job(Mount(str(data), "/data")), "hint")


@given(st.text(max_size=60))
def test_no_text_opens_anything_outside(tmp_path_factory: pytest.TempPathFactory, where: str) -> None:
    top = tmp_path_factory.mktemp("m")
    (top / "a").write_text("")
    try:
        found = on_host("/data/" + where.replace("\0", ""), job(Mount(str(top), "/data")), "")
    except (DeskError, OSError):
        return
    assert found.is_relative_to(top)


def test_an_artifact_is_fetched_once(tmp_path: Path) -> None:
    fetched = []

    def download(uri: str, folder: Path) -> Path:
        fetched.append(uri)
        (folder / "reference.parquet").write_text("")
        return folder / "reference.parquet"

    parts = ReferenceParts(
        lambda _run: dataset('{"uri": "runs:/r/data/reference.parquet"}'), lambda _run: None, download
    )
    endpoint = Endpoint("e", EndpointState.LIVE, None, 1, ModelRef("m", "1", "models:/m/1", run_id="r"))
    first = reference_file(endpoint, tmp_path, parts)
    assert reference_file(endpoint, tmp_path, parts) == first
    assert fetched == ["runs:/r/data/reference.parquet"]
    with pytest.raises(NotFound, match="names no run"):
        reference_file(replace(endpoint, model=ModelRef("m", "1", "u")), tmp_path, parts)


@pytest.mark.parametrize("digest", ["..", ".", "", "abc", "../..", "\ud800"])
def test_whatever_a_run_calls_its_data_they_lie_in_a_folder_of_their_own(tmp_path: Path, digest: str) -> None:
    cache = tmp_path / "cache"
    (cache / "another").mkdir(parents=True)
    (cache / "another" / "secret.csv").write_text("secret")
    (tmp_path / "endpoint.json").write_text("{}")

    def told(_run: str) -> DatasetInput:
        return replace(dataset('{"uri": "runs:/r/data/a.csv"}'), digest=digest)

    parts = ReferenceParts(told, lambda _run: None, lambda _uri, folder: _written(folder / "a.csv", "mine"))
    endpoint = Endpoint("e", EndpointState.LIVE, None, 1, ModelRef("m", "1", "models:/m/1", run_id="r"))
    found = reference_file(endpoint, cache, parts)
    assert found.read_text() == "mine"
    assert found.parent.parent == cache


def test_what_broke_off_while_it_was_fetched_is_fetched_again(tmp_path: Path) -> None:
    def breaks(_uri: str, folder: Path) -> Path:
        _written(folder / "a.csv", "ha")
        raise Unavailable("The registry is gone.")

    endpoint = Endpoint("e", EndpointState.LIVE, None, 1, ModelRef("m", "1", "models:/m/1", run_id="r"))
    parts = ReferenceParts(lambda _run: dataset('{"uri": "runs:/r/a.csv"}'), lambda _run: None, breaks)
    with pytest.raises(Unavailable):
        reference_file(endpoint, tmp_path, parts)
    whole = replace(parts, download=lambda _uri, folder: _written(folder / "a.csv", "whole"))
    assert reference_file(endpoint, tmp_path, whole).read_text() == "whole"
    other = replace(whole, dataset=lambda _run: dataset('{"uri": "runs:/r/b.csv"}'), download=breaks)
    with pytest.raises(Unavailable):
        reference_file(endpoint, tmp_path, other)
    assert len(list(tmp_path.rglob("*.csv"))) == 1


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_local_path_of_an_unknown_job_is_not_opened(data: Path, tmp_path: Path) -> None:
    parts = ReferenceParts(
        lambda _run: dataset(json.dumps({"uri": str(data / "iris.csv")})), lambda _run: None, lambda *_: tmp_path
    )
    endpoint = Endpoint("e", EndpointState.LIVE, None, 1, ModelRef("m", "1", "models:/m/1", run_id="r"))
    with pytest.raises(NotFound, match="does not know"):
        reference_file(endpoint, tmp_path, parts)
