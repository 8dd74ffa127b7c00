"""Where the files of runs, versions and models lie, as a registry says: followed link by link, and nothing is opened.

MLflow would follow ``models:/`` and ``runs:/`` by itself, without a look at where they lead.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from mlops_desk.kit.base.errors import NotFound, Refused
from mlops_desk.registry.readers.origins import LoggedModel, RunOrigin

_MOST_MODELS = 100  # chosen: a run with a checkpoint of each epoch; each is asked for by itself
_LONGEST_CHAIN = 4  # chosen: a version's source refers to a model, which refers to a run


@dataclass(frozen=True, slots=True)
class ArtifactPlace:
    """Where files may lie: ``path`` in the artifact store at ``location``; they belong under ``prefix``."""

    location: str
    path: str
    prefix: str = ""


class Lookup(Protocol):
    """A registry as far as places need it. What is not there raises, each in the registry's own way."""

    def run(self, run_id: str) -> RunOrigin: ...

    def model(self, model_id: str) -> LoggedModel: ...

    def source(self, name: str, version: str) -> str:
        """Return where a version's files are said to be: a place, or another run or model."""
        ...

    def version_at(self, name: str, alias: str) -> str: ...


def places_of_version(registry: Lookup, name: str, version: str) -> list[ArtifactPlace]:
    return places_of_uri(registry, registry.source(name, version))


def places_of_each(
    place: Callable[[str, str], list[ArtifactPlace]], asked: Sequence[tuple[str, str]]
) -> list[list[ArtifactPlace]]:
    """Return the places of many versions; none of one that is gone, or that leads nowhere."""
    found = []
    for name, version in asked:
        try:
            found.append(place(name, version))
        except (NotFound, Refused):
            found.append([])  # gone meanwhile: its files are not known, and those of the others are
    return found


def places_of_run(registry: Lookup, run_id: str, path: str) -> list[ArtifactPlace]:
    """Return where a run's artifact may lie: among its own, or in a model logged under that name (MLflow 3).

    Without a path: its own, and every model that it logged.
    """
    run = registry.run(run_id)
    own = [ArtifactPlace(run.artifact_uri, path)] if run.artifact_uri else []
    models = [registry.model(model_id) for model_id in run.models_out[:_MOST_MODELS]]
    name, _, rest = path.partition("/")
    logged = [
        ArtifactPlace(model.artifact_location, rest, model.name)
        for model in models
        if model.artifact_location and (not path or model.name == name)
    ]
    return [*logged, *own] if path else [*own, *logged]


def places_of_uri(registry: Lookup, uri: str) -> list[ArtifactPlace]:
    """Follow ``models:/`` and ``runs:/`` to the stores that hold the files."""
    for _ in range(_LONGEST_CHAIN):
        scheme, _, rest = uri.partition(":/")
        head, _, path = rest.strip("/").partition("/")
        if scheme == "runs":
            return places_of_run(registry, head, path)
        if scheme != "models":
            return [_last_part(uri)]
        if head.startswith("m-"):
            return [ArtifactPlace(registry.model(head).artifact_location or "", path)]
        name, at, alias = head.partition("@")
        version, _, below = ("", "", path) if at else path.partition("/")
        if at:
            version = registry.version_at(name, alias)
        source = registry.source(name, version)
        uri = f"{source.rstrip('/')}/{below}" if below else source
    raise Refused("The registry sends us from one model to another without end; nothing was fetched.")


def _last_part(uri: str) -> ArtifactPlace:
    """Take the last part of an address as the path, because it may be a file, and a store is rooted in a folder."""
    parent, _, name = uri.rstrip("/").rpartition("/")
    return ArtifactPlace(parent, name) if urlsplit(uri).path.strip("/") else ArtifactPlace(uri, "")
