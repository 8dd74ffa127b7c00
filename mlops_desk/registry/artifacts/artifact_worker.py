"""The agent's side: finds where files lie, and has a child process look at them. What a child answers is a record.

A child has as much time and memory as a person's patience and this machine allow: a file that takes more is not
looked at, whatever it is, and says so.
"""

import shutil
import tempfile
from builtins import list as list_of
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused
from mlops_desk.kit.base.process import run_worker
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.artifacts.files import in_order, parts_of
from mlops_desk.registry.artifacts.source import FilesSource, source_of
from mlops_desk.registry.default_registry import Default
from mlops_desk.registry.location import shown_location
from mlops_desk.registry.mlflow.file_locations import ArtifactPlace
from mlops_desk.registry.records.artifact_view import ArtifactView, Downloaded
from mlops_desk.registry.records.model import Artifact
from mlops_desk.registry.records.model_files import ModelFileFacts
from mlops_desk.registry.registries import DOWNLOAD_LIMIT_BYTES, Registries, move_into

T = TypeVar("T")

_WORKER = "mlops_desk.registry.artifacts.worker"
_FACTS_WORKER = "mlops_desk.registry.model_files.worker"
_COPY_WORKER = "mlops_desk.registry.artifacts.copy_worker"
_COPY_SECONDS = 1800.0  # as long as a download may take
_SECONDS = 20.0  # chosen: 64 MB from a server far away; whoever waits longer downloads it
_FETCHED_BYTES = 64 << 20  # chosen: as much as worker.py reads of a file
_ENVIRONMENT = {
    # Address space is capped: no arena and no pool of threads for each of 128 cores.
    "MALLOC_ARENA_MAX": "2",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}


@dataclass(frozen=True, slots=True)
class _Asked:
    """One place to look at, and what of it; the answer's paths stand below ``prefix``."""

    place: ArtifactPlace
    path: str
    prefix: str = ""


