"""An image for another machine, of a base image and wheels: looked through first, then written. Nothing is run of it.

Of the base its layers are taken, what it runs on, and of its environment what is named here. All else that its
configuration asks for is left out: what runs at its start or in images built on it, volumes, users, health checks,
labels, signals, and variables that decide what programs load.
"""

import gzip
import hashlib
import io
import json
import posixpath
import re
import shlex
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, Any, cast

import zstandard
from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import Requirement
from packaging.tags import Tag
from packaging.utils import canonicalize_name

from mlops_desk.kit.base.errors import Hint, Invalid, NotFound, Refused
from mlops_desk.kit.base.text import plain
from mlops_desk.serving.export import layout
from mlops_desk.serving.export.foreign.archive import BaseArchive, BaseImage, LayerPlace, chosen, opened, read_safely
from mlops_desk.serving.export.foreign.target import ImageTree, PythonTarget, environment_of, target_of
from mlops_desk.serving.export.foreign.wheel import LaidFile, WheelFile, contents, described, laid, named
from mlops_desk.serving.export.layout import GZIPPED, PLAIN, ZSTD, Baked, Blob
from mlops_desk.serving.export.packages import Package, Packages, sbom
from mlops_desk.serving.image.wheelhouse import wheels_in

# What of a folder of wheels is needed to serve a model elsewhere, and all that is lacking there, at once. Pure.
# Nothing is tried in turns: of each package the newest version is taken that fits all that is wanted of it, and
# looked at again when more is wanted. A folder that was fetched by one ``pip download`` holds one of each.
_MOST_ROUNDS = 200  # chosen: each takes in what one more package wants; the deepest known here has twelve
_SHOWN = 40  # chosen: what is missing of a full environment is pasted by its command
_VERSIONS = 4  # chosen: so many names fit a sentence
_MODEL = "the model"


@dataclass(frozen=True, slots=True)
class Lack:
    """What is wanted and not there: the requirement, without its marker, by whom, and what is there instead."""

    wanted: str
    by: str
    there: str


@dataclass(slots=True)
class _Want:
    """All that is wanted of one package."""

    by: dict[str, Requirement] = field(default_factory=dict)
    extras: set[str] = field(default_factory=set)


def closure(
    requirements: Iterable[str], wheels_of: Callable[[str], Sequence[WheelFile]], target: PythonTarget
) -> tuple[tuple[WheelFile, ...], tuple[Lack, ...]]:
    """Return the wheels to lay, by name, and what is lacking; ``wheels_of`` returns those of a name.

    Raises Refused where no choice holds, and what ``wheels_of`` raises.
    """
    ranks = target.tags()
    asked = [Requirement(text) for text in requirements]
    chosen: dict[str, WheelFile] = {}
    for _ in range(_MOST_ROUNDS):
        wants = _wants(asked, chosen, target)
        now = {}
        for name, want in wants.items():
            fitting = [one for one in wheels_of(name) if _fits(one, want, target, ranks)]
            if fitting:
                now[name] = max(fitting, key=lambda one: (one.version, -_rank(one, ranks)))
        if now == chosen:
            lacking = [
                _lack(name, want, wheels_of(name), target, ranks) for name, want in wants.items() if name not in now
            ]
            return tuple(now[name] for name in sorted(now)), tuple(sorted(lacking, key=lambda one: one.wanted))
        chosen = now
    raise Refused("Of the wheels no choice was found that fits together.", "Leave one version of each package there.")


def refusal(lacking: Sequence[Lack], target: PythonTarget, folder: str) -> Refused:
    """Return all that is lacking as an error, with the line that fetches it."""
    told = [f"{plain(one.wanted)} (for {plain(one.by)}; {one.there})" for one in lacking[:_SHOWN]]
    more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
    names = " ".join(shlex.quote(one.wanted) for one in lacking)
    command = f"pip download -d {shlex.quote(folder)} {' '.join(target.pip_words())} {names}"
    text = f"The wheels in {plain(folder)} lack what the model needs, for {target.title}: {', '.join(told)}{more}."
    return Refused(text, Hint(command, before="Where there is a network: "))


def _wants(asked: Sequence[Requirement], chosen: Mapping[str, WheelFile], target: PythonTarget) -> dict[str, _Want]:
    """Return what is wanted of each package, of the requirements and of what was chosen that they lead to."""
    wants: dict[str, _Want] = {}
    done: set[tuple[str, frozenset[str]]] = set()
    waiting: list[tuple[Requirement, str, frozenset[str]]] = [(one, _MODEL, frozenset()) for one in asked]
    while waiting:
        requirement, by, extras = waiting.pop()
        if not _applies(requirement, extras, target):
            continue
        name = canonicalize_name(requirement.name)
        want = wants.setdefault(name, _Want())
        want.by[f"{by} {requirement}"] = requirement
        want.extras |= {canonicalize_name(one) for one in requirement.extras}
        wheel, wanted = chosen.get(name), frozenset(want.extras)
        if wheel is None or (name, wanted) in done:
            continue
        done.add((name, wanted))
        waiting += [(one, f"{name} {wheel.version}", wanted) for one in wheel.requires]
    return wants


