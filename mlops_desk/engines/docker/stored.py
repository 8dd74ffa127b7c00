"""What lies on an engine's disk: images with what they share, volumes with who mounts them, and how much it all is."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from mlops_desk.base.text import plain
from mlops_desk.engines.dialects import DOCKER, Dialect
from mlops_desk.engines.docker.answers import unix_time
from mlops_desk.engines.docker.connection import Connections
from mlops_desk.engines.images import StoredImage, StoredVolume, StoreRoom

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
