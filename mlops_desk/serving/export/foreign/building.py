"""An image for another machine, of a base image and wheels: looked through first, then written. Nothing is run of it.

Of the base its layers are taken, what it runs on, and of its environment what is named here. All else that its
configuration asks for is left out: what runs at its start or in images built on it, volumes, users, health checks,
labels, signals, and variables that decide what programs load.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mlops_desk.base.errors import Hint, Invalid, NotFound
from mlops_desk.base.text import plain
from mlops_desk.serving.export import layout
from mlops_desk.serving.export.foreign import laying
from mlops_desk.serving.export.foreign.archive import BaseArchive, BaseImage, chosen, opened, read_safely
from mlops_desk.serving.export.foreign.closure import closure, refusal
from mlops_desk.serving.export.foreign.laying import PACKAGES, Laying
from mlops_desk.serving.export.foreign.target import PythonTarget, environment_of, target_of
from mlops_desk.serving.export.foreign.tree import ImageTree
from mlops_desk.serving.export.foreign.unpacking import unpacked
from mlops_desk.serving.export.foreign.wheel import WheelFile, described, named
from mlops_desk.serving.export.layout import Baked, Blob
from mlops_desk.serving.export.packages import Package, Packages, sbom
from mlops_desk.serving.image.wheelhouse import wheels_in

_KEPT = ("LANG", "LC_ALL", "LC_CTYPE", "PYTHON_VERSION", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES")
_VALUE = re.compile(r"[\w.,:@/+ -]{1,200}")
_VARIANT = re.compile(r"v\d{1,2}")
_OWN = (PACKAGES, "model", "opt/mlops-desk")
_PATH = 400  # chosen: most of a path


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found good: the base's layers as they lie, what runs there, and what of the wheels goes where."""

    image: BaseImage
    layers: tuple[Blob, ...]
    target: PythonTarget
    wheels: tuple[WheelFile, ...]
    laying: Laying

    @property
    def needed_bytes(self) -> int:
        """What the image takes while it is made, without the model: the base once, what is laid of wheels twice."""
        return sum(one.size_bytes for one in self.layers) + 2 * self.laying.size_bytes


def survey(archive: BaseArchive, wheels: Path, platform: str | None, requirements: Sequence[str]) -> Survey:
    """Look through base and wheels. Raises Invalid, NotFound, Refused (what is lacking, all of it), OSError."""
    image = chosen(archive, platform)
    tree, blobs = ImageTree(), []
    for layer in image.layers:
        with read_safely(), unpacked(archive, layer) as (stream, told):
            tree.read(stream)
            blobs.append(told())
    if taken := next((f"/{one}" for one in _OWN if tree.has(one)), None):
        raise Invalid(f"The base image has a {taken} of its own, where the endpoint's files go.", "Take a plain one.")
    target = target_of(image.config, tree)
    found, lacking = closure(requirements, _folder(wheels), target)
    if lacking:
        raise refusal(lacking, target, str(wheels))
    return Survey(image, tuple(blobs), target, found, laying.planned(found))


def bake(
    base: Path, wheels: Path, platform: str | None, requirements: Sequence[str],
    model: Path, server: bytes, target: Path, tag: str, labels: Mapping[str, str], at: float,
) -> Baked:  # fmt: skip
    """Write the layout to ``target``; ``at`` is when the revision was made. Raises what ``survey`` raises, TarError.

    Base and wheels are looked through anew: what was good before may have been replaced.
    """
    created = layout.moment(at)
    files = [target.with_suffix(f".{name}") for name in ("wheels", "layer")]
    with ExitStack() as undone:
        for file in files:
            undone.callback(file.unlink, missing_ok=True)
        archive = undone.enter_context(opened(base))
        found = survey(archive, wheels, platform, requirements)
        packed = laying.write(found.laying, files[0])
        packages = _packages(archive, found, packed)
        told = json.dumps(sbom(packages, tag, found.image.layers[-1].unpacked, created), indent=1).encode()
        more = [packed, layout.model_layer(files[1], model, server, told)]
        config = layout.serving_config(_of_base(found), more, labels, created)
        digest, id_ = layout.write(target, [*found.layers, *more], config, labels, tag)
    return Baked(digest, id_, told, len(packages), layout.platform_of(config), found.laying.notes)


def _packages(archive: BaseArchive, found: Survey, packed: Blob) -> list[Package]:
    packages = Packages()
    for layer in found.image.layers:
        with read_safely(), unpacked(archive, layer) as (stream, _):
            packages.read(stream)
    with packed.opened() as file:
        packages.read(file)
    return packages.all()


def _of_base(found: Survey) -> dict[str, Any]:
    """Return what is taken of the base's configuration."""
    config, said = found.image.config, environment_of(found.image.config)
    path = ":".join((*found.target.folders, f"/{PACKAGES}/bin"))
    kept = {name: said[name] for name in _KEPT if _VALUE.fullmatch(said.get(name, ""))}
    own = {"PYTHONPATH": f"/{PACKAGES}", "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    environment = {"PATH": path, **kept, **own}
    variant = str(config.get("variant") or "")
    return {
        "os": "linux", "architecture": found.target.architecture,
        **({"variant": variant} if _VARIANT.fullmatch(variant) else {}),
        "config": {"Env": [f"{name}={value}" for name, value in environment.items()]},
        "history": [{"created_by": "base image"} for _ in found.layers],
        "rootfs": {"diff_ids": [layer.unpacked for layer in found.image.layers]},
    }  # fmt: skip


def _folder(folder: Path) -> Callable[[str], tuple[WheelFile, ...]]:
    """Return what finds the wheels of a name in a folder, each read once and only when it is asked for."""
    try:
        paths = wheels_in(folder)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"There is no folder {plain(str(folder), _PATH)} of wheels.") from error
    if not paths:
        hint = Hint(
            "pip download --only-binary=:all: -d FOLDER -r requirements.txt", before="Where there is a network: "
        )
        raise Invalid(f"The folder {plain(str(folder), _PATH)} holds no wheels (*.whl).", hint)
    names: dict[str, list[Path]] = {}
    for path in paths:
        if (told := named(path)) is not None:
            names.setdefault(told[0], []).append(path)

    @cache
    def wheels_of(name: str) -> tuple[WheelFile, ...]:
        return tuple(described(path) for path in names.get(name, ()))

    return wheels_of
