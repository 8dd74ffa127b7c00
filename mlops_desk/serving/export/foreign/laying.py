"""The layer that wheels become: their files below one folder, each once, the same bytes for the same wheels."""

import hashlib
import posixpath
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.serving.export import layout
from mlops_desk.serving.export.foreign.wheel import LaidFile, WheelFile, contents, laid
from mlops_desk.serving.export.layout import Blob

PACKAGES = "packages"
_EMPTIED = f"{PACKAGES}/.wh..wh..opq"  # nothing of what the base may have there stays
_MOST_NOTES = 10  # chosen: careless packages share a file or two of their tests


@dataclass(frozen=True, slots=True)
class _Place:
    """What lies at a place: of which wheel, and the file of it or the program that is made for it."""

    wheel: WheelFile
    what: LaidFile | bytes

    @property
    def sum(self) -> bytes | None:
        return hashlib.sha256(self.what).digest() if isinstance(self.what, bytes) else self.what.sum


@dataclass(frozen=True, slots=True)
class Laying:
    """What goes where, and what more than one wheel has: the later of them, by name, has its own there, as with pip."""

    places: Mapping[str, _Place]
    notes: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        files = (one.what for one in self.places.values())
        return sum(len(one) if isinstance(one, bytes) else one.info.file_size for one in files)


def planned(wheels: Sequence[WheelFile]) -> Laying:
    """Return what is laid where. Raises Invalid for a wheel that can't be laid, OSError."""
    places: dict[str, _Place] = {}
    notes: list[str] = []
    for wheel in wheels:
        with laid(wheel) as (_, files, commands):
            there = [(one.place, _Place(wheel, one)) for one in files]
            there += [(place, _Place(wheel, data)) for place, data in commands.items()]
        for name, place in there:
            before = places.get(name)
            if before is not None and before.sum != place.sum and len(notes) < _MOST_NOTES:
                notes.append(f"{plain(name)} is in {before.wheel.name} and {wheel.name}; that of {wheel.name} is laid.")
            places[name] = place
    for name, place in places.items():
        above = posixpath.dirname(name)
        while above:
            if above in places:
                one, other = places[above].wheel.path.name, place.wheel.path.name
                raise Invalid(f"{plain(above)} is a file in the wheel {plain(one)} and a folder in {plain(other)}.")
            above = posixpath.dirname(above)
    return Laying(places, tuple(notes))


def write(laying: Laying, target: Path) -> Blob:
    """Write the layer, not compressed. Raises Invalid for what is not as recorded, OSError."""
    with ExitStack() as opened, tarfile.open(target, "w:") as layer:
        archives: dict[Path, zipfile.ZipFile] = {}
        layer.addfile(layout.folder(PACKAGES))
        layout.put(layer, _EMPTIED, b"")
        done = {""}
        for name, place in sorted(laying.places.items()):
            for folder in _folders(name, done):
                layer.addfile(layout.folder(f"{PACKAGES}/{folder}"))
            _add(layer, f"{PACKAGES}/{name}", place, archives, opened)
    return layout.summed(lambda: target.open("rb"))


def _add(
    layer: tarfile.TarFile, name: str, place: _Place, archives: dict[Path, zipfile.ZipFile], opened: ExitStack
) -> None:
    if isinstance(place.what, bytes):
        layout.put(layer, name, place.what, 0o755)
        return
    path = place.wheel.path
    if path not in archives:
        archives[path], _, _ = opened.enter_context(laid(place.wheel))
    with contents(path, archives[path], place.what) as (size, source):
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, place.what.mode
        layer.addfile(info, source)


def _folders(name: str, done: set[str]) -> list[str]:
    """Return the folders above a file that are not there yet, the highest first."""
    found = []
    above = posixpath.dirname(name)
    while above not in done:
        done.add(above)
        found.append(above)
        above = posixpath.dirname(above)
    return found[::-1]
