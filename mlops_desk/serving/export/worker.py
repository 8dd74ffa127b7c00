"""The worker that makes an exported endpoint, out of a saved image or of a base and wheels for another machine.

It reads and writes gigabytes, and may be ended.

An image that an engine has saved, with the model as one more layer, written as an OCI image layout in one file.

The same image and model give the same bytes.
"""

import json
import tarfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.free_space import disk_trouble
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.base.process import limit_memory, serve_one
from mlops_desk.kit.base.text import plain
from mlops_desk.serving.export import layout, units
from mlops_desk.serving.export.foreign import image_builder
from mlops_desk.serving.export.foreign.archive import opened
from mlops_desk.serving.export.form import DIGEST_FILE, IMAGE_FILE, SBOM_FILE, ExportOrder, ForeignPlace, Format, tag
from mlops_desk.serving.export.layout import Baked, Blob
from mlops_desk.serving.export.packages import Package, Packages, sbom
from mlops_desk.serving.export.units import ExportedService
from mlops_desk.serving.image.model_files import read_model
from mlops_desk.serving.image.requirements import requirements_of
from mlops_desk.serving.runtimes import resource_files

_DESCRIPTION_BYTES = 16 << 20  # chosen: descriptions of images have kilobytes
_GZIP = b"\x1f\x8b"


def bake(
    saved: Path, model: Path, server: bytes, target: Path, tag: str, labels: Mapping[str, str], at: float
) -> Baked:
    """Write the layout to ``target``; ``at`` is when the revision was made. Raises Unavailable, OSError, TarError."""
    created = layout.moment(at)
    layer_file = target.with_suffix(".layer")
    try:
        with tarfile.open(saved, "r:") as archive:
            description, config = _described(archive)
            layers = [_layer(archive, name) for name in description["Layers"]]
            packages = _packages(archive, description["Layers"])
            told = json.dumps(sbom(packages, tag, str(description["Config"]), created), indent=1).encode()
            more = layout.model_layer(layer_file, model, server, told)
            new_config = layout.serving_config(config, [more], labels, created)
            digest, id_ = layout.write(target, [*layers, more], new_config, labels, tag)
    finally:
        layer_file.unlink(missing_ok=True)
    return Baked(digest, id_, told, len(packages), layout.platform_of(config))


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


def _layer(archive: tarfile.TarFile, name: str) -> Blob:
    with _open(archive, name) as file:
        kind = layout.GZIPPED if file.read(len(_GZIP)) == _GZIP else layout.PLAIN
    return layout.summed(partial(_open, archive, name), kind)


def _packages(archive: tarfile.TarFile, names: Sequence[str]) -> list[Package]:
    found = Packages()
    for name in names:
        with _open(archive, name) as file:
            found.read(file)
    return found.all()


_MEMORY_BYTES = 1 << 30  # chosen: images are read in pieces


def work(request: dict[str, Any]) -> Any:
    """Write what is ordered; return what image it became. Raises Unavailable."""
    limit_memory(_MEMORY_BYTES)
    order = wire.from_builtins(request, ExportOrder)
    folder, saved = Path(order.folder), Path(order.saved)
    try:
        if order.foreign is not None and order.is_survey:
            return _survey(order, order.foreign)
        baked = _bake(order, folder, saved)
        saved.unlink(missing_ok=True)
        _write_beside(order, folder, baked)
    except OSError as error:
        raise disk_trouble(error) or Unavailable(f"The export can't be written: {error}.") from error
    except (tarfile.TarError, KeyError) as error:
        raise Unavailable(f"What the image is made of can't be read: {plain(str(error))}.") from error
    return {
        "digest": baked.digest, "image_id": baked.id, "packages": baked.n_packages,
        "platform": baked.platform, "notes": list(baked.notes),
    }  # fmt: skip


