"""A saved image with a model in it: a layout whose every sum holds, the packages in it, and the same bytes again."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from mlops_desk.engines.fake import FakeEngine
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.serving.export.layout import Baked, serving_config
from mlops_desk.serving.export.packages import Package, Packages
from mlops_desk.serving.export.worker import bake

TAG = "mlops-desk-export/front:r1"


def tar(files: dict[str, bytes]) -> io.BytesIO:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    made.seek(0)
    return made


def told(name: str, version: str = "1.0", more: str = "") -> bytes:
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}\nREADME\nName: none\n".encode()


def contents(archive: tarfile.TarFile) -> dict[str, bytes]:
    return {one.name: file.read() for one in archive if (file := archive.extractfile(one)) is not None}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "data").mkdir(parents=True)
    (folder / "MLmodel").write_text("{}")
    (folder / "data" / "weights").write_bytes(b"w" * 5000)
    (folder / "way out").symlink_to("/etc/passwd")
    return folder


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    FakeEngine(images=["python:3.12-slim"]).save_image("python:3.12-slim", tmp_path / "saved.tar", 10)
    return tmp_path / "saved.tar"


def baked(tmp_path: Path, saved: Path, model: Path, name: str = "out.tar") -> tuple[Baked, dict[str, bytes]]:
    done = bake(saved, model, b"print()", tmp_path / name, TAG, {"title": "x"}, 1_800_000_000.0)
    with tarfile.open(tmp_path / name) as archive:
        return done, contents(archive)


def test_every_blob_is_what_it_is_called_and_everything_leads_to_one(tmp_path: Path, saved: Path, model: Path) -> None:
    done, files = baked(tmp_path, saved, model)
    blobs = {name.rpartition("/")[2]: data for name, data in files.items() if name.startswith("blobs/")}
    assert all(hashlib.sha256(data).hexdigest() == name for name, data in blobs.items())
    (entry,) = json.loads(files["index.json"])["manifests"]
    assert entry["digest"] == done.digest
    assert entry["annotations"]["org.opencontainers.image.ref.name"] == TAG
    manifest = json.loads(blobs[done.digest.removeprefix("sha256:")])
    layers = [blobs[one["digest"].removeprefix("sha256:")] for one in manifest["layers"]]
    assert [len(layer) for layer in layers] == [one["size"] for one in manifest["layers"]]
    config = json.loads(blobs[manifest["config"]["digest"].removeprefix("sha256:")])
    assert config["rootfs"]["diff_ids"] == [one["digest"] for one in manifest["layers"]], "none is compressed"
    assert config["config"]["Entrypoint"] == ["python3", "/opt/mlops-desk/serve.py"]
    assert config["config"]["User"] == "65534:65534"
    (docker,) = json.loads(files["manifest.json"])
    assert docker["RepoTags"] == [TAG]
    assert hashlib.sha256(files[docker["Config"]]).hexdigest() == done.id.removeprefix("sha256:")


def test_the_model_is_in_the_last_layer_without_its_links(tmp_path: Path, saved: Path, model: Path) -> None:
    _, files = baked(tmp_path, saved, model)
    (docker,) = json.loads(files["manifest.json"])
    with tarfile.open(fileobj=io.BytesIO(files[docker["Layers"][-1]])) as layer:
        modes = [one.mode for one in layer]
        found = contents(layer)
    names = {"opt/mlops-desk/serve.py", "opt/mlops-desk/sbom.cdx.json", "model/MLmodel", "model/data/weights"}
    assert found.keys() == names
    assert all(mode & 0o044 == 0o044 for mode in modes), "any user reads it"
    listed = json.loads(found["opt/mlops-desk/sbom.cdx.json"])
    assert listed["bomFormat"] == "CycloneDX"
    (component,) = listed["components"]
    assert component["purl"] == "pkg:pypi/fake-package@1.0"
    assert component["licenses"] == [{"license": {"name": "MIT"}}]


def test_the_same_image_and_model_give_the_same_bytes(tmp_path: Path, saved: Path, model: Path) -> None:
    baked(tmp_path, saved, model, "a.tar")
    baked(tmp_path, saved, model, "b.tar")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    assert not list(tmp_path.glob("*.layer"))


def test_of_how_the_image_was_run_before_only_environment_and_labels_stay() -> None:
    before = {
        "Env": ["PATH=/opt/conda/bin:/usr/bin", "LD_LIBRARY_PATH=/usr/local/cuda/lib64"],
        "Labels": {"maker": "ana"},
        "Volumes": {"/data": {}},
        "OnBuild": ["COPY . /app"],
        "Healthcheck": {"Test": ["CMD-SHELL", "pg_isready"]},
        "StopSignal": "SIGQUIT",
        "Shell": ["/bin/bash", "-c"],
        "ExposedPorts": {"5432/tcp": {}},
        "Entrypoint": ["docker-entrypoint.sh"],
    }
    config = {"architecture": "amd64", "os": "linux", "config": before, "rootfs": {"diff_ids": []}}
    made = serving_config(config, [], {"title": "x"}, "2026-01-01T00:00:00Z")
    assert made["config"] == {
        "Env": [*before["Env"], "MLFLOW_DISABLE_TELEMETRY=true"],
        "Labels": {"maker": "ana", "title": "x"},
        "Entrypoint": ["python3", "/opt/mlops-desk/serve.py"],
        "Cmd": ["serve"],
        "User": "65534:65534",
        "WorkingDir": "/tmp",
        "ExposedPorts": {"8080/tcp": {}},
    }


@pytest.mark.parametrize("listed", [b"{}", b"[]", b"[1]", b'[{"Config": "c", "Layers": ["l"]}]', b"nonsense"])
def test_what_is_no_saved_image_is_told(tmp_path: Path, model: Path, listed: bytes) -> None:
    with tarfile.open(tmp_path / "odd.tar", "w:") as archive:
        for name, data in {"manifest.json": listed, "c": b'{"rootfs": {"diff_ids": []}}'}.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    with pytest.raises(Unavailable, match="the engine saved"):
        bake(tmp_path / "odd.tar", model, b"", tmp_path / "out.tar", TAG, {}, 0.0)
    assert not (tmp_path / "out.tar").exists()


def test_packages_are_those_that_the_upper_layers_leave() -> None:
    found = Packages()
    lower = {
        "usr/a-1.0.dist-info/METADATA": told("A.b", more="License-Expression: MIT\n"),
        "./usr/b-1.0.dist-info/METADATA": told("b"),
        "opt/x/c-1.0.dist-info/METADATA": told("c"),
        "opt/x/d-1.0.egg-info/PKG-INFO": told("d"),
        "opt/y/METADATA": told("none"),
    }
    found.read(tar(lower))
    assert [one.name for one in found.all()] == ["A.b", "b", "c", "d"]
    upper = {
        "usr/.wh.b-1.0.dist-info": b"",
        "opt/.wh..wh..opq": b"",
        "opt/x/c-2.0.dist-info/METADATA": told("c", "2.0"),
    }
    found.read(tar(upper))
    assert found.all() == [Package("A.b", "1.0", "MIT"), Package("c", "2.0")]


@pytest.mark.parametrize("data", [b"", b"\xff\0", told("../evil"), told("a b"), told("a", ""), told("a", "1\x1b[2J")])
def test_metadata_that_names_no_package_is_passed_over(data: bytes) -> None:
    found = Packages()
    found.read(tar({"a.dist-info/METADATA": data}))
    assert found.all() == []
