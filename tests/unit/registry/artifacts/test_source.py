"""From where files are read: what may be, exactly, and that everything else is refused before anything is looked up."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import DeskError, Refused
from mlops_desk.registry.artifacts.source import FilesSource, source_of
from mlops_desk.registry.location import shown_location
from mlops_desk.registry.mlflow.file_locations import ArtifactPlace
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.tracker import TrackerKind

OWN = Path("/data/mlflow/artifacts")
URI = {
    TrackerKind.OWN: "http://127.0.0.1:5001", TrackerKind.HTTP: "https://tracking.lab:5000",
    TrackerKind.SQLITE: "sqlite:////home/me/mlflow.db", TrackerKind.FOLDER: "/home/me/mlruns",
    TrackerKind.DATABASE: "postgresql://db/mlflow",
}  # fmt: skip


def registry(kind: TrackerKind) -> RegistrySource:
    return RegistrySource(kind, URI[kind], URI[kind], headers={"Authorization": "Bearer t"})


def found(location: str, kind: TrackerKind = TrackerKind.HTTP, path: str = "") -> FilesSource | None:
    return source_of(ArtifactPlace(location, path), registry(kind), OWN)


def test_the_desks_own_files_are_read_from_its_folder_and_nothing_is_sent_anywhere() -> None:
    place = "mlflow-artifacts:/3/abc/artifacts"
    assert found(place, TrackerKind.OWN, "model") == FilesSource(f"{OWN}/3/abc/artifacts", "model")


@pytest.mark.parametrize(
    "location",
    ["file:///etc", "/etc", "mlflow-artifacts:/../../etc", "mlflow-artifacts:/%2e%2e/x", "mlflow-artifacts://other/x",
     "mlflow-artifacts:/a/../../b", "mlflow-artifacts:/%252e%252e/b", "s3://bucket/x", "http://127.0.0.1:5001/x",
     "MLFLOW-ARTIFACTS:/x", "mlflow-artifacts:/a?b=1", "mlflow-artifacts:/a#b", "mlflow-artifacts:/a\\..\\b"],
)  # fmt: skip
def test_a_row_of_our_own_server_that_names_another_place_is_refused(location: str) -> None:
    with pytest.raises(Refused):
        found(location, TrackerKind.OWN)


@pytest.mark.parametrize("kind", [TrackerKind.SQLITE, TrackerKind.FOLDER, TrackerKind.DATABASE])
@pytest.mark.parametrize(
    "location", ["/home/me/runs/1/a%20b", "file:///home/me/runs/1/a%2520b", "FILE:///home/me/runs/1/a%2520b"]
)
def test_a_store_on_this_machine_names_folders_by_path_or_by_address(kind: TrackerKind, location: str) -> None:
    assert found(location, kind) == FilesSource("/home/me/runs/1/a%20b", "")


@pytest.mark.parametrize("location", ["file://other.host/etc", "runs/1", "file:relative", "file:///a%00b", ""])
def test_a_folder_that_is_none_of_this_machine_by_its_whole_path_is_refused(location: str) -> None:
    with pytest.raises(Refused):
        found(location, TrackerKind.SQLITE)


def test_another_servers_own_store_is_asked_with_its_login() -> None:
    source = found("mlflow-artifacts:/3/abc/artifacts", path="model")
    assert source is not None
    assert source.url == "https://tracking.lab:5000/api/2.0/mlflow-artifacts/artifacts"
    assert (source.root, source.base, dict(source.headers)) == (
        "3/abc/artifacts",
        "model",
        {"Authorization": "Bearer t"},
    )
    same = found("https://tracking.lab:5000/api/2.0/mlflow-artifacts/artifacts/3/abc/artifacts", path="model")
    assert same == source
    assert found("mlflow-artifacts://tracking.lab:5000/3/abc/artifacts", path="model") == source


@pytest.mark.parametrize(
    "location",
    ["/home/me/.ssh", "file:///home/me/.ssh", "https://elsewhere/api/2.0/mlflow-artifacts/artifacts/x",
     "mlflow-artifacts://elsewhere/x", "mlflow-artifacts://tracking.lab:1/x", "https://tracking.lab:5000/other/x",
     "mlflow-artifacts:/../x", "mlflow-artifacts:/%2e%2e/x"],
)  # fmt: skip
def test_a_server_sends_nobody_to_this_disk_to_another_host_or_upwards(location: str) -> None:
    with pytest.raises(Refused):
        found(location)


@pytest.mark.parametrize("location", ["s3://bucket/x", "gs://b/x", "wasbs://c@a/x", "dbfs:/x", "hdfs://h/x"])
def test_what_lies_in_a_cloud_is_left_to_mlflow(location: str) -> None:
    assert found(location) is None


@given(st.text(max_size=60), st.sampled_from(sorted(URI)))
@example("mlflow-artifacts:/..%2f..", TrackerKind.OWN)
@example("http://[", TrackerKind.HTTP)
def test_no_location_leads_out_of_its_store(location: str, kind: TrackerKind) -> None:
    try:
        source = found(location, kind)
    except DeskError:
        return
    if source is not None and kind is TrackerKind.OWN:
        assert source.root.startswith(f"{OWN}/") or source.root == str(OWN)
        assert ".." not in Path(source.root).parts
    if source is not None and kind is TrackerKind.HTTP:
        assert source.url is not None
        assert source.url.startswith(URI[kind])


@pytest.mark.parametrize("location", ["ftp://me:hunter2@h/x", "sftp://hunter2@h/x?a=hunter2", "http://u:hunter2@h/y"])
def test_no_login_of_a_store_of_files_is_told(location: str) -> None:
    assert "hunter2" not in shown_location(location)
    if not location.startswith("http"):
        assert found(location) is None, "MLflow fetches from there"
    for kind in (TrackerKind.OWN, TrackerKind.HTTP) if location.startswith("http") else (TrackerKind.OWN,):
        with pytest.raises(Refused) as caught:
            found(location, kind)
        assert "hunter2" not in caught.value.message


def test_a_version_that_lies_at_the_root_is_refused_by_name() -> None:
    with pytest.raises(Refused, match=r"^/ names no folder"):
        found("", TrackerKind.SQLITE, "etc")
