"""A registry in memory for tests and demonstrations, with MLflow's rules of order and its errors.

Order, as MLflow's SQL has it: what has a value first, then NaN, then what has none; within these by
value; ties always by newest start, then by run id, whichever way the values go.
"""

import itertools
import math
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mlops_desk.kit.base.errors import DeskError, Invalid, NotFound, Refused
from mlops_desk.registry.mlflow.decimation import kept
from mlops_desk.registry.mlflow.file_locations import ArtifactPlace, places_of_each
from mlops_desk.registry.mlflow.order import SortKey, parse_sorts
from mlops_desk.registry.mlflow.pagination import RunsAsked, RunsPage
from mlops_desk.registry.readers.origins import LoggedModel, RunOrigin, seconds
from mlops_desk.registry.records.labels import RunStage
from mlops_desk.registry.records.model import Artifact, DatasetInput, Experiment, MetricCurve, Model, ModelVersion, Run

_MISSING, _NAN, _THERE = 2, 1, 0  # the order in which MLflow puts them

_NONE: Mapping[str, float] = {}


class FakeRegistry:
    """Implements RegistryClient; the ``add_...`` methods are what a training program would do.

    ``files`` holds a folder for each run that has left files; a model of a run is in its folder ``model``.
    """

    def __init__(self, files: Path | None = None) -> None:
        self.files = files
        self._experiments: dict[str, str] = {"Default": "0"}
        self._runs: dict[str, Run] = {}
        self._models: dict[str, Model] = {}
        self._versions: dict[str, list[ModelVersion]] = {}
        self._datasets: dict[str, list[DatasetInput]] = {}
        self._artifacts: dict[str, dict[str, int]] = {}
        self._logged: dict[tuple[str, str], list[float]] = {}
        self._numbers = itertools.count(1)
        self._deleted: set[str] = set()

    def add_run(self, experiment: str, run: Run) -> None:
        """Record a run as it is; the experiment is created where there is none."""
        self._runs[run.run_id] = replace(run, experiment_id=self._experiment_id(experiment))
        self._logged.update({(run.run_id, name): [value] for name, value in run.metrics.items()})

    def log_metric(self, run_id: str, name: str, value: float) -> None:
        """Log a value of a metric after those that there are."""
        run = self.run(run_id)
        self._logged.setdefault((run_id, name), []).append(value)
        self._runs[run_id] = replace(run, metrics={**run.metrics, name: value})

    def add_artifact(self, run_id: str, path: str, size_bytes: int) -> None:
        self._artifacts.setdefault(run_id, {})[path] = size_bytes

    def add_dataset(self, run_id: str, dataset: DatasetInput) -> None:
        self._datasets.setdefault(run_id, []).append(dataset)

    def add_version(
        self, name: str, run_id: str | None = None, source: str | None = None, created_at: float | None = None
    ) -> ModelVersion:
        """Register a version, and the model where there is none."""
        known = self._versions.setdefault(name, [])
        number = 1 + max((int(one.version) for one in known), default=0)
        version = ModelVersion(name, str(number), run_id, source, "READY", created_at=created_at or time.time())
        known.append(version)
        model = self._models.get(name, Model(name, None))
        self._models[name] = replace(model, latest_version=version.version)
        return version

    def models(self) -> list[Model]:
        return [self._models[name] for name in sorted(self._models)]

    def model(self, name: str) -> Model:
        if name not in self._models:
            raise NotFound(f"There is no registered model {name!r}.")
        return self._models[name]

    def versions(self, name: str) -> list[ModelVersion]:
        model = self.model(name)
        return [_with_aliases(version, model) for version in reversed(self._versions[name])]

    def versions_of_run(self, run_id: str) -> list[ModelVersion]:
        found = [version for name in self._versions for version in self.versions(name) if version.run_id == run_id]
        return sorted(found, key=lambda version: (version.created_at or 0.0, version.name, int(version.version)))

    def set_alias(self, name: str, alias: str, version: str) -> Model:
        if version not in {known.version for known in self.versions(name)}:
            raise NotFound(f"Model {name} has no version {version}.")
        model = self._models[name]
        self._models[name] = replace(model, aliases={**model.aliases, alias: version})
        return self._models[name]

    def remove_alias(self, name: str, alias: str) -> Model:
        model = self.model(name)
        kept = {known: version for known, version in model.aliases.items() if known != alias}
        self._models[name] = replace(model, aliases=kept)
        return self._models[name]

    def version(self, name: str, version: str) -> ModelVersion:
        found = next((one for one in self.versions(name) if one.version == version), None)
        if found is None:
            raise NotFound(f"Model {name} has no version {version}.")
        return found

    def tag_model(self, name: str, version: str | None, key: str, value: str | None) -> None:
        if version is None:
            model = self.model(name)
            self._models[name] = replace(model, tags=_with_tag(model.tags, key, value))
        else:
            found = self.version(name, version)
            self._change_version(replace(found, tags=_with_tag(found.tags, key, value)))

    def describe_model(self, name: str, version: str | None, text: str) -> None:
        if version is None:
            self._models[name] = replace(self.model(name), description=text or None)
        else:
            self._change_version(replace(self.version(name, version), description=text or None))

    def delete_model(self, name: str, version: str | None) -> None:
        model = self.model(name)
        if version is None:
            del self._models[name], self._versions[name]
            return
        gone = self.version(name, version)
        self._versions[name] = [one for one in self._versions[name] if one.version != gone.version]
        aliases = {alias: number for alias, number in model.aliases.items() if number != version}
        latest = max((int(one.version) for one in self._versions[name]), default=None)
        self._models[name] = replace(model, aliases=aliases, latest_version=None if latest is None else str(latest))

    def register(self, name: str, run_id: str, path: str) -> ModelVersion:
        if not any(found.startswith(f"{path}/") for found in self._artifacts.get(self.run(run_id).run_id, {})):
            raise NotFound(f"Run {run_id} has logged no model at {path!r}.")
        return self.add_version(name, run_id, f"runs:/{run_id}/{path}")

    def _change_version(self, changed: ModelVersion) -> None:
        known = self._versions[changed.name]
        self._versions[changed.name] = [changed if one.version == changed.version else one for one in known]

    def run_stage(self, run_id: str) -> RunStage:
        return RunStage(run_id, self.run(run_id).name, run_id in self._deleted)

    def delete_run(self, run_id: str) -> RunStage:
        if self.run(run_id).status in {"RUNNING", "SCHEDULED"}:
            raise Refused(f"Run {run_id} is still running.")
        self._deleted.add(run_id)
        return self.run_stage(run_id)

    def delete_runs(self, run_ids: Sequence[str]) -> list[RunStage]:
        found = []
        for run_id in run_ids:
            try:
                found.append(replace(self.delete_run(run_id), changed=True))
            except DeskError as error:
                found.append(RunStage(run_id, None, None, problem=error.message))
        return found

    def restore_run(self, run_id: str) -> RunStage:
        self._deleted.discard(run_id)
        return self.run_stage(run_id)

    def tag_run(self, run_id: str, key: str, value: str | None) -> None:
        run = self.run(run_id)
        self._runs[run_id] = replace(run, tags=_with_tag(run.tags, key, value))

    def experiments(self) -> list[Experiment]:
        return [Experiment(number, name) for name, number in sorted(self._experiments.items())]

    def runs(self, experiment: str, sort: str | None = None, limit: int = 100) -> list[Run]:
        if limit < 1:
            raise Invalid(f"The limit must be at least 1, not {limit}.")
        keys = parse_sorts(sort or None)
        if experiment not in self._experiments:
            raise NotFound(f"There is no experiment {experiment!r}.")
        wanted = self._experiments[experiment]
        found = [run for run in self._runs.values() if run.experiment_id == wanted and run.run_id not in self._deleted]
        return in_order(found, keys)[:limit]

    def runs_page(self, asked: RunsAsked) -> RunsPage:
        offset = int(asked.token or 0)
        found = [
            run
            for run in self.runs(asked.experiment, asked.sort, len(self._runs) + 1)
            if asked.status in {None, run.status}
            and (asked.since_ms is None or (run.start_time or 0) >= asked.since_ms)
        ]
        end = offset + asked.limit
        return RunsPage(tuple(found[offset:end]), str(end) if end < len(found) else None)

    def run(self, run_id: str) -> Run:
        if run_id not in self._runs:
            raise NotFound(f"There is no run {run_id!r}.")
        return self._runs[run_id]

    def metric_histories(self, run_ids: Sequence[str], name: str) -> dict[str, list[float]]:
        return {run_id: list(self._logged.get((run_id, name), [])) for run_id in run_ids}

    def metric_curves(self, run_id: str, names: Sequence[str], points: int) -> list[MetricCurve]:
        began = (self.run(run_id).start_time or 0) / 1000
        return [self._curve(name, self._logged.get((run_id, name), []), points, began) for name in names]

    @staticmethod
    def _curve(name: str, values: Sequence[float], points: int, began: float) -> MetricCurve:
        """Return a curve of values that were logged once a second."""
        places = kept(values, points)
        times = tuple(began + place for place in places)
        return MetricCurve(name, len(values), tuple(places), times, tuple(values[place] for place in places))

    def artifacts(self, run_id: str, path: str = "") -> list[Artifact]:
        """Return what ``add_artifact`` has put there, as a real store lists it: one folder at a time."""
        self.run(run_id)
        head = f"{path}/" if path else ""
        found: dict[str, Artifact] = {}
        for name, size_bytes in self._artifacts.get(run_id, {}).items():
            first, slash, _ = name.removeprefix(head).partition("/")
            if name.startswith(head):
                found[first] = Artifact(head + first, bool(slash), None if slash else size_bytes)
        return sorted(found.values(), key=lambda one: (not one.is_folder, one.path))

    def log_file(self, run_id: str, file: str, folder: str) -> str:
        """Take a file for one of the run's; its bytes are kept where the files of runs lie, if they do anywhere."""
        path = f"{folder}/{Path(file).name}"
        self.add_artifact(self.run(run_id).run_id, path, Path(file).stat().st_size)
        if self.files is not None:
            target = self.files / run_id / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(Path(file).read_bytes())
        return path

    def datasets(self, run_id: str) -> list[DatasetInput]:
        self.run(run_id)
        return list(self._datasets.get(run_id, []))

    def places_of_run(self, run_id: str, path: str) -> list[ArtifactPlace]:
        self.run(run_id)
        return [] if self.files is None else [ArtifactPlace(str(self.files / run_id), path)]

    def places_of_version(self, name: str, version: str) -> list[ArtifactPlace]:
        run_id = next((one.run_id for one in self.versions(name) if one.version == version), None)
        return [] if self.files is None or run_id is None else [ArtifactPlace(str(self.files / run_id), "model")]

    def places_of_versions(self, asked: Sequence[tuple[str, str]]) -> list[list[ArtifactPlace]]:
        return places_of_each(self.places_of_version, asked)

    def origins(self, run_ids: Sequence[str]) -> list[RunOrigin]:
        found = [self._runs[run_id] for run_id in run_ids if run_id in self._runs]
        given = self._datasets
        return [
            RunOrigin(
                run.run_id,
                run.name,
                run.status,
                tags=run.tags,
                datasets=tuple(given.get(run.run_id, [])),
                ended_at=seconds(run.end_time),
            )
            for run in found
        ]

    def logged_models(self, model_ids: Sequence[str]) -> list[LoggedModel]:
        """Return the models that versions name as their source: each is its run's."""
        versions = [version for known in self._versions.values() for version in known]
        by_id = {(one.source or "").removeprefix("models:/"): one for one in versions}
        return [LoggedModel(one, "model", by_id[one].run_id, "READY") for one in model_ids if one in by_id]

    def start_run(self, experiment: str, tags: Mapping[str, str]) -> str:
        run_id = uuid.uuid4().hex
        name = tags.get("mlflow.runName", f"run-{next(self._numbers)}")
        run = Run(run_id, name, "RUNNING", int(time.time() * 1000), tags={**tags, "mlflow.runName": name})
        self.add_run(experiment, run)
        return run_id

    def end_run(self, run_id: str, status: str) -> Run:
        run = self.run(run_id)
        if run.status != status:
            self._runs[run_id] = replace(run, status=status, end_time=int(time.time() * 1000))
        return self._runs[run_id]

    def tell_run(
        self,
        run_id: str,
        tags: Mapping[str, str],
        datasets: Sequence[DatasetInput],
        metrics: Mapping[str, float] = _NONE,
    ) -> None:
        run = self.run(run_id)
        self._runs[run_id] = replace(run, tags={**run.tags, **tags}, metrics={**run.metrics, **metrics})
        self._datasets[run_id] = [*self._datasets.get(run_id, []), *datasets]

    def _experiment_id(self, name: str) -> str:
        return self._experiments.setdefault(name, str(len(self._experiments)))


