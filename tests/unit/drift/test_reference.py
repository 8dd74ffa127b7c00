"""From what MLflow logged about a dataset to its file on this host."""

import json
import os

import pytest

from mlops_desk.base.errors import Unavailable
from mlops_desk.drift.reference import locate
from mlops_desk.records.job import Mount
from mlops_desk.records.model import DatasetInput


def dataset(source):
    text = source if isinstance(source, str) else json.dumps(source)
    return DatasetInput("train", "abc", "training", "local", text)


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "host"
    (folder / "deep").mkdir(parents=True)
    for name in ("train.parquet", "deep/train.parquet"):
        (folder / name).write_text("data")
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    return folder


@pytest.mark.parametrize(
    "source",
    [{"uri": "/data/train.parquet"}, {"uri": "file:///data/train.parquet"}, {"path": "/data/./x/../train.parquet"},
     "/data/train.parquet", {"uri": "/data//train.parquet"}],
)  # fmt: skip
def test_a_path_in_the_container_is_found_through_its_mount(data, source):
    assert locate(dataset(source), [Mount(str(data), "/data")]) == data / "train.parquet"


def test_the_deepest_mount_wins_and_a_file_may_be_mounted_alone(data):
    mounts = [Mount("/nowhere", "/data"), Mount(str(data / "deep"), "/data/in/")]
    assert locate(dataset({"uri": "/data/in/train.parquet"}), mounts) == data / "deep/train.parquet"
    alone = [Mount(str(data / "train.parquet"), "/train.parquet")]
    assert locate(dataset({"uri": "/train.parquet"}), alone) == data / "train.parquet"


@pytest.mark.parametrize(
    "path", ["/data/../secret", "/data/link", "/data/none", "/database/train.parquet", "/data", "/", "/etc/passwd"]
)
def test_a_path_never_leaves_its_mount(data, path):
    with pytest.raises(Unavailable, match="mounted"):
        locate(dataset({"uri": path}), [Mount(str(data), "/data")])


def test_without_a_job_the_path_is_one_of_this_host(data):
    assert locate(dataset({"uri": str(data / "train.parquet")}), None) == data / "train.parquet"
    with pytest.raises(Unavailable):
        locate(dataset({"uri": str(data / "none")}), None)


def test_a_privileged_agent_opens_no_secrets(data, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 0)
    (data / "train.parquet").chmod(0o600)
    with pytest.raises(Unavailable):
        locate(dataset({"uri": str(data / "train.parquet")}), None)


@pytest.mark.parametrize("uri", ["mlflow-artifacts:/1/2/artifacts/train.parquet", "runs:/abc/train.parquet"])
def test_an_artifact_is_to_be_downloaded(uri):
    assert locate(dataset({"uri": uri}), []) == uri


@pytest.mark.parametrize(
    "source",
    [{"uri": "s3://bucket/train.parquet"}, {"url": "https://host/train.csv"}, {"tags": {"mlflow.source.name": "x"}},
     {"uri": 5}, {"uri": "train.parquet"}, "", "[1", "[]", "null"],
)  # fmt: skip
def test_what_is_no_file_is_said_with_a_hint(source):
    with pytest.raises(Unavailable) as caught:
        locate(dataset(source), [])
    assert caught.value.hint
