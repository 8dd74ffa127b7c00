"""The base image: an archive that somebody has made, OCI image layout or ``docker save``, with one image or several.

Nothing in it is believed: sums are compared, links lead nowhere, and whatever is not of the form is said in a sentence.
Specification: opencontainers/image-spec, ``image-layout.md``, ``image-index.md``, ``manifest.md``.
"""

import gzip
import hashlib
import json
import posixpath
import re
import struct
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import zstandard

from mlops_desk.kit.base.errors import Hint, Invalid, NotFound
from mlops_desk.kit.base.text import plain
from mlops_desk.serving.export.layout import platform_of

_MOST_MEMBERS = 100_000  # chosen: an archive of images has some hundred
_MOST_LAYERS = 127  # a limit of Docker's own
_MOST_IMAGES = 200  # chosen: an index of all platforms of Python has two dozen
_DEEPEST = 3  # chosen: an index in an index is what engines write
_DESCRIPTION_BYTES = 16 << 20  # chosen: descriptions of images have kilobytes
_SHOWN = 6  # chosen: so many names fit a sentence
_PATH = 400  # chosen: most of a path
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_INDEXES = ("image.index.v1+json", "manifest.list.v2+json")
_SKOPEO = "skopeo copy --override-os linux --override-arch arm64 docker://python:3.12-slim oci-archive:base.tar"
_HINT = Hint(_SKOPEO, before="Where there is a network: ")


@dataclass(frozen=True, slots=True)
class LayerPlace:
    """A layer in the archive: its member's name, and its digest where the description tells one."""

    name: str
    digest: str | None
    unpacked: str
    """What its bytes add up to when they are unpacked (``sha256:…``), as the configuration tells."""


@dataclass(frozen=True, slots=True)
class BaseImage:
    """One image of an archive: its configuration, as it is, and its layers, the lowest first."""

    platform: str
    config: Mapping[str, Any]
    layers: tuple[LayerPlace, ...]


class BaseArchive:
    """An archive that is open for reading. Its members are found by name; links are followed once."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._members: dict[str, tarfile.TarInfo] = {}
        for member in archive:
            self._members[posixpath.normpath(member.name)] = member
            if len(self._members) > _MOST_MEMBERS:
                raise Invalid(f"The base image has more than {_MOST_MEMBERS:,} files in its archive.", _HINT)

    def has(self, name: str) -> bool:
        return name in self._members

    def open(self, name: str) -> IO[bytes]:
        """Return a member to read. Raises Invalid where it is not there, or no file."""
        member = self._members.get(posixpath.normpath(name))
        if member is not None and (member.issym() or member.islnk()):
            folder = posixpath.dirname(name) if member.issym() else ""
            member = self._members.get(posixpath.normpath(posixpath.join(folder, member.linkname)))
        if member is None or member.type not in tarfile.REGULAR_TYPES or member.issparse():
            raise Invalid(f"The base image's archive lacks {plain(name)}, which it names.", _HINT)
        file = self._archive.extractfile(member)
        if file is None:
            raise Invalid(f"The base image's archive has no file {plain(name)}.", _HINT)
        return file

    def document(self, name: str, digest: str | None = None) -> Any:
        """Return a member that is JSON, whose sum is ``digest``. Raises Invalid."""
        with self.open(name) as file:
            data = file.read(_DESCRIPTION_BYTES + 1)
        if len(data) > _DESCRIPTION_BYTES:
            raise Invalid(f"The base image's {plain(name)} is too long to be a description.", _HINT)
        if digest is not None and hashlib.sha256(data).hexdigest() != digest:
            raise Invalid(f"The base image is damaged: {plain(name)} is not what its name says.", _HINT)
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            raise Invalid(f"The base image's {plain(name)} is no JSON: {plain(str(error))}.", _HINT) from error

    def images(self) -> list[BaseImage]:
        """Return the images whose files are all there. Raises Invalid."""
        if self.has("index.json"):
            return list(self._indexed(self.document("index.json"), {}, 0))
        if self.has("manifest.json"):
            entries = self.document("manifest.json")
            if not isinstance(entries, list) or len(entries) > _MOST_IMAGES:
                raise _odd("manifest.json")
            return [self._saved(entry) for entry in entries]
        raise Invalid("The base image's archive has neither index.json nor manifest.json, so it holds no image.", _HINT)

    def _indexed(self, index: Any, seen: dict[str, None], depth: int) -> Iterator[BaseImage]:
        entries = index.get("manifests") if isinstance(index, dict) else None
        if not isinstance(entries, list):
            raise _odd("index")
        for entry in entries:
            digest = _digest(entry)
            name = f"blobs/sha256/{digest}"
            # Engines save an index of all platforms with the files of one: the others are not there.
            if digest in seen or not self.has(name):
                continue
            seen[digest] = None
            if len(seen) > _MOST_IMAGES:
                raise Invalid(f"The base image's archive has more than {_MOST_IMAGES} descriptions.", _HINT)
            document = self.document(name, digest)
            if str(entry.get("mediaType", "")).endswith(_INDEXES) and depth < _DEEPEST:
                yield from self._indexed(document, seen, depth + 1)
            elif (image := self._described(document)) is not None:
                yield image

    def _described(self, manifest: Any) -> BaseImage | None:
        """Return the image of a manifest; None for what is no image (signatures, attestations)."""
        if not isinstance(manifest, dict) or not isinstance(manifest.get("layers"), list):
            raise _odd("manifest")
        about = _digest(manifest.get("config"))
        config = self.document(f"blobs/sha256/{about}", about)
        if not isinstance(config, dict) or config.get("architecture") in {None, "", "unknown"}:
            return None
        digests = [_digest(layer) for layer in manifest["layers"]]
        return _image(config, [(f"blobs/sha256/{digest}", digest) for digest in digests])

    def _saved(self, entry: Any) -> BaseImage:
        if not isinstance(entry, dict) or not isinstance(entry.get("Config"), str):
            raise _odd("manifest.json")
        names = entry.get("Layers")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise _odd("manifest.json")
        return _image(self.document(entry["Config"]), [(name, None) for name in names])


@contextmanager
def opened(base: Path) -> Iterator[BaseArchive]:
    """Open a base image. Raises Invalid, NotFound."""
    if not base.is_file():
        raise NotFound(f"There is no base image {plain(str(base), _PATH)}.", _HINT)
    with read_safely():
        archive = tarfile.open(base, "r:")  # noqa: SIM115 - closed below, where what is done with it raises its own
    with archive:
        with read_safely():
            listed = BaseArchive(archive)
        yield listed


@contextmanager
def read_safely() -> Iterator[None]:
    """Turn all that reading a stranger's archive may raise into a sentence. Raises Invalid."""
    what = "The base image"
    try:
        yield
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error, struct.error, zstandard.ZstdError) as error:
        raise Invalid(f"{what} can't be read as an archive (tar): {plain(str(error))}.", _HINT) from error
    except (ValueError, LookupError, OverflowError, RecursionError, MemoryError) as error:
        raise Invalid(f"{what} is not of a form that can be read: {plain(str(error))}.", _HINT) from error


