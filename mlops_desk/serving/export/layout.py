"""An OCI image layout in one file: its blobs, its layers, and both descriptions of what they are.

``index.json`` is for what reads OCI, ``manifest.json`` for ``docker load`` of any age. The same blobs give the same
bytes. Specification: opencontainers/image-spec, ``image-layout.md``.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

SERVER = "opt/mlops-desk/serve.py"
SBOM = "opt/mlops-desk/sbom.cdx.json"
PLAIN, GZIPPED, ZSTD = "layer.v1.tar", "layer.v1.tar+gzip", "layer.v1.tar+zstd"
_MODEL = "model"
_PIECE = 1 << 20  # chosen: files of gigabytes are read in pieces
_OCI = "application/vnd.oci.image"
_NOBODY = "65534:65534"


@dataclass(frozen=True, slots=True)
class Blob:
    """One blob of the layout: its digest (of SHA-256, in hex), its size, and where its bytes are.

    ``kind`` is the end of its media type.
    """

    digest: str
    size_bytes: int
    source: Path | bytes | Callable[[], IO[bytes]]
    kind: str = PLAIN

    def described(self) -> dict[str, Any]:
        return {"mediaType": f"{_OCI}.{self.kind}", "digest": f"sha256:{self.digest}", "size": self.size_bytes}

    def opened(self) -> IO[bytes]:
        """Return its bytes to read. Raises OSError, TarError."""
        if isinstance(self.source, bytes):
            return io.BytesIO(self.source)
        return self.source.open("rb") if isinstance(self.source, Path) else self.source()


@dataclass(frozen=True, slots=True)
class Baked:
    """The image that was written: its digest (of its manifest), its id at an engine, its packages as JSON.

    ``platform`` is what it runs on, as ``linux/amd64``; ``notes`` is what there is to know of it beside.
    """

    digest: str
    id: str
    sbom: bytes
    n_packages: int
    platform: str = ""
    notes: tuple[str, ...] = ()


def moment(at: float) -> str:
    """Return a Unix time as images have it."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def platform_of(config: Mapping[str, Any]) -> str:
    """Return what an image runs on, as its configuration tells."""
    return "/".join(str(config[key]) for key in ("os", "architecture", "variant") if config.get(key))


def summed(opened: Callable[[], IO[bytes]], kind: str = PLAIN) -> Blob:
    """Return a blob of what can be read again and again. Raises OSError, TarError."""
    sum_, size = hashlib.sha256(), 0
    with opened() as file:
        while piece := file.read(_PIECE):
            sum_.update(piece)
            size += len(piece)
    return Blob(sum_.hexdigest(), size, opened, kind)


def document(value: Mapping[str, Any], kind: str) -> Blob:
    data = json.dumps(value, sort_keys=True).encode()
    return Blob(hashlib.sha256(data).hexdigest(), len(data), data, kind)


def model_layer(path: Path, model: Path, server: bytes, told: bytes) -> Blob:
    """Write the layer that has the model in it. Links of the model are left out: they lead elsewhere."""
    with tarfile.open(path, "w:") as layer:
        for name in ("opt", "opt/mlops-desk", _MODEL):
            layer.addfile(folder(name))
        put(layer, SERVER, server)
        put(layer, SBOM, told)
        for one in sorted(model.rglob("*")):
            name = f"{_MODEL}/{one.relative_to(model)}"
            if one.is_symlink() or not (one.is_dir() or one.is_file()):
                continue
            if one.is_dir():
                layer.addfile(folder(name))
                continue
            with one.open("rb") as file:
                info = tarfile.TarInfo(name)
                info.size, info.mode = one.stat().st_size, 0o644
                layer.addfile(info, file)
    return summed(lambda: path.open("rb"))


def folder(name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, 0o755
    return info


def put(archive: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), mode
    archive.addfile(info, io.BytesIO(data))


def serving_config(
    config: Mapping[str, Any], layers: Sequence[Blob], labels: Mapping[str, str], created: str
) -> dict[str, Any]:
    """Return an image's configuration with more ``layers``, none compressed, which serves when it is run.

    Of how the image was run before, its environment and labels stay. The rest was meant for another program: volumes
    would be made on a host for nothing, a check of health or a signal to stop by would fail, and steps that are kept
    for later builds would run in them.
    """
    before = config.get("config") or {}
    run: dict[str, Any] = {key: before[key] for key in ("Env", "Labels") if before.get(key)}
    run["Entrypoint"], run["Cmd"] = ["python3", f"/{SERVER}"], ["serve"]
    run["User"], run["WorkingDir"] = _NOBODY, "/tmp"  # noqa: S108 - the container's own
    run["Env"] = [*(run.get("Env") or []), "MLFLOW_DISABLE_TELEMETRY=true"]
    run["ExposedPorts"] = {"8080/tcp": {}}
    run["Labels"] = {**(run.get("Labels") or {}), **labels}
    history = [*(config.get("history") or []), *({"created": created, "created_by": "MLOps Desk"} for _ in layers)]
    rootfs = {
        "type": "layers",
        "diff_ids": [*config["rootfs"]["diff_ids"], *(f"sha256:{layer.digest}" for layer in layers)],
    }
    kept: dict[str, Any] = {
        key: config[key] for key in ("architecture", "os", "variant", "os.version") if key in config
    }
    return {**kept, "created": created, "config": run, "history": history, "rootfs": rootfs}


def write(
    target: Path, layers: Sequence[Blob], config: Mapping[str, Any], labels: Mapping[str, str], tag: str
) -> tuple[str, str]:
    """Write the layout; return the digests of manifest and configuration. Raises OSError, TarError."""
    about = document(config, "config.v1+json")
    manifest = document(
        {
            "schemaVersion": 2,
            "mediaType": f"{_OCI}.manifest.v1+json",
            "config": about.described(),
            "layers": [layer.described() for layer in layers],
            "annotations": dict(labels),
        },
        "manifest.v1+json",
    )
    with tarfile.open(target, "x:") as out:
        put(out, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        for blob in {one.digest: one for one in (*layers, about, manifest)}.values():
            info = tarfile.TarInfo(_place(blob))
            info.size, info.mode = blob.size_bytes, 0o644
            with blob.opened() as file:
                out.addfile(info, file)
        put(out, "index.json", _index(manifest, tag))
        listed = [{"Config": _place(about), "RepoTags": [tag], "Layers": [_place(layer) for layer in layers]}]
        put(out, "manifest.json", json.dumps(listed).encode())
    return f"sha256:{manifest.digest}", f"sha256:{about.digest}"


def _place(blob: Blob) -> str:
    return f"blobs/sha256/{blob.digest}"


def _index(manifest: Blob, tag: str) -> bytes:
    names = {"io.containerd.image.name": f"docker.io/{tag}", "org.opencontainers.image.ref.name": tag}
    whole = {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}.index.v1+json",
        "manifests": [manifest.described() | {"annotations": names}],
    }
    return json.dumps(whole, sort_keys=True).encode()
