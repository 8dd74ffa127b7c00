"""An endpoint for a machine of another kind: made of a base and wheels that nothing here can run, taken by engines.

The base is this machine's own Python; for arm64 its description and the heads of its programs say so, and the wheels'
names. That what is laid also answers is shown by the same on a base and wheels that are for here.
"""

import hashlib
import io
import json
import shutil
import struct
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from mlops_desk.engines.fake import FakeEngine
from mlops_desk.kit.base.errors import Refused
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving.background_tasks import BesideWork
from mlops_desk.serving.export import export_task
from mlops_desk.serving.export.export_task import Exports
from mlops_desk.serving.export.form import ForeignPlace, Format
from mlops_desk.serving.records.endpoint import ModelRef
from mlops_desk.serving.records.export import ExportedEndpoint
from mlops_desk.serving.revision import Revision, Shelf
from tests.end2end.test_serving_contract import DO, answered, run
from tests.images import engine_client
from tests.scoring import odd_model

pytestmark = [pytest.mark.end2end, pytest.mark.engine]
AARCH64 = struct.pack("<H", 183)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, serving: dict[str, str]) -> Path:
    """This machine's Python as an archive, as the engine saves it."""
    path = tmp_path_factory.mktemp("base") / "base.tar"
    subprocess.run(["docker", "save", "-o", str(path), serving["serving.base_image"]], check=True, timeout=300)
    return path


@pytest.fixture(scope="module")
def arm64(base: Path) -> Path:
    """The same, as an image for arm64: its description says so, and its programs' heads."""
    path = base.with_name("arm64.tar")
    with tarfile.open(base) as saved, tarfile.open(path, "w:") as out:
        (listed,) = json.load(_file(saved, "manifest.json"))
        config = json.load(_file(saved, listed["Config"]))
        names, sums = [], []
        for number, name in enumerate(listed["Layers"]):
            data = _for_arm(_file(saved, name))
            names.append(f"{number}.tar")
            sums.append(f"sha256:{hashlib.sha256(data).hexdigest()}")
            _put(out, names[-1], data)
        config |= {"architecture": "arm64", "rootfs": {"type": "layers", "diff_ids": sums}}
        _put(out, "c.json", json.dumps(config).encode())
        _put(out, "manifest.json", json.dumps([{"Config": "c.json", "RepoTags": None, "Layers": names}]).encode())
    return path


@pytest.fixture(scope="module")
def arm64_wheels(tmp_path_factory: pytest.TempPathFactory, serving: dict[str, str]) -> Path:
    folder = tmp_path_factory.mktemp("arm64")
    for wheel in Path(serving["serving.wheelhouse"]).glob("*.whl"):
        ours = not wheel.stem.endswith("-any")
        name = f"{wheel.stem.rpartition('-')[0]}-manylinux2014_aarch64.whl" if ours else wheel.name
        shutil.copyfile(wheel, folder / name)
    return folder


def _file(archive: tarfile.TarFile, name: str) -> Any:
    return archive.extractfile(name)


def _put(out: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    out.addfile(info, io.BytesIO(data))


def _for_arm(layer: Any) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=layer) as before, tarfile.open(fileobj=made, mode="w:") as after:
        for member in before:
            data = _file(before, member.name).read() if member.isfile() and member.size else b""
            if data[:4] == b"\x7fELF":
                data = data[:18] + AARCH64 + data[20:]
            after.addfile(member, io.BytesIO(data))
    return made.getvalue()


@pytest.fixture
def export(tmp_path: Path) -> Iterator[Callable[..., ExportedEndpoint]]:
    """Write an endpoint of which no engine has an image, in the place ``out``."""
    shelf = Shelf(tmp_path / "endpoints")
    version, ref = ModelVersion("odd", "3", "run-1", "somewhere", "READY"), ModelRef("odd", "3", "models:/odd/3")
    shelf.write(Revision("odd", 1, ref, version, "live", "gone:1", was_live=True, created_at=1_800_000_000.0))
    odd_model(shelf.place("odd", 1) / "model", DO)
    exports = Exports(tmp_path / "exports", shelf, FakeEngine())

    def exported(base: Path, wheels: Path, format_: Format = Format.BUNDLE) -> ExportedEndpoint:
        work = BesideWork("The export", Event())
        foreign = ForeignPlace(str(base), str(wheels))
        return exports.export("odd", 1, tmp_path / "out", format_, None, work, foreign)

    yield exported
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    assert not list((tmp_path / "exports").glob("*.part"))


