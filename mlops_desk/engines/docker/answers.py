"""What a Docker engine answers, as records: images, containers, networks, how it hands over GPUs."""

import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from mlops_desk.engines.dialects import CDI, CDI_KIND, DOCKER, GPUS_LABEL, NVIDIA_HOOK, PODMAN, Dialect
from mlops_desk.engines.docker.connection import Connections
from mlops_desk.engines.engine import ContainerFacts, ImageFacts
from mlops_desk.engines.image_store import StoredImage, StoredVolume, StoreRoom
from mlops_desk.kit.base.text import plain

ENDED = frozenset({"exited", "dead"})

_HOOK_PROGRAM = "nvidia-container-runtime-hook"
_NOT_STARTED = 128  # Docker's own for a container that could not be started
_TEXT_LIMIT = 1000  # chosen: a paragraph; the engine may quote a command


def is_rootless(info: Mapping[str, Any]) -> bool:
    """Tell whether an engine runs without root, so that root in its containers is the person who started it."""
    options = [str(option) for option in info.get("SecurityOptions") or []]
    return bool(info.get("Rootless")) or any(option.startswith("name=rootless") for option in options)


def holds_limits(info: Mapping[str, Any]) -> bool:
    """Tell whether an engine can hold containers to limits: the first sort of cgroup is root's alone.

    Podman says that it can where it then ignores them (podman-run(1): "not supported on cgroups V1 rootless systems").
    """
    return info.get("MemoryLimit") is not False and not (is_rootless(info) and str(info.get("CgroupVersion")) == "1")


def gpu_route(info: Mapping[str, Any], dialect: Dialect = DOCKER) -> str | None:
    """Return how this engine hands over GPUs: by NVIDIA's hook, which also serves MIG, else by CDI."""
    if dialect is PODMAN:
        return CDI
    if NVIDIA_HOOK in (info.get("Runtimes") or {}):
        return NVIDIA_HOOK
    found = [str(device.get("ID", "")) for device in info.get("DiscoveredDevices") or []]
    folders = [Path(folder) for folder in info.get("CDISpecDirs") or []]
    if any(name.startswith(f"{CDI_KIND}=") for name in found) or any(map(_has_gpu_spec, folders)):
        return CDI
    return NVIDIA_HOOK if shutil.which(_HOOK_PROGRAM) else None


def _has_gpu_spec(folder: Path) -> bool:
    try:
        return any(CDI_KIND in path.read_text("utf-8", "replace")[:65_536] for path in folder.iterdir())
    except OSError:
        return False  # no such folder on this machine


def gateway_of(network: Mapping[str, Any]) -> str | None:
    pools = (network.get("IPAM") or {}).get("Config") or []
    found = [str(pool["Gateway"]) for pool in pools if pool.get("Gateway") and ":" not in pool["Gateway"]]
    return found[0].partition("/")[0] if found else None


def image_facts(data: Mapping[str, Any], dialect: Dialect = DOCKER) -> ImageFacts:
    config = data.get("Config") or {}
    return ImageFacts(
        id=str(data["Id"]),
        tags=tuple(map(dialect.image_name, data.get("RepoTags") or ())),
        repo_digests=tuple(map(dialect.image_name, data.get("RepoDigests") or ())),
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        working_dir=str(config.get("WorkingDir") or ""),
        user=str(config.get("User") or ""),
        architecture=str(data.get("Architecture") or ""),
        os=str(data.get("Os") or ""),
        diff_ids=tuple(map(str, (data.get("RootFS") or {}).get("Layers") or ())),
    )


def container_facts(data: Mapping[str, Any], dialect: Dialect = DOCKER) -> ContainerFacts:
    state = data["State"]
    status, error = str(state["Status"]), str(state.get("Error") or "")
    status = dialect.states.get(status, status)
    networks = (data.get("NetworkSettings") or {}).get("Networks") or {}
    config = data.get("Config") or {}
    return ContainerFacts(
        id=str(data["Id"]),
        name=str(data["Name"]).removeprefix("/"),
        image_id=str(data["Image"]),
        status=status,
        labels=dict(config.get("Labels") or {}),
        exit_code=_exit_code(status, int(state["ExitCode"]), error),
        oom_killed=bool(state.get("OOMKilled")),
        error=plain(error, _TEXT_LIMIT) if error else None,
        pid=int(state["Pid"]) if state.get("Pid") else None,
        started_at=unix_time(state.get("StartedAt")),
        ended_at=unix_time(state.get("FinishedAt")),
        addresses={name: str(net["IPAddress"]) for name, net in networks.items() if net.get("IPAddress")},
        image=dialect.image_name(str(config.get("Image") or "")),
        user=str(config.get("User") or ""),
        gpus=_gpus(data, dialect),
        ports=_ports((data.get("NetworkSettings") or {}).get("Ports") or {}),
    )


def _ports(said: Mapping[str, Any]) -> dict[int, int]:
    """Return the container's TCP ports that are reached on this machine, with the number for each."""
    found = {name.removesuffix("/tcp"): places[0].get("HostPort") or "" for name, places in said.items() if places}
    return {int(own): int(here) for own, here in found.items() if own.isdecimal() and str(here).isdecimal()}


def _exit_code(status: str, code: int, error: str) -> int | None:
    """Return a container's exit code once it has one; Podman has 0 for one that could not start, and -1 for unknown."""
    if status == "created" and error:
        return code or _NOT_STARTED
    return code if status in ENDED and code >= 0 else None


