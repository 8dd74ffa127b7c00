"""An image that an engine has saved, with the model as one more layer, written as an OCI image layout in one file.

Both descriptions are in it: ``index.json`` for what reads OCI, and ``manifest.json`` for ``docker load`` of any age.
The same image and model give the same bytes. Specification: opencontainers/image-spec, ``image-layout.md``.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from mlops_desk.base.errors import Unavailable
from mlops_desk.serving.export.packages import Package, Packages, sbom

SERVER = "opt/mlops-desk/serve.py"
_SBOM = "opt/mlops-desk/sbom.cdx.json"
_MODEL = "model"
_PIECE = 1 << 20  # chosen: files of gigabytes are read in pieces
_DESCRIPTION_BYTES = 16 << 20  # chosen: descriptions of images have kilobytes
_OCI = "application/vnd.oci.image"
_GZIP = b"\x1f\x8b"
_NOBODY = "65534:65534"


@dataclass(frozen=True, slots=True)
class Blob:
    """One blob of the layout: its digest (of SHA-256, in hex), its size, and where its bytes are."""

    digest: str
    size_bytes: int
    source: Path | str | bytes
    """A file, a member of the saved archive, or the bytes."""

    def described(self, kind: str) -> dict[str, Any]:
        return {"mediaType": f"{_OCI}.{kind}", "digest": f"sha256:{self.digest}", "size": self.size_bytes}


@dataclass(frozen=True, slots=True)
class Baked:
    """The image that was written: its digest (of its manifest), its id at an engine, its packages as JSON.

    ``platform`` is what it runs on, as ``linux/amd64``.
    """

    digest: str
    id: str
    sbom: bytes
    n_packages: int
    platform: str = ""


def bake(
    saved: Path, model: Path, server: bytes, target: Path, tag: str, labels: Mapping[str, str], at: float
) -> Baked:
    """Write the layout to ``target``; ``at`` is when the revision was made. Raises Unavailable, OSError, TarError."""
    created = datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    layer_file = target.with_suffix(".layer")
    try:
        with tarfile.open(saved, "r:") as archive:
            description, config = _described(archive)
            layers = [_blob_of(archive, name) for name in description["Layers"]]
            packages = _packages(archive, description["Layers"])
            told = json.dumps(sbom(packages, tag, str(description["Config"]), created), indent=1).encode()
            layer = _layer(layer_file, model, server, told)
            new_config = _bytes_blob(_config(config, layer.digest, labels, created))
            kinds = [_kind(archive, blob) for blob in layers]
            manifest = _bytes_blob(_manifest(new_config, [*layers, layer], [*kinds, "layer.v1.tar"], labels))
            with tarfile.open(target, "x:") as out:
                _put(out, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
                for blob in {one.digest: one for one in (*layers, layer, new_config, manifest)}.values():
                    _copy(out, archive, blob)
                _put(out, "index.json", _index(manifest, tag))
                _put(out, "manifest.json", _for_docker(new_config, [*layers, layer], tag))
    finally:
        layer_file.unlink(missing_ok=True)
    platform = "/".join(str(config[key]) for key in ("os", "architecture", "variant") if config.get(key))
    return Baked(f"sha256:{manifest.digest}", f"sha256:{new_config.digest}", told, len(packages), platform)


def _described(archive: tarfile.TarFile) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what an archive says of its one image, and that image's configuration. Raises Unavailable."""
    try:
        (description,) = json.loads(_text(archive, "manifest.json"))
        config = json.loads(_text(archive, description["Config"]))
        is_whole = len(config["rootfs"]["diff_ids"]) == len(description["Layers"])
    except (ValueError, KeyError, TypeError) as error:
        raise Unavailable(f"What the engine saved is not of a known form: {error}.") from error
    if not is_whole:
        raise Unavailable("What the engine saved does not tell of all its layers.")
    return description, config


def _text(archive: tarfile.TarFile, name: str) -> bytes:
    with _open(archive, name) as file:
        return file.read(_DESCRIPTION_BYTES)


