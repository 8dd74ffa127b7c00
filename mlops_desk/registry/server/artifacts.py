"""The server's own store of files, the only one that MLflow finds in the server's process.

MLflow opens whatever repository an address names: another host's, or any folder of this disk. Here every address
but those below the store's own folder is refused, at the one place where repositories are opened, so it does not
matter by which row of the database or by which call an address came. Links are never followed.
"""

import os
from pathlib import Path
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED
from mlflow.store.artifact import artifact_repository_registry
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from mlops_desk.kit.base.text import plain

_SCHEMES = ("", "file")


def keep_to(folder: Path) -> None:
    """From now on open files below ``folder`` only, whatever address is asked for in this process."""
    root = os.path.realpath(folder)

    def stored(artifact_uri: str, **options: Any) -> "StoredFiles":
        return StoredFiles(root, artifact_uri, **options)

    known: dict[str, Any] = artifact_repository_registry.get_registered_artifact_repositories()
    for scheme in tuple(known):
        known[scheme] = stored if scheme in _SCHEMES else _elsewhere


def _elsewhere(artifact_uri: str, **_options: Any) -> Any:
    raise _refused(artifact_uri, "is not in this server's own store of files")


class StoredFiles(LocalArtifactRepository):
    """A folder of the store. Everything raises MlflowException for what lies outside ``root`` or behind a link."""

    def __init__(
        self, root: str, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
    ) -> None:
        super().__init__(artifact_uri, tracking_uri, registry_uri)
        self._root = root
        self._check("")

    def _check(self, path: str | None) -> None:
        """Raise unless ``path`` below this folder lies in the store, with no link on the way."""
        wanted = os.path.normpath(Path(self.artifact_dir, path or ""))
        if wanted != self._root and not wanted.startswith(f"{self._root}{os.sep}"):
            raise _refused(path or self.artifact_uri, "is not in this server's own store of files")
        current = Path(wanted)
        while str(current) != self._root:
            if current.is_symlink():
                raise _refused(path or self.artifact_uri, "is, or lies behind, a link; links are not followed")
            current = current.parent

    def get_local_path(self, artifact_path: str) -> str:
        self._check(artifact_path)
        return super().get_local_path(artifact_path)

    def _get_destination_artifact_path(
        self, artifact_file_name: str, artifact_path: str | None = None
    ) -> tuple[str, str]:
        self._check(str(Path(artifact_path or "", Path(artifact_file_name).name)))
        return super()._get_destination_artifact_path(artifact_file_name, artifact_path)

    def _get_or_create_artifact_dir(self, artifact_path: str | None = None) -> str:
        self._check(artifact_path)
        return super()._get_or_create_artifact_dir(artifact_path)

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        self._check(remote_file_path)
        super()._download_file(remote_file_path, local_path)  # type: ignore[no-untyped-call]  # MLflow's is untyped

    def list_artifacts(self, path: str | None = None) -> list[Any]:
        self._check(path)
        found = super().list_artifacts(path)  # type: ignore[no-untyped-call]  # MLflow's is untyped
        return [file for file in found if not Path(self.artifact_dir, file.path).is_symlink()]

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        self._check(artifact_path)
        super().delete_artifacts(artifact_path)  # type: ignore[no-untyped-call]  # MLflow's is untyped

    def download_trace_data(self) -> dict[str, Any]:
        self._check("traces.json")
        return super().download_trace_data()


def _refused(place: str, why: str) -> MlflowException:
    return MlflowException(f"{plain(place, 200)!r} {why}.", error_code=PERMISSION_DENIED)
