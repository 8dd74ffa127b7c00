"""An image that an engine has saved, with the model as one more layer, written as an OCI image layout in one file.

The same image and model give the same bytes.
"""

import json
import tarfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

from mlops_desk.base.errors import Unavailable
from mlops_desk.serving.export import layout
from mlops_desk.serving.export.layout import Baked, Blob
from mlops_desk.serving.export.packages import Package, Packages, sbom

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
