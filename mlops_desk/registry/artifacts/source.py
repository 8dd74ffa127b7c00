"""From what place the files of a run or version are read. Nothing is opened, and all else is refused.

A registry names any address as the place of a run's files. Read directly are folders of this machine (of a store that
is on it, and of the desk's own server), and what another server hands out of its own store (``mlflow-artifacts``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlops_desk.kit.base.errors import Refused
from mlops_desk.registry.address import Address, check_artifact_location
from mlops_desk.registry.foreign.files import parts_below
from mlops_desk.registry.location import ROOT, is_plain_path, shown_location
from mlops_desk.registry.mlflow.file_locations import ArtifactPlace
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.tracker import FOREIGN, TrackerKind

_PROXY = "/api/2.0/mlflow-artifacts/artifacts"  # MLflow's own route
_HERE = ("", "localhost")  # hosts that a file:// address may name (RFC 8089)


@dataclass(frozen=True, slots=True)
class FilesSource:
    """Where a child process reads: in ``base`` below the folder ``root`` of this machine, or at the server ``url``.

    The root is where the registry, or a person, says that files lie; what is below it may be made by anybody, links
    too. ``headers`` hold the login.
    """

    root: str
    base: str
    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    ca_file: str | None = None
    proxy: str | None = None


def source_of(place: ArtifactPlace, registry: RegistrySource, own_files: Path) -> FilesSource | None:
    """Return from where a place is read; None where only MLflow's client can fetch from it. Raises Refused.

    ``own_files`` is the folder of the desk's own store of files.
    """
    if registry.kind in FOREIGN and registry.path is not None:
        return _foreign(place, registry.path)
    own = registry.kind is TrackerKind.OWN
    kind = "http" if own or registry.kind is TrackerKind.HTTP else "folder"
    check_artifact_location(place.location, Address(registry.uri, kind), own=own)
    if own:
        return FilesSource(str(own_files / place.location.removeprefix(ROOT)), place.path)
    parts = urlsplit(place.location)
    if parts.scheme in {"", "file"}:
        return FilesSource(_folder(place.location), place.path)
    if kind == "http" and parts.scheme in {"http", "https", "mlflow-artifacts"}:
        return _proxied(place, registry)
    return None


def _foreign(place: ArtifactPlace, path: Path) -> FilesSource:
    """Return the folder of another tracker's run, which is reached name by name from where the tracker writes."""
    root = path.parent if path.is_file() else path
    return FilesSource(str(root), "/".join(part for part in (parts_below(root, place.location), place.path) if part))


def _folder(location: str) -> str:
    """Return the folder that a file: address or a path names. Raises Refused."""
    parts = urlsplit(location)
    path = unquote(parts.path) if parts.scheme else location
    if parts.netloc.lower() not in _HERE or not Path(path).is_absolute() or "\0" in path:
        where = shown_location(location) or "/"
        raise Refused(f"{where} names no folder of this machine by its whole path; nothing was read.")
    return path


def _proxied(place: ArtifactPlace, registry: RegistrySource) -> FilesSource:
    path = urlsplit(place.location).path
    if urlsplit(place.location).scheme != "mlflow-artifacts":
        _, route, path = path.partition(_PROXY)
        if not route:
            raise Refused(f"{shown_location(place.location)} is no address of a server's own store; nothing was read.")
    below = path.strip("/")
    if below and not is_plain_path(below):
        raise Refused(
            f"The server names {shown_location(place.location)} as a place of files; such a path is not asked for."
        )
    return FilesSource(
        below,
        place.path,
        url=registry.uri.rstrip("/") + _PROXY,
        headers=registry.headers,
        ca_file=None if registry.ca_file is None else str(registry.ca_file),
        proxy=registry.proxy,
    )
