"""The Python packages in an image, read from its layers' own metadata, and the list of them as CycloneDX has it.

Nothing of the image is run. A layer may take away what one below it has: a file ``.wh.NAME`` hides NAME, and
``.wh..wh..opq`` all that its folder had before (OCI image specification, ``layer.md``).
"""

import email.parser
import re
import tarfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any
from urllib.parse import quote

_METADATA_BYTES = 1 << 20  # chosen: a package's whole README is in it
_MOST = 20_000  # chosen: ten times the largest image of models known here
_HIDES = ".wh."
_HIDES_ALL = ".wh..wh..opq"
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,198}[A-Za-z0-9])?")
_TEXT = 200  # chosen: a version or a licence's name


@dataclass(frozen=True, slots=True)
class Package:
    """A package that is in an image, as its metadata tells."""

    name: str
    version: str
    license: str | None = None


class Packages:
    """What the layers that were read by now hold, the lowest first."""

    def __init__(self) -> None:
        self._found: dict[str, Package] = {}

    def read(self, layer: IO[bytes]) -> None:
        """Read one layer, compressed or not. Raises tarfile.TarError, OSError."""
        hidden: set[str] = set()
        added: dict[str, Package] = {}
        with tarfile.open(fileobj=layer, mode="r|*") as archive:
            for member in archive:
                path = PurePosixPath(member.name.removeprefix("./"))
                if path.name.startswith(_HIDES):
                    hidden.add(str(path.parent / _hidden(path.name)))
                elif _is_metadata(path) and member.isfile() and (file := archive.extractfile(member)) is not None:
                    package = _package(file.read(_METADATA_BYTES))
                    if package is not None and len(added) < _MOST:
                        added[str(path.parent)] = package
        if hidden:
            self._found = {where: one for where, one in self._found.items() if not _is_below(where, hidden)}
        self._found |= added

    def all(self) -> list[Package]:
        """Return the packages, by name."""
        return sorted(set(self._found.values()), key=lambda one: (one.name.lower(), one.version))


def sbom(packages: Iterable[Package], image: str, digest: str, created: str) -> dict[str, Any]:
    """Return the list as CycloneDX 1.5 (``bom-1.5.schema.json``). ``created`` is ISO 8601.

    A package that lies in two places, its name written in two ways, is one: a ``bom-ref`` must be unique.
    """
    components = {str(one["bom-ref"]): one for one in map(_component, packages)}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": created,
            "tools": {"components": [{"type": "application", "name": "mlops-desk"}]},
            "component": {"type": "container", "bom-ref": "image", "name": image, "version": digest},
        },
        "components": list(components.values()),
    }


def _component(package: Package) -> Mapping[str, Any]:
    normal = re.sub(r"[-_.]+", "-", package.name).lower()  # as packages are compared: PEP 503
    address = f"pkg:pypi/{normal}@{quote(package.version, safe='')}"
    told: dict[str, Any] = {
        "type": "library", "bom-ref": address, "name": package.name, "version": package.version, "purl": address,
    }  # fmt: skip
    if package.license:
        told["licenses"] = [{"license": {"name": package.license}}]
    return told


def _hidden(name: str) -> str:
    return "" if name == _HIDES_ALL else name.removeprefix(_HIDES)


def _is_below(place: str, folders: Collection[str]) -> bool:
    """Whether a place is one of ``folders`` or below one, of which a layer of somebody's may have very many."""
    return place in folders or any(str(above) in folders for above in PurePosixPath(place).parents)


def _is_metadata(path: PurePosixPath) -> bool:
    of_wheel = path.name == "METADATA" and path.parent.suffix == ".dist-info"
    return of_wheel or (path.name == "PKG-INFO" and path.parent.suffix == ".egg-info")


def _package(data: bytes) -> Package | None:
    """Return what metadata tells; None for what names no package."""
    told = email.parser.BytesHeaderParser().parsebytes(data)
    name, version = str(told.get("Name", "")), str(told.get("Version", ""))
    if not _NAME.fullmatch(name) or not version.isprintable() or not version:
        return None
    licensed = str(told.get("License-Expression") or told.get("License") or "").splitlines()
    return Package(name, version[:_TEXT], licensed[0][:_TEXT] if licensed and licensed[0].isprintable() else None)
