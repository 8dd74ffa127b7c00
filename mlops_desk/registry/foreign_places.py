"""Where the files of other trackers' runs lie: in the folder of each, on this disk."""

from collections.abc import Callable, Sequence

from mlops_desk.base.errors import NotFound
from mlops_desk.base.text import plain
from mlops_desk.registry.mlflow.places import ArtifactPlace
from mlops_desk.registry.reading.origins import LoggedModel, RunOrigin


class ForeignPlaces:
    """Implements protocol.ArtifactOrigins. ``origins`` tells of runs by their ids; there are no models."""

    def __init__(self, origins: Callable[[Sequence[str]], Sequence[RunOrigin]], shown: str) -> None:
        self._origins = origins
        self._shown = shown

    def places_of_run(self, run_id: str, path: str) -> list[ArtifactPlace]:
        for run in self._origins([run_id]):
            return [] if run.artifact_uri is None else [ArtifactPlace(run.artifact_uri, path)]
        raise NotFound(f"There is no run {plain(run_id)!r}.", f"The registry is {self._shown}.")

    def places_of_version(self, name: str, version: str) -> list[ArtifactPlace]:  # noqa: ARG002 - there are none
        raise NotFound(f"There is no registered model {plain(name)!r}: {self._shown} holds runs alone.")

    def places_of_versions(self, asked: Sequence[tuple[str, str]]) -> list[list[ArtifactPlace]]:
        return [[] for _ in asked]

    def origins(self, run_ids: Sequence[str]) -> list[RunOrigin]:
        return list(self._origins(run_ids))

    def logged_models(self, model_ids: Sequence[str]) -> list[LoggedModel]:  # noqa: ARG002 - there are none
        return []