def _open(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    file = archive.extractfile(name)  # of a link, what it leads to within the archive
    if file is None:
        raise KeyError(name)
    return file


def _blob_of(archive: tarfile.TarFile, name: str) -> Blob:
    sum_, size = hashlib.sha256(), 0
    with _open(archive, name) as file:
        while piece := file.read(_PIECE):
            sum_.update(piece)
            size += len(piece)
    return Blob(sum_.hexdigest(), size, name)


def _bytes_blob(document: dict[str, Any]) -> Blob:
    data = json.dumps(document, sort_keys=True).encode()
    return Blob(hashlib.sha256(data).hexdigest(), len(data), data)


def _packages(archive: tarfile.TarFile, names: Sequence[str]) -> list[Package]:
    found = Packages()
    for name in names:
        with _open(archive, name) as file:
            found.read(file)
    return found.all()


def _kind(archive: tarfile.TarFile, blob: Blob) -> str:
    with _open(archive, str(blob.source)) as file:
        return "layer.v1.tar+gzip" if file.read(len(_GZIP)) == _GZIP else "layer.v1.tar"


def _layer(path: Path, model: Path, server: bytes, told: bytes) -> Blob:
    """Write the layer that has the model in it. Links of the model are left out: they lead elsewhere."""
    with tarfile.open(path, "w:") as layer:
        for folder in ("opt", "opt/mlops-desk", _MODEL):
            layer.addfile(_folder(folder))
        _put(layer, SERVER, server)
        _put(layer, _SBOM, told)
        for one in sorted(model.rglob("*")):
            name = f"{_MODEL}/{one.relative_to(model)}"
            if one.is_symlink() or not (one.is_dir() or one.is_file()):
                continue
            if one.is_dir():
                layer.addfile(_folder(name))
                continue
            with one.open("rb") as file:
                info = tarfile.TarInfo(name)
                info.size, info.mode = one.stat().st_size, 0o644
                layer.addfile(info, file)
    sum_ = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            sum_.update(piece)
    return Blob(sum_.hexdigest(), path.stat().st_size, path)


def _folder(name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, 0o755
    return info


def _config(config: dict[str, Any], layer: str, labels: Mapping[str, str], created: str) -> dict[str, Any]:
    """Return the configuration of the image with one more layer, which serves when it is run."""
    run = dict(config.get("config") or {})
    run["Entrypoint"], run["Cmd"] = ["python3", f"/{SERVER}"], ["serve"]
    run["User"], run["WorkingDir"] = _NOBODY, "/tmp"  # noqa: S108 - the container's own
    run["Env"] = [*(run.get("Env") or []), "MLFLOW_DISABLE_TELEMETRY=true"]
    run["ExposedPorts"] = {"8080/tcp": {}}
    run["Labels"] = {**(run.get("Labels") or {}), **labels}
    history = [*(config.get("history") or []), {"created": created, "created_by": "MLOps Desk"}]
    rootfs = {"type": "layers", "diff_ids": [*config["rootfs"]["diff_ids"], f"sha256:{layer}"]}
    kept: dict[str, Any] = {
        key: config[key] for key in ("architecture", "os", "variant", "os.version") if key in config
    }
    return {**kept, "created": created, "config": run, "history": history, "rootfs": rootfs}


def _manifest(config: Blob, layers: Sequence[Blob], kinds: Sequence[str], labels: Mapping[str, str]) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}.manifest.v1+json",
        "config": config.described("config.v1+json"),
        "layers": [layer.described(kind) for layer, kind in zip(layers, kinds, strict=True)],
        "annotations": dict(labels),
    }


def _index(manifest: Blob, tag: str) -> bytes:
    names = {"io.containerd.image.name": f"docker.io/{tag}", "org.opencontainers.image.ref.name": tag}
    entry = manifest.described("manifest.v1+json") | {"annotations": names}
    whole = {"schemaVersion": 2, "mediaType": f"{_OCI}.index.v1+json", "manifests": [entry]}
    return json.dumps(whole, sort_keys=True).encode()


def _for_docker(config: Blob, layers: Sequence[Blob], tag: str) -> bytes:
    names = [f"blobs/sha256/{one.digest}" for one in layers]
    return json.dumps([{"Config": f"blobs/sha256/{config.digest}", "RepoTags": [tag], "Layers": names}]).encode()


def _put(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o644
    archive.addfile(info, io.BytesIO(data))


def _copy(out: tarfile.TarFile, saved: tarfile.TarFile, blob: Blob) -> None:
    info = tarfile.TarInfo(f"blobs/sha256/{blob.digest}")
    info.size, info.mode = blob.size_bytes, 0o644
    if isinstance(blob.source, bytes):
        out.addfile(info, io.BytesIO(blob.source))
        return
    with blob.source.open("rb") if isinstance(blob.source, Path) else _open(saved, blob.source) as file:
        out.addfile(info, file)