def _applies(requirement: Requirement, extras: frozenset[str], target: PythonTarget) -> bool:
    """Whether it is wanted there; where the full version of Python is not told, whether it may be."""
    marker = requirement.marker
    if marker is None:
        return True
    try:
        environments = target.environments()
        return any(marker.evaluate({**one, "extra": extra}) for one in environments for extra in ("", *extras))
    except (UndefinedComparison, UndefinedEnvironmentName):
        return True  # nobody can tell: then it is wanted


def _fits(wheel: WheelFile, want: _Want, target: PythonTarget, ranks: Mapping[Tag, int]) -> bool:
    return _runs(wheel, target, ranks) and all(
        one.specifier.contains(wheel.version, prereleases=True) for one in want.by.values()
    )


def _runs(wheel: WheelFile, target: PythonTarget, ranks: Mapping[Tag, int]) -> bool:
    return any(tag in ranks for tag in wheel.tags) and target.takes(wheel.pythons)


def _rank(wheel: WheelFile, ranks: Mapping[Tag, int]) -> int:
    return min(ranks[tag] for tag in wheel.tags if tag in ranks)


def _lack(name: str, want: _Want, there: Sequence[WheelFile], target: PythonTarget, ranks: Mapping[Tag, int]) -> Lack:
    running = [one for one in there if _runs(one, target, ranks)]
    if running:
        versions = list(dict.fromkeys(str(one.version) for one in running))[:_VERSIONS]
        words = f"those there are of version {', '.join(versions)}"
    elif there:
        words = f"{plain(there[-1].path.name)} is for another machine or Python"
    else:
        words = "none is there"
    extras = f"[{','.join(sorted(want.extras))}]" if want.extras else ""
    limits = ",".join(sorted({str(one) for wanted in want.by.values() for one in wanted.specifier}))
    by = dict.fromkeys(key.rpartition(f" {one}")[0] for key, one in want.by.items())
    return Lack(f"{name}{extras}{limits}", " and ".join(list(by)[:_VERSIONS]), words)


# A layer of a base image as it is read: unpacked on the way, summed before and after, never beyond a size.
_PIECE = 1 << 20  # chosen: files of gigabytes are read in pieces
_MOST_BYTES = 64 << 30  # chosen: twice the largest image of CUDA and its libraries; a small file may unpack to any size
_WINDOW_BYTES = 128 << 20  # what zstd's own longest mode asks for
_MAGIC = {b"\x1f\x8b": GZIPPED, b"\x28\xb5": ZSTD}


class _Summed(io.RawIOBase):
    """Reads on, and adds up what it has read."""

    def __init__(self, source: IO[bytes], most_bytes: int) -> None:
        super().__init__()
        self._source = source
        self._most_bytes = most_bytes
        self.sum = hashlib.sha256()
        self.n_bytes = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        piece = self._source.read(size if size >= 0 else _PIECE)
        self.sum.update(piece)
        self.n_bytes += len(piece)
        if self.n_bytes > self._most_bytes:
            raise Invalid(f"A layer of the base image is larger than {self._most_bytes >> 30} GiB when it is unpacked.")
        return piece

    def drain(self) -> None:
        while self.read(_PIECE):
            pass


@contextmanager
def unpacked(
    archive: BaseArchive, layer: LayerPlace, most_bytes: int = _MOST_BYTES
) -> Iterator[tuple[IO[bytes], Callable[[], Blob]]]:
    """Give a layer's own tar to read, and what then tells of it as it lies: summed to its end.

    That raises Invalid where the layer is not what the archive says of it.
    """
    with archive.open(layer.name) as raw:
        kind = _MAGIC.get(raw.read(2), PLAIN)
        raw.seek(0)
        packed = _Summed(raw, most_bytes)
        inner = _Summed(_decoded(cast("IO[bytes]", packed), kind), most_bytes)

        def told() -> Blob:
            inner.drain()
            packed.drain()
            digest = packed.sum.hexdigest()
            if layer.digest not in {None, digest} or f"sha256:{inner.sum.hexdigest()}" != layer.unpacked:
                raise Invalid(f"The base image is damaged: its layer {plain(layer.name)} is not what it is called.")
            return Blob(digest, packed.n_bytes, lambda: archive.open(layer.name), kind)

        yield cast("IO[bytes]", inner), told


def _decoded(packed: IO[bytes], kind: str) -> IO[bytes]:
    if kind == GZIPPED:
        return cast("IO[bytes]", gzip.GzipFile(fileobj=packed))
    if kind == ZSTD:
        decoder = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES)
        return cast("IO[bytes]", decoder.stream_reader(packed, read_across_frames=True))
    return packed


# The layer that wheels become: their files below one folder, each once, the same bytes for the same wheels.
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
    return Survey(image, tuple(blobs), target, found, planned(found))


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
        packed = write(found.laying, files[0])
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
