"""A registry as the rest of the program sees it, and the one that asks MLflow through a worker."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

from mlops_desk.kit.base import wire
from mlops_desk.registry.mlflow.file_locations import ArtifactPlace, places_of_each
from mlops_desk.registry.mlflow.pagination import RunsAsked, RunsPage
from mlops_desk.registry.mlflow.workers import Workers
from mlops_desk.registry.readers.origins import LoggedModel, RunOrigin
from mlops_desk.registry.records.labels import RunStage
from mlops_desk.registry.records.model import Artifact, DatasetInput, Experiment, MetricCurve, Model, ModelVersion, Run

T = TypeVar("T")

ANSWER_SECONDS = 15.0  # chosen: longer than a person waits, and a server far away may take

_NONE: Mapping[str, float] = {}


class ArtifactOrigins(Protocol):
    """What a registry says of where files lie and things come from. Everything raises DeskErrors."""

    def places_of_run(self, run_id: str, path: str) -> list[ArtifactPlace]:
        """Return where a run's file or folder may lie: among its own, or in a model that it logged."""
        ...

    def places_of_version(self, name: str, version: str) -> list[ArtifactPlace]:
        """Return where a version's files may lie."""
        ...

    def places_of_versions(self, asked: Sequence[tuple[str, str]]) -> list[list[ArtifactPlace]]:
        """Return the same of many, each a model and a number; none of what is gone."""
        ...

    def origins(self, run_ids: Sequence[str]) -> list[RunOrigin]:
        """Return what runs were given and gave; those that are gone are left out."""
        ...

    def logged_models(self, model_ids: Sequence[str]) -> list[LoggedModel]:
        """Return models as runs logged them; those that are gone are left out."""
        ...


class RegistryClient(ArtifactOrigins, Protocol):
    """One tracking server or store. Everything raises DeskErrors: NotFound, Refused, Invalid, Unavailable, TimedOut."""

    def models(self) -> list[Model]:
        """List all registered models, by name."""
        ...

    def model(self, name: str) -> Model: ...

    def versions(self, name: str) -> list[ModelVersion]:
        """List a model's versions, newest first."""
        ...

    def versions_of_run(self, run_id: str) -> list[ModelVersion]:
        """List the versions that a run registered, oldest first."""
        ...

    def set_alias(self, name: str, alias: str, version: str) -> Model: ...

    def remove_alias(self, name: str, alias: str) -> Model: ...

    def version(self, name: str, version: str) -> ModelVersion: ...

    def tag_model(self, name: str, version: str | None, key: str, value: str | None) -> None:
        """Write a tag of a model, or of one of its versions; ``value`` None takes it away."""
        ...

    def describe_model(self, name: str, version: str | None, text: str) -> None:
        """Write the description of a model, or of one of its versions."""
        ...

    def delete_model(self, name: str, version: str | None) -> None:
        """Delete a model with all its versions, or one of them, for good."""
        ...

    def register(self, name: str, run_id: str, path: str) -> ModelVersion:
        """Make what a run has logged at ``path`` a version of a model, which is made where there is none."""
        ...

    def run_stage(self, run_id: str) -> RunStage: ...

    def delete_run(self, run_id: str) -> RunStage:
        """Mark a run as deleted. Raises Refused for one that has not ended."""
        ...

    def delete_runs(self, run_ids: Sequence[str]) -> list[RunStage]:
        """Mark runs as deleted, in their order; one that can't be is told with its ``problem``."""
        ...

    def restore_run(self, run_id: str) -> RunStage: ...

    def tag_run(self, run_id: str, key: str, value: str | None) -> None:
        """Write a tag of a run; ``value`` None takes it away."""
        ...

    def experiments(self) -> list[Experiment]:
        """List the active experiments, by name."""
        ...

    def runs(self, experiment: str, sort: str | None = None, limit: int = 100) -> list[Run]:
        """List an experiment's active runs: sorted, ties broken and missing values last as MLflow does it."""
        ...

    def runs_page(self, asked: RunsAsked) -> RunsPage:
        """Return a page of an experiment's active runs, in the same order. Raises Invalid for a token of nobody."""
        ...

    def run(self, run_id: str) -> Run: ...

    def metric_histories(self, run_ids: Sequence[str], name: str) -> dict[str, list[float]]:
        """Return the values that runs have logged of a metric, oldest first; a run that is gone has none."""
        ...

    def metric_curves(self, run_id: str, names: Sequence[str], points: int) -> list[MetricCurve]:
        """Return what a run has logged of these metrics by step, each with at most so many points."""
        ...

    def artifacts(self, run_id: str, path: str = "") -> list[Artifact]:
        """List a folder of what a run has left, folders first; an empty path is all of it."""
        ...

    def log_file(self, run_id: str, file: str, folder: str) -> str:
        """Put a file of this machine into a folder of a run's artifacts; return its path there."""
        ...

    def datasets(self, run_id: str) -> list[DatasetInput]: ...

    def start_run(self, experiment: str, tags: Mapping[str, str]) -> str:
        """Create a run (and its experiment, where there is none) and return its id."""
        ...

    def end_run(self, run_id: str, status: str) -> Run:
        """Set a run's status: FINISHED, FAILED or KILLED."""
        ...

    def tell_run(
        self,
        run_id: str,
        tags: Mapping[str, str],
        datasets: Sequence[DatasetInput],
        metrics: Mapping[str, float] = _NONE,
    ) -> None:
        """Write tags and metrics on a run, and datasets (their ``source`` a path) as its inputs."""
        ...