def loaded(folder: Path, tag: str) -> dict[str, Any]:
    """Check and load a bundle as its script does; return what the engine says of the image."""
    command = ["sh", str(folder / "verify.sh")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert tag in done.stdout
    with engine_client() as client:
        told: dict[str, Any] = client.inspect_image(tag)
    return {**told, "said": done.stderr}


def test_what_is_laid_answers_on_a_machine_of_its_kind(
    base: Path, serving: dict[str, str], tmp_path: Path, export: Callable[..., ExportedEndpoint]
) -> None:
    done = export(base, Path(serving["serving.wheelhouse"]))
    try:
        told = loaded(tmp_path / "out", done.image)
        assert (told["Id"], told["Architecture"], done.platform) == (done.image_id, "amd64", "linux/amd64")
        listed = {one["name"] for one in json.loads((tmp_path / "out" / "sbom.cdx.json").read_text())["components"]}
        assert {"numpy", "pandas", "mlflow-skinny", "pip"} <= listed
        assert "scikit-learn" not in listed, "it is among the wheels, and this model does not need it"
        for user in ("0:0", "12345:12345"):
            with run(done.image, user, words=()) as address:
                assert answered(f"http://{address}:8080", "/ping", "/invocations") == {"predictions": ["a"]}
    finally:
        with engine_client() as client:
            client.remove_image(done.image, force=True)


def test_engines_take_an_image_for_arm64(
    arm64: Path, arm64_wheels: Path, tmp_path: Path, export: Callable[..., ExportedEndpoint]
) -> None:
    done = export(arm64, arm64_wheels)
    try:
        told = loaded(tmp_path / "out", done.image)
        assert (told["Id"], told["Architecture"], done.platform) == (done.image_id, "arm64", "linux/arm64")
        assert "it will not run here" in told["said"]
    finally:
        with engine_client() as client:
            client.remove_image(done.image, force=True)
    assert "for linux/arm64. No network" in (tmp_path / "out" / "README.txt").read_text()
    podman = shutil.which("podman")
    if podman is None:
        return
    own = [podman, "--root", str(tmp_path / "root"), "--runroot", str(tmp_path / "run"), "--storage-driver", "vfs"]
    said = subprocess.run(
        [*own, "load", "-i", str(tmp_path / "out" / "image.tar")],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    shown = subprocess.run(
        [*own, "image", "inspect", done.image], capture_output=True, text=True, check=True, timeout=600
    )
    (image,) = json.loads(shown.stdout)
    assert (image["Architecture"], f"sha256:{image['Id']}") == ("arm64", done.image_id)


def test_what_is_lacking_is_told_before_anything_is_written(
    arm64: Path, serving: dict[str, str], tmp_path: Path, export: Callable[..., ExportedEndpoint]
) -> None:
    """Wheels for this machine are none for that one."""
    with pytest.raises(Refused, match=r"numpy .*for another machine or Python.*pandas") as raised:
        export(arm64, Path(serving["serving.wheelhouse"]))
    assert "--platform manylinux2014_aarch64" in str(raised.value.command)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["endpoints"]


def test_where_there_is_no_room_for_it_nothing_is_written(
    arm64: Path, arm64_wheels: Path, tmp_path: Path, export: Callable[..., ExportedEndpoint],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(export_task, "free_bytes", lambda _folder: 80 << 20)
    with pytest.raises(Refused, match=r"The export needs .*, base image and wheels"):
        export(arm64, arm64_wheels)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["endpoints"]
