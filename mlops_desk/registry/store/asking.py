"""Asks a store where files lie and things come from; what it does not know is asked of MLflow instead."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from mlops_desk.base import wire
from mlops_desk.base.errors import Unavailable
from mlops_desk.base.process import run_worker
from mlops_desk.registry.mlflow.places import ArtifactPlace
from mlops_desk.registry.protocol import RegistryClient
from mlops_desk.registry.reading.origins import LoggedModel, RunOrigin
from mlops_desk.registry.reading.source import RegistrySource

T = TypeVar("T")

_WORKER = "mlops_desk.registry.store.placing"
_SECONDS = 10.0  # chosen: a store on a slow disk; MLflow's client has longer


class StorePlaces:
    """Implements protocol.ArtifactOrigins on a store that is read directly. ``instead`` is the slow way."""

    def __init__(self, source: RegistrySource, instead: Callable[[], RegistryClient]) -> None:
        self._source = source
        self._instead = instead

    def places_of_run(self, run_id: str, path: str) -> list[ArtifactPlace]:
        return self._asked(list[ArtifactPlace], "places_of_run", run_id, path)

    def places_of_version(self, name: str, version: str) -> list[ArtifactPlace]:
        return self._asked(list[ArtifactPlace], "places_of_version", name, version)

    def places_of_versions(self, asked: Sequence[tuple[str, str]]) -> list[list[ArtifactPlace]]:
        return self._asked(list[list[ArtifactPlace]], "places_of_versions", [list(one) for one in asked])

    def origins(self, run_ids: Sequence[str]) -> list[RunOrigin]:
        return self._asked(list[RunOrigin], "origins", list(run_ids))

    def logged_models(self, model_ids: Sequence[str]) -> list[LoggedModel]:
        return self._asked(list[LoggedModel], "logged_models", list(model_ids))

    def _asked(self, kind: type[T], ask: str, *arguments: Any) -> T:
        source = self._source
        path = None if source.path is None else str(source.path)
        request = {"source": [source.kind, source.uri, source.shown, path], "ask": ask, "arguments": arguments}
        try:
            answer = run_worker(_WORKER, request, _SECONDS)
        except Unavailable:  # a schema that is not known here, a lock, a disk: MLflow says it, or can do it
            found: T = getattr(self._instead(), ask)(*arguments)
            return found
        return wire.from_builtins(answer, kind)