def _survey(order: ExportOrder, foreign: ForeignPlace) -> dict[str, Any]:
    """Look through base and wheels; return what the image will take, and for what it is, in words."""
    wanted = requirements_of(read_model(Path(order.model_folder)))
    with opened(Path(foreign.base)) as archive:
        found = image_builder.survey(archive, Path(foreign.wheels), foreign.platform, wanted)
    return {"needed_bytes": found.needed_bytes, "title": found.target.title, "n_wheels": len(found.wheels)}


def _bake(order: ExportOrder, folder: Path, saved: Path) -> Baked:
    labels = {
        "org.opencontainers.image.title": order.endpoint,
        "org.opencontainers.image.version": f"r{order.revision}",
        "org.opencontainers.image.description": title(order),
    }
    server = resource_files.text(resource_files.SCORING_SERVER).encode()
    name = tag(order.endpoint, order.revision)
    if (foreign := order.foreign) is not None:
        return image_builder.bake(
            Path(foreign.base), Path(foreign.wheels), foreign.platform,
            requirements_of(read_model(Path(order.model_folder))),
            Path(order.model_folder), server, folder / IMAGE_FILE, name, labels, order.created_at,
        )  # fmt: skip
    return bake(saved, Path(order.model_folder), server, folder / IMAGE_FILE, name, labels, order.created_at)


def title(order: ExportOrder) -> str:
    """Say what is served, in words that may hold anything a model's name may."""
    return f"Model {order.model}, version {order.version}, as endpoint {order.endpoint}"


def _write_beside(order: ExportOrder, folder: Path, baked: Baked) -> None:
    (folder / SBOM_FILE).write_bytes(baked.sbom + b"\n")
    (folder / DIGEST_FILE).write_text(f"{baked.digest}\n")
    service = ExportedService(order.endpoint, tag(order.endpoint, order.revision), title(order))
    is_bundle = order.format is Format.BUNDLE
    if is_bundle or order.format is Format.COMPOSE:
        (folder / "compose.yaml").write_text(units.compose(service))
    if is_bundle or order.format is Format.SYSTEMD:
        (folder / f"mlops-desk-{order.endpoint}.service").write_text(units.systemd(service))
        (folder / f"mlops-desk-{order.endpoint}.container").write_text(units.quadlet(service))
    if order.format is not Format.OCI:
        (folder / "README.txt").write_text(_readme(order, baked.platform))
    if is_bundle:
        script = folder / resource_files.VERIFY
        script.write_text(resource_files.text(resource_files.VERIFY))
        script.chmod(0o755)
    (folder / "export.json").write_text(
        json.dumps({"endpoint": order.endpoint, "revision": order.revision, "model": order.model,
                    "version": order.version, "image": service.image, "digest": baked.digest,
                    "platform": baked.platform}, indent=1) + "\n"
    )  # fmt: skip


def _readme(order: ExportOrder, platform: str) -> str:
    name = order.endpoint
    start = {
        Format.COMPOSE: "docker compose up -d",
        Format.SYSTEMD: f"cp mlops-desk-{name}.service /etc/systemd/system/ && systemctl daemon-reload &&"
        f" systemctl start mlops-desk-{name}\n  (with Podman: the .container file, into /etc/containers/systemd/)",
        Format.BUNDLE: "docker compose up -d   (or the .service file, or the .container file of a Quadlet)",
    }[order.format]
    load = "./verify.sh   (checks the signature and every file first)" if order.format is Format.BUNDLE else (
        f"docker load -i {IMAGE_FILE}"
    )  # fmt: skip
    return f"""\
Endpoint {name}, revision {order.revision}, for {platform or "machines like its own"}. No network is needed.

1. Load the image:  {load}
2. Start it:        {start}
3. Ask it:          curl http://127.0.0.1:{units.PORT}/ping
                    POST /invocations, as MLflow's scoring server takes it

It listens on this machine alone, and asks for no token: put a proxy with one before it to serve a network.
The image runs as SageMaker, Vertex AI, Azure ML and MLflow start theirs, too (AIP_HTTP_PORT, "serve", …).
{SBOM_FILE} lists its Python packages (CycloneDX).
"""


if __name__ == "__main__":
    serve_one(work)
