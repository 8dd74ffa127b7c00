"""Where the files of runs, versions and models lie, as a registry says: followed link by link, and nothing is opened.

MLflow would follow ``models:/`` and ``runs:/`` by itself, without a look at where they lead.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from mlops_desk.base.errors import Refused

_MOST_MODELS = 100  # chosen: a run with a checkpoint of each epoch; each is asked for by itself
_LONGEST_CHAIN = 4  # chosen: a version's source refers to a model, which refers to a run


@dataclass(frozen=True, slots=True)
class ArtifactPlace:
    """Where files may lie: ``path`` in the artifact store at ``location``; they belong under ``prefix``."""

    location: str
    path: str
    prefix: str = ""


def places_of_version(client: Any, name: str, version: str) -> list[ArtifactPlace]:
    return places_of_uri(client, client.get_model_version_download_uri(name, version))


def places_of_run(client: Any, run_id: str, path: str) -> list[ArtifactPlace]:
    """Return where a run's artifact may lie: among its own, or in a model logged under that name (MLflow 3).

    Without a path: its own, and every model that it logged.
    """
    run = client.get_run(run_id)
    own = ArtifactPlace(run.info.artifact_uri, path)
    outputs = run.outputs.model_outputs if run.outputs else []
    models = [client.get_logged_model(output.model_id) for output in outputs[:_MOST_MODELS]]
    name, _, rest = path.partition("/")
    logged = [ArtifactPlace(m.artifact_location, rest, m.name) for m in models if not path or m.name == name]
    return [*logged, own] if path else [own, *logged]


def places_of_uri(client: Any, uri: str) -> list[ArtifactPlace]:
    """Follow ``models:/`` and ``runs:/`` to the stores that hold the files. MLflow would do that without a look."""
    for _ in range(_LONGEST_CHAIN):
        scheme, _, rest = uri.partition(":/")
        head, _, path = rest.strip("/").partition("/")
        if scheme == "runs":
            return places_of_run(client, head, path)
        if scheme != "models":
            return [_last_part(uri)]
        if head.startswith("m-"):
            return [ArtifactPlace(client.get_logged_model(head).artifact_location, path)]
        name, at, alias = head.partition("@")
        version, _, below = ("", "", path) if at else path.partition("/")
        if at:
            version = client.get_model_version_by_alias(name, alias).version
        source = client.get_model_version_download_uri(name, version)
        uri = f"{source.rstrip('/')}/{below}" if below else source
    raise Refused("The registry sends us from one model to another without end; nothing was fetched.")


def _last_part(uri: str) -> ArtifactPlace:
    """Take the last part of an address as the path, because it may be a file, and a store is rooted in a folder."""
    parent, _, name = uri.rstrip("/").rpartition("/")
    return ArtifactPlace(parent, name) if urlsplit(uri).path.strip("/") else ArtifactPlace(uri, "")
