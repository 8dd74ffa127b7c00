"""What engines that speak Docker's API want said differently: how GPUs are asked for, how logs are kept. Pure.

Podman's Docker-compatible socket takes requests for a number of GPUs, or for NVIDIA's hook, and ignores them in
silence, so that a job would run without its GPUs. What it obeys is a request for devices that CDI names (tried on
5.4.2, which refuses the same names among HostConfig's Devices). So each engine is asked what it is.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NVIDIA_HOOK = "nvidia"
CDI = "cdi"
CDI_KIND = "nvidia.com/gpu"
"""The kind of device under which NVIDIA's toolkit describes GPUs to engines."""
GPUS_LABEL = "io.mlops-desk.gpus"
"""The UUIDs that a container was made with, for engines that do not tell. All have it, over what an image says."""

_LOG_BYTES, _LOG_FILES = "10m", "5"
"""Chosen: fifty million bytes hold the output of a long training; the desk keeps a log of its own beside it."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One sort of engine. ``gpus`` returns what the create call's HostConfig says for UUIDs by a route (see above).

    ``log`` is the driver that rotates, and can be read from while and after a container runs. ``bridge`` is what the
    network is called that containers are in by default, ``shared_bridge`` whether a bridge can keep its containers
    apart, so that ours share one; else each gets a bridge of its own. ``prefixes`` is what it puts before names of
    images that Docker leaves out, ``states`` are its words for states of a container, with Docker's for each.
    """

    name: str
    gpus: Callable[[tuple[str, ...], str | None], Mapping[str, Any]]
    log: Mapping[str, Any]
    bridge: str
    shared_bridge: bool = False
    prefixes: tuple[str, ...] = ()
    states: Mapping[str, str] = field(default_factory=dict)

    def image_name(self, name: str) -> str:
        """Return an image's name as Docker would have it."""
        prefix = next((prefix for prefix in self.prefixes if name.startswith(prefix)), "")
        return name.removeprefix(prefix)


def cdi_name(uuid: str) -> str:
    """Return what CDI calls a GPU."""
    return f"{CDI_KIND}={uuid}"


def _docker_gpus(uuids: tuple[str, ...], route: str | None) -> Mapping[str, Any]:
    """Name GPUs by UUID, never by count: engines turn a count into the first n, free or not."""
    if not uuids:
        return {"DeviceRequests": []}
    if route == CDI:
        return {"DeviceRequests": [{"Driver": CDI, "DeviceIDs": [cdi_name(uuid) for uuid in uuids]}]}
    capabilities = [["gpu", "utility", "compute"]]
    return {"DeviceRequests": [{"Driver": NVIDIA_HOOK, "DeviceIDs": list(uuids), "Capabilities": capabilities}]}


def _podman_gpus(uuids: tuple[str, ...], route: str | None) -> Mapping[str, Any]:  # noqa: ARG001 - it has no other
    return _docker_gpus(uuids, CDI)


DOCKER = Dialect(
    "Docker",
    _docker_gpus,
    {"Type": "local", "Config": {"max-size": _LOG_BYTES, "max-file": _LOG_FILES}},
    "bridge",
    shared_bridge=True,
)
PODMAN = Dialect(
    "Podman",
    _podman_gpus,
    {"Type": "k8s-file", "Config": {"max-size": _LOG_BYTES}},  # it has one file, which begins anew when it is full
    "podman",
    prefixes=("localhost/", "docker.io/library/", "docker.io/"),
    states={"configured": "created", "initialized": "created", "stopping": "running", "stopped": "exited"},
)


def dialect_of(version: Mapping[str, Any]) -> Dialect:
    """Return the dialect of an engine that answers so to /version."""
    parts = [str(part.get("Name", "")) for part in version.get("Components") or []]
    return PODMAN if any("podman" in part.lower() for part in parts) else DOCKER


# Which GPUs the CDI files of this machine name: an engine finds no other, whatever the driver shows.

_log = logging.getLogger(__name__)

FOLDERS = (Path("/etc/cdi"), Path("/var/run/cdi"))  # the two that the CDI specification names
_LARGEST_BYTES = 4 << 20  # chosen: one of eight GPUs with all their slices has some tens of kilobytes


def cdi_gpus(folders: Iterable[Path] = FOLDERS) -> set[str] | None:
    """Return the names of GPUs in the CDI files; None when there is no file of them. What is damaged names none."""
    names: set[str] = set()
    found = False
    for folder in folders:
        for path in _files(folder):
            said = _read(path)
            if said.get("kind") == CDI_KIND:
                found = True
                devices = said.get("devices")
                names |= (
                    {str(one.get("name")) for one in devices if isinstance(one, dict)}
                    if isinstance(devices, list)
                    else set()
                )
    return names if found else None


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix in {".json", ".yaml", ".yml"})
    except OSError:
        return []  # no such folder: CDI is not set up there


def _read(path: Path) -> dict[str, object]:
    import yaml  # noqa: PLC0415 - the doctor alone reads these

    try:
        with path.open("rb") as file:
            said = yaml.safe_load(file.read(_LARGEST_BYTES))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        _log.info("%s is left out: %s", path, error)
        return {}
    return said if isinstance(said, dict) else {}