class FileShelf:
    """Files of runs and versions of whatever registry. Everything raises DeskErrors."""

    def __init__(self, default: Default, registries: Callable[[], Registries]) -> None:
        self._default = default
        self._registries = registries

    def listed_of_run(self, run_id: str, path: str, uri: str | None) -> list_of[Artifact]:
        """List a folder of what a run has left; the models that it logged are folders among them."""
        below = "/".join(parts_of(path))
        with self._default.chosen(uri) as chosen:
            asked = self._of_run(run_id, below, chosen)
            instead = partial(self._listed_by_mlflow, run_id, below, chosen)
            if not asked:
                return instead()
            if below:
                return self._first(asked, lambda one: self._listed(one, chosen, instead))
            models = [Artifact(one.prefix, is_folder=True) for one in asked if one.prefix]
            own = [listed for one in asked if not one.prefix for listed in self._own(one, chosen, instead)]
            return in_order([*own, *(model for model in models if model not in own)])

    def view_of_run(self, run_id: str, path: str, uri: str | None) -> ArtifactView:
        below = _named(path)
        with self._default.chosen(uri) as chosen:
            fetch = partial(self._fetched, "run", [run_id, below], chosen)
            return self._first(self._of_run(run_id, below, chosen), lambda one: self._viewed(one, chosen, fetch))

    def download_of_run(self, run_id: str, path: str, folder: str, uri: str | None) -> Downloaded:
        below = "/".join(parts_of(path))
        with self._default.chosen(uri) as chosen:
            self._registries().read(chosen)  # says so where nothing was recorded yet
            return self._downloaded("run", [run_id, below], folder, chosen)

    def listed_of_version(self, name: str, version: str, path: str, uri: str | None) -> list_of[Artifact]:
        below = "/".join(parts_of(path))
        with self._default.chosen(uri) as chosen:
            asked = self._of_version(name, version, below, chosen)
            return self._first(asked, lambda one: self._listed(one, chosen, partial(_unreachable, one.place)))

    def view_of_version(self, name: str, version: str, path: str, uri: str | None) -> ArtifactView:
        below = _named(path)
        with self._default.chosen(uri) as chosen:
            asked = self._of_version(name, version, below, chosen)
            number = self.numbered(name, version, chosen)
            fetch = partial(self._fetched, "uri", [f"models:/{name}/{number}/{below}"], chosen)
            return self._first(asked, lambda one: self._viewed(one, chosen, fetch))

    def download_of_version(self, name: str, version: str, path: str, folder: str, uri: str | None) -> Downloaded:
        below = "/".join(parts_of(path))
        with self._default.chosen(uri) as chosen:
            number = self.numbered(name, version, chosen)
            source = f"models:/{name}/{number}" + (f"/{below}" if below else "")
            return self._downloaded("uri", [source], folder, chosen)

    def copy_of_version(self, name: str, version: str, folder: Path, uri: str | None) -> bool:
        """Copy a version's files into ``folder`` where they lie on this machine; tell whether they did.

        False for all others, which only MLflow's client brings. ``folder`` never holds half of them. Raises DeskErrors
        and OSError.
        """
        with self._default.chosen(uri) as chosen:
            sources = [self._source(one.place, chosen) for one in self._of_version(name, version, "", chosen)]
        source = next((one for one in sources if one is not None and one.url is None), None)
        if source is None:
            return False
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        arriving = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        request = {"source": asdict(source), "folder": str(arriving), "limit_bytes": DOWNLOAD_LIMIT_BYTES}
        try:
            run_worker(_COPY_WORKER, request, _COPY_SECONDS, _ENVIRONMENT)
            move_into(arriving, folder)
        except NotFound:
            return False  # MLflow may know of another place
        finally:
            shutil.rmtree(arriving, ignore_errors=True)
        return True

    def facts_of_version(self, name: str, version: str, uri: str | None) -> ModelFileFacts:
        with self._default.chosen(uri) as chosen:
            number = self.numbered(name, version, chosen)
            asked = self._of_version(name, number, "", chosen)
            task = {"name": name, "version": number}
            return self._first(asked, lambda one: self._told(one, chosen, task))

    def facts_of_logged(self, model_id: str, uri: str | None) -> ModelFileFacts:
        """Return what the files of a model say that a run logged and nobody registered. Raises NotFound."""
        with self._default.chosen(uri) as chosen:
            known = self._registries().placing(chosen).logged_models([model_id])
            if not known or not known[0].artifact_location:
                raise NotFound(f"There is no logged model {plain(model_id)!r}, or none that says where it lies.")
            asked = _Asked(ArtifactPlace(known[0].artifact_location, ""), "")
            return self._told(asked, chosen, {"name": known[0].name, "version": ""})

    def numbered(self, name: str, version: str, uri: str | None) -> str:
        """Return the number of a version that is named by it, or by @ALIAS. Raises NotFound."""
        if not version.startswith("@"):
            return version
        aliases = self._registries().read(uri).model(name).aliases
        if (number := aliases.get(version[1:])) is None:
            known = ", ".join(f"@{plain(alias)}" for alias in sorted(aliases)) or "none"
            raise NotFound(f"Model {plain(name)} has no alias {plain(version[1:])!r}.", f"Its aliases are {known}.")
        return number

    # -- where things lie --------------------------------------------------------------------

    def _of_run(self, run_id: str, below: str, uri: str | None) -> list_of[_Asked]:
        places = self._registries().placing(uri).places_of_run(run_id, below)
        return [_Asked(replace(one, path=""), one.path, one.prefix) for one in places]

    def _of_version(self, name: str, version: str, below: str, uri: str | None) -> list_of[_Asked]:
        number = self.numbered(name, version, uri)
        return [_Asked(one, below) for one in self._registries().placing(uri).places_of_version(name, number)]

    def _first(self, asked: Sequence[_Asked], look: Callable[[_Asked], T]) -> T:
        """Return what the first place has that has anything. Raises NotFound, the first one's if there is one."""
        missing = NotFound("There are no files there.")
        for at, one in enumerate(asked):
            try:
                return look(one)
            except NotFound as error:
                missing = missing if at else error
        raise missing

    # -- looking -----------------------------------------------------------------------------

    def _listed(self, asked: _Asked, uri: str | None, instead: Callable[[], list_of[Artifact]]) -> list_of[Artifact]:
        source = self._source(asked.place, uri)
        if source is None:
            return instead()
        found = self._worked(source, {"task": "list", "path": asked.path}, list[Artifact])
        return [replace(one, path=_joined(asked.prefix, one.path)) for one in found]

    def _listed_by_mlflow(self, run_id: str, below: str, uri: str | None) -> list_of[Artifact]:
        return self._registries().read(uri).artifacts(run_id, below)

    def _own(self, asked: _Asked, uri: str | None, instead: Callable[[], list_of[Artifact]]) -> list_of[Artifact]:
        """List all that a run has left; its folder is made with the first file."""
        try:
            return self._listed(asked, uri, instead)
        except NotFound:
            return []

    def _viewed(self, asked: _Asked, uri: str | None, fetch: Callable[[Path], FilesSource]) -> ArtifactView:
        source = self._source(asked.place, uri)
        shown = _joined(asked.prefix, asked.path)
        if source is not None:
            return replace(self._worked(source, {"task": "view", "path": asked.path}, ArtifactView), path=shown)
        with tempfile.TemporaryDirectory(prefix="view-", dir=self._registries().scratch) as folder:
            fetched = fetch(Path(folder, "files"))
            return replace(self._worked(fetched, {"task": "view", "path": ""}, ArtifactView), path=shown)

    def _told(self, asked: _Asked, uri: str | None, task: Mapping[str, Any]) -> ModelFileFacts:
        source = self._source(asked.place, uri)
        if source is None:
            problem = f"The files lie at {shown_location(asked.place.location)}, which is not read from here."
            return ModelFileFacts(str(task["name"]), str(task["version"]), problem=problem)
        return self._worked(source, task, ModelFileFacts, _FACTS_WORKER)

    def _source(self, place: ArtifactPlace, uri: str | None) -> FilesSource | None:
        registries = self._registries()
        return source_of(place, registries.source(uri), registries.server.ledger.artifacts)

    def _worked(self, source: FilesSource, task: Mapping[str, Any], kind: type[T], worker: str = _WORKER) -> T:
        answer = run_worker(worker, {"source": asdict(source), **task}, _SECONDS, _ENVIRONMENT)
        return wire.from_builtins(answer, kind)

    def _downloaded(self, what: str, arguments: list_of[str], folder: str, uri: str | None) -> Downloaded:
        target = Path(folder)
        if not target.is_absolute():
            raise Invalid(f"{plain(folder)!r} is no absolute path of a folder.")
        return _counted(self._registries().download(uri, what, arguments, target))

    def _fetched(self, what: str, arguments: list_of[str], uri: str | None, folder: Path) -> FilesSource:
        """Have MLflow's client bring a file that is not read from where it lies."""
        path = self._registries().download(uri, what, arguments, folder, _FETCHED_BYTES)
        return FilesSource(str(path.parent), path.name)


def _named(path: str) -> str:
    """Return the path of a file. Raises Invalid."""
    below = "/".join(parts_of(path))
    if not below:
        raise Invalid("No file is named.", "Name one, as the list of the files has it.")
    return below


def _joined(prefix: str, path: str) -> str:
    return "/".join(part for part in (prefix, path) if part)


def _unreachable(place: ArtifactPlace) -> list_of[Artifact]:
    scheme = place.location.partition(":")[0]
    text = f"The files lie at {shown_location(place.location)}, and {plain(scheme)} is not listed from here."
    raise Refused(text, "Look at them with MLflow's own tools.")


def _counted(path: Path) -> Downloaded:
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return Downloaded(str(path), len(files), sum(one.stat().st_size for one in files))


# The verbs about files, which the services of runs and models have beside their others.


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