def in_order(runs: list[Run], keys: Sequence[SortKey]) -> list[Run]:
    """Return ``runs`` in MLflow's order for ``keys`` (none: newest first)."""
    ordered = sorted(runs, key=lambda run: run.run_id)
    if ("attributes", "start_time") not in {(key.kind, key.name) for key in keys}:
        ordered.sort(key=lambda run: run.start_time or 0, reverse=True)
    for key in reversed(keys):
        ordered = _in_order(ordered, key)
    return ordered


def _in_order(ordered: list[Run], key: SortKey) -> list[Run]:
    value = _value_of(key)
    there = [run for run in ordered if _rank(value(run)) == _THERE]
    # Stable, so that equal values keep the order above; reverse= keeps it too.
    there.sort(key=value, reverse=key.descending)  # type: ignore[arg-type]  # the values of one key can be compared
    rest = sorted((run for run in ordered if _rank(value(run)) != _THERE), key=lambda run: _rank(value(run)))
    return there + rest


def _value_of(key: SortKey) -> Callable[[Run], float | str | None]:
    if key.kind == "metrics":
        return lambda run: run.metrics.get(key.name)
    if key.kind == "params":
        return lambda run: run.params.get(key.name)
    if key.kind == "tags":
        return lambda run: run.tags.get(key.name)
    field = {"run_name": "name"}.get(key.name, key.name)
    return lambda run: getattr(run, field, None)


def _rank(value: float | str | None) -> int:
    if value is None:
        return _MISSING
    return _NAN if isinstance(value, float) and math.isnan(value) else _THERE


def _with_aliases(version: ModelVersion, model: Model) -> ModelVersion:
    aliases = sorted(alias for alias, number in model.aliases.items() if number == version.version)
    return replace(version, aliases=tuple(aliases))


def _with_tag(tags: Mapping[str, str], key: str, value: str | None) -> dict[str, str]:
    kept_tags = {name: known for name, known in tags.items() if name != key}
    return kept_tags if value is None else {**kept_tags, key: value}
