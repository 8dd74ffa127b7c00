"""The verbs about files, which the services of runs and models have beside their others."""

from builtins import list as list_of
from typing import Protocol

from mlops_desk.records.model import Artifact
from mlops_desk.records.registry.artifact_view import ArtifactView, Downloaded
from mlops_desk.records.registry.model_files import ModelFileFacts
from mlops_desk.registry.artifacts.shelf import FileShelf


class FilesAccess(Protocol):
    """What these verbs need of the registry's core."""

    @property
    def shelf(self) -> FileShelf: ...


class RunFileVerbs:
    """A part of the service of runs."""

    _core: FilesAccess

    def artifacts(self, run_id: str, path: str = "", uri: str | None = None) -> list_of[Artifact]:
        return self._core.shelf.listed_of_run(run_id, path, uri)

    def artifact(self, run_id: str, path: str, uri: str | None = None) -> ArtifactView:
        return self._core.shelf.view_of_run(run_id, path, uri)

    def download(self, run_id: str, path: str, folder: str, uri: str | None = None) -> Downloaded:
        return self._core.shelf.download_of_run(run_id, path, folder, uri)


class ModelFileVerbs:
    """A part of the service of models."""

    _core: FilesAccess

    def facts(self, model: str, version: str, uri: str | None = None) -> ModelFileFacts:
        return self._core.shelf.facts_of_version(model, version, uri)

    def files(self, model: str, version: str, path: str = "", uri: str | None = None) -> list_of[Artifact]:
        return self._core.shelf.listed_of_version(model, version, path, uri)

    def view(self, model: str, version: str, path: str, uri: str | None = None) -> ArtifactView:
        return self._core.shelf.view_of_version(model, version, path, uri)

    def download(self, model: str, version: str, path: str, folder: str, uri: str | None = None) -> Downloaded:
        return self._core.shelf.download_of_version(model, version, path, folder, uri)