class MlflowRegistry:
    """A RegistryClient for any tracking URI. ``environment`` is set (None: unset) in the worker for each request.

    ``own``: it is the desk's own server, which sends nobody elsewhere for files.
    """

    def __init__(self, workers: Workers, uri: str, environment: Mapping[str, str | None], *, own: bool = False) -> None:
        self._own = own
        self._workers = workers
        self._uri = uri
        self._environment = environment

    def models(self) -> list[Model]:
        return self._ask(list[Model], "models")

    def model(self, name: str) -> Model:
        return self._ask(Model, "model", name=name)

    def versions(self, name: str) -> list[ModelVersion]:
        return self._ask(list[ModelVersion], "versions", name=name)

    def versions_of_run(self, run_id: str) -> list[ModelVersion]:
        return self._ask(list[ModelVersion], "versions_of_run", run_id=run_id)

    def set_alias(self, name: str, alias: str, version: str) -> Model:
        return self._ask(Model, "set_alias", name=name, alias=alias, version=version)

    def remove_alias(self, name: str, alias: str) -> Model:
        self._ask(None, "remove_alias", name=name, alias=alias)
        return self.model(name)

    def version(self, name: str, version: str) -> ModelVersion:
        return self._ask(ModelVersion, "version", name=name, version=version)

    def tag_model(self, name: str, version: str | None, key: str, value: str | None) -> None:
        self._ask(None, "tag_model", name=name, version=version, key=key, value=value)

    def describe_model(self, name: str, version: str | None, text: str) -> None:
        self._ask(None, "describe_model", name=name, version=version, text=text)

    def delete_model(self, name: str, version: str | None) -> None:
        self._ask(None, "delete_model", name=name, version=version)

    def register(self, name: str, run_id: str, path: str) -> ModelVersion:
        files = [found.path for found in self.artifacts(run_id, path)]
        return self.version(name, self._ask(str, "register", name=name, run_id=run_id, path=path, files=files))

    def run_stage(self, run_id: str) -> RunStage:
        return self._ask(RunStage, "run_stage", run_id=run_id)

    def delete_run(self, run_id: str) -> RunStage:
        return self._ask(RunStage, "delete_run", run_id=run_id)

    def delete_runs(self, run_ids: Sequence[str]) -> list[RunStage]:
        return self._ask(list[RunStage], "delete_runs", run_ids=list(run_ids))

    def restore_run(self, run_id: str) -> RunStage:
        return self._ask(RunStage, "restore_run", run_id=run_id)

    def tag_run(self, run_id: str, key: str, value: str | None) -> None:
        self._ask(None, "tag_run", run_id=run_id, key=key, value=value)

    def experiments(self) -> list[Experiment]:
        return self._ask(list[Experiment], "experiments")

    def runs(self, experiment: str, sort: str | None = None, limit: int = 100) -> list[Run]:
        return self._ask(list[Run], "runs", experiment=experiment, sort=sort, limit=limit)

    def runs_page(self, asked: RunsAsked) -> RunsPage:
        return self._ask(RunsPage, "runs_page", **asked._asdict())

    def run(self, run_id: str) -> Run:
        return self._ask(Run, "run", run_id=run_id)

    def metric_histories(self, run_ids: Sequence[str], name: str) -> dict[str, list[float]]:
        return self._ask(dict[str, list[float]], "metric_histories", run_ids=list(run_ids), name=name)

    def metric_curves(self, run_id: str, names: Sequence[str], points: int) -> list[MetricCurve]:
        return self._ask(list[MetricCurve], "metric_curves", run_id=run_id, names=list(names), points=points)

    def artifacts(self, run_id: str, path: str = "") -> list[Artifact]:
        return self._ask(list[Artifact], "artifacts", run_id=run_id, path=path, uri=self._uri, own=self._own)

    def log_file(self, run_id: str, file: str, folder: str) -> str:
        return self._ask(str, "log_file", run_id=run_id, file=file, folder=folder, uri=self._uri, own=self._own)

    def datasets(self, run_id: str) -> list[DatasetInput]:
        return self._ask(list[DatasetInput], "datasets", run_id=run_id)

    def places_of_run(self, run_id: str, path: str) -> list[ArtifactPlace]:
        return self._ask(list[ArtifactPlace], "places_of_run", run_id=run_id, path=path)

    def places_of_version(self, name: str, version: str) -> list[ArtifactPlace]:
        return self._ask(list[ArtifactPlace], "places_of_version", name=name, version=version)

    def places_of_versions(self, asked: Sequence[tuple[str, str]]) -> list[list[ArtifactPlace]]:
        return places_of_each(self.places_of_version, asked)

    def origins(self, run_ids: Sequence[str]) -> list[RunOrigin]:
        return self._ask(list[RunOrigin], "origins", run_ids=list(run_ids))

    def logged_models(self, model_ids: Sequence[str]) -> list[LoggedModel]:
        return self._ask(list[LoggedModel], "logged_models", model_ids=list(model_ids))

    def start_run(self, experiment: str, tags: Mapping[str, str]) -> str:
        return self._ask(str, "start_run", experiment=experiment, tags=dict(tags))

    def end_run(self, run_id: str, status: str) -> Run:
        return self._ask(Run, "end_run", run_id=run_id, status=status)

    def tell_run(
        self,
        run_id: str,
        tags: Mapping[str, str],
        datasets: Sequence[DatasetInput],
        metrics: Mapping[str, float] = _NONE,
    ) -> None:
        told = [
            {"name": one.name, "digest": one.digest, "source": one.source, "context": one.context or ""}
            for one in datasets
        ]
        self._ask(str, "tell_run", run_id=run_id, tags=dict(tags), datasets=told, metrics=dict(metrics))

    def _ask(self, kind: type[T] | None, verb: str, **arguments: Any) -> T:
        answer = self._workers.ask(self._uri, verb, arguments, self._environment, ANSWER_SECONDS)
        # Not through base.wire: there a parameter named "class" would change its name.
        result: T = wire.convert(answer, kind, strict=False)
        return result