def chosen(archive: BaseArchive, platform: str | None) -> BaseImage:
    """Return the image for a platform (``linux/arm64``), or the only one there is. Raises Invalid, NotFound."""
    with read_safely():
        images = archive.images()
    fitting = [image for image in images if platform is None or _is_for(image.platform, platform)]
    there = ", ".join(dict.fromkeys(plain(image.platform) for image in images[:_SHOWN])) or "none"
    if not fitting:
        text = f"for {plain(platform)}" if platform else "at all"
        raise NotFound(f"The base image's archive has no image {text}; those that are there: {there}.", _HINT)
    if len(fitting) > 1:
        hint = f"Name its platform by --platform, as --platform {plain(fitting[-1].platform)}."
        raise Invalid(f"The base image's archive has {len(fitting)} images ({there}), and one is wanted.", hint)
    return fitting[0]


def _image(config: Any, layers: list[tuple[str, str | None]]) -> BaseImage:
    try:
        sums = config["rootfs"]["diff_ids"]
        is_whole = len(sums) == len(layers) and all(_DIGEST.fullmatch(one) for one in sums)
        inner = config.get("config") or {}
        is_whole &= isinstance(inner, dict) and isinstance(inner.get("Env") or [], list)
    except (KeyError, TypeError, AttributeError) as error:
        raise _odd("configuration") from error
    if not is_whole or not 1 <= len(layers) <= _MOST_LAYERS:
        raise Invalid("The base image's configuration does not tell of all its layers, 1 to 127 of them.", _HINT)
    places = tuple(LayerPlace(*place, sum_) for place, sum_ in zip(layers, sums, strict=True))
    return BaseImage(platform_of(config), config, places)


def _digest(descriptor: Any) -> str:
    found = _DIGEST.fullmatch(str(descriptor.get("digest"))) if isinstance(descriptor, dict) else None
    if found is None:
        raise _odd("manifest")
    return found[1]


def _is_for(platform: str, wanted: str) -> bool:
    """Whether a platform is the wanted one; where no variant is named, any is."""
    return platform == wanted or platform.split("/")[:2] == wanted.split("/")


def _odd(name: str) -> Invalid:
    return Invalid(f"The base image's {name} is not of a known form.", _HINT)