def _gpus(data: Mapping[str, Any], dialect: Dialect) -> tuple[str, ...]:
    """Return the UUIDs that a container was created with, by whichever route."""
    if dialect is PODMAN:  # it tells of device files only
        names = str(((data.get("Config") or {}).get("Labels") or {}).get(GPUS_LABEL, "")).split(",")
    else:
        requests = (data.get("HostConfig") or {}).get("DeviceRequests") or []
        names = [str(name) for request in requests for name in request.get("DeviceIDs") or []]
    uuids = [name.removeprefix(f"{CDI_KIND}=") for name in names]
    return tuple(uuid for uuid in uuids if uuid.startswith(("GPU-", "MIG-")))


def last_exit_code(events: Sequence[Mapping[str, Any]]) -> int | None:
    """Return the exit code that the newest of some events of a container's end has."""
    codes = [str((event.get("Actor") or {}).get("Attributes", {}).get("exitCode", "")) for event in events]
    return int(codes[-1]) if codes and codes[-1].isdecimal() else None


def unix_time(text: str | None) -> float | None:
    """Return the Unix time of an engine's time (nanoseconds, Z); None for its year 1, which means never."""
    if not text or text.startswith("0001-"):
        return None
    whole, _, fraction = text.rstrip("Z").partition(".")
    try:
        return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")
    except ValueError:
        return None  # an offset instead of Z, or no time at all: nothing to show


# What lies on an engine's disk: images with what they share, volumes with who mounts them, and how much it all is.

_COUNTING_SECONDS = 120.0  # chosen: an engine counts the files of all volumes, on slow disks for minutes
_NAME_LIMIT = 255  # what an image's name and a volume's may have
_LABELS = 30  # chosen: an image of a big project has about twenty
_SHARED_SINCE = (1, 42)  # the API that tells of shared sizes in a list
_NO_NAME = "<none>"


def images(connections: Connections) -> list[StoredImage]:
    """List the images, with the bytes that they share where the engine counts those."""

    def ask(client: Any) -> list[StoredImage]:
        url, version = client._url("/images/json"), str(client._version)  # noqa: SLF001 - the SDK can't ask for shared
        counts = tuple(int(part) for part in version.split(".")[:2]) >= _SHARED_SINCE
        answer = client._get(url, params={"shared-size": "1"} if counts else {})  # noqa: SLF001 - likewise
        return [stored_image(entry, client.dialect) for entry in client._result(answer, json=True)]  # noqa: SLF001 - likewise

    return connections.call("Listing images", ask, connections.deadline_seconds * 4)


def stored_image(entry: Mapping[str, Any], dialect: Dialect = DOCKER) -> StoredImage:
    """Return an image of the list; a size of 0 or below is one that the engine did not count."""
    labels = entry.get("Labels") or {}
    names, digests = entry.get("RepoTags") or (), entry.get("RepoDigests") or ()
    shared = entry.get("SharedSize")
    return StoredImage(
        str(entry["Id"]),
        tuple(dialect.image_name(plain(str(name), _NAME_LIMIT)) for name in names if _NO_NAME not in name),
        tuple(dialect.image_name(plain(str(name), _NAME_LIMIT)) for name in digests if _NO_NAME not in name),
        int(entry["Size"]) if entry.get("Size") else None,
        int(shared) if isinstance(shared, int) and shared >= 0 else None,
        float(entry["Created"]) if isinstance(entry.get("Created"), (int, float)) and entry["Created"] > 0 else None,
        "",
        {plain(str(key)): plain(str(value)) for key, value in sorted(labels.items())[:_LABELS]},
    )


def volumes(connections: Connections) -> list[StoredVolume]:
    """List the volumes, with the names of the containers that mount them."""

    def ask(client: Any) -> list[StoredVolume]:
        users: defaultdict[str, list[str]] = defaultdict(list)
        for container in client.containers(all=True):
            for mount in container.get("Mounts") or ():
                if mount.get("Type") == "volume":
                    users[str(mount.get("Name"))].append(plain(_name_of(container)))
        return [_volume(entry, tuple(users[str(entry["Name"])])) for entry in client.volumes().get("Volumes") or ()]

    return connections.call("Listing volumes", ask, connections.deadline_seconds * 4)


def _name_of(container: Mapping[str, Any]) -> str:
    return next((str(name).removeprefix("/") for name in container.get("Names") or ()), str(container["Id"])[:12])


def _volume(entry: Mapping[str, Any], containers: tuple[str, ...]) -> StoredVolume:
    size = (entry.get("UsageData") or {}).get("Size", -1)
    return StoredVolume(
        plain(str(entry["Name"]), _NAME_LIMIT),
        plain(str(entry.get("Driver") or "")),
        size if isinstance(size, int) and size >= 0 else None,
        unix_time(str(entry.get("CreatedAt") or "")),
        containers,
    )


def room(connections: Connections) -> StoreRoom:
    """Count what everything takes."""

    def ask(client: Any) -> StoreRoom:
        used = client.df()
        sizes = [(one.get("UsageData") or {}).get("Size", -1) for one in used.get("Volumes") or ()]
        cache = [one.get("Size") for one in used.get("BuildCache") or ()]
        layers = used.get("LayersSize")
        return StoreRoom(
            int(layers) if isinstance(layers, int) and layers >= 0 else None,
            sum(cache) if all(isinstance(one, int) for one in cache) else None,
            sum(sizes) if all(isinstance(one, int) and one >= 0 for one in sizes) else None,
            _folder(client),
        )

    return connections.call("Counting what the engine keeps", ask, _COUNTING_SECONDS)


def data_folder(connections: Connections) -> str:
    """Return the folder in which the engine keeps its images."""
    return connections.call("Asking the engine where it keeps images", _folder)


def _folder(client: Any) -> str:
    return str(client.info().get("DockerRootDir") or "")
