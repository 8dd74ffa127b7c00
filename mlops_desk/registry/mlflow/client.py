"""The one door to the MLflow client. Loaded only by worker processes: its import alone takes seconds and 100 MB.

What MLflow raises is turned into DeskErrors by errors.py; what it returns into records here. ``VERBS``
is all that a worker can be asked for, ``WRITES`` what must not be repeated when no answer came.
"""

import importlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import mlflow.entities
import mlflow.utils.credentials
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from mlops_desk.kit.base.errors import Invalid, NotFound, Refused
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.address import Address, check_artifact_location, check_local, parse_address
from mlops_desk.registry.mlflow import writer
from mlops_desk.registry.mlflow.decimation import kept
from mlops_desk.registry.mlflow.experiments import place_of_new
from mlops_desk.registry.mlflow.file_locations import ArtifactPlace
from mlops_desk.registry.mlflow.order import parse_sorts
from mlops_desk.registry.mlflow.origins import (
    CONTEXT_TAG,
    dataset_of,
    logged_models,
    origins,
    run_places,
    version_places,
)
from mlops_desk.registry.mlflow.pagination import RunsAsked, RunsPage, filter_of
from mlops_desk.registry.name_suggestions import nearest
from mlops_desk.registry.records.model import Artifact, DatasetInput, Experiment, MetricCurve, Model, ModelVersion, Run

_PAGE = 1000  # MLflow's own default, and below its limit of 50,000
_MODEL_PAGE = 500  # below MLflow's limit of 1000 for models
_LONGEST_LIST = 50_000  # MLflow's own limit for one search of runs
_LONGEST_HISTORY = 10_000  # chosen: a value for each minute of a week; hundreds of runs of it fit into one answer
_MOST_ARTIFACTS = 1000  # chosen: more of one folder nobody reads
_NAME_TAG = "mlflow.runName"
# Who logs in is said in the environment (registries.py). The file would go before a token, to whatever host.
mlflow.utils.credentials._read_mlflow_creds_from_file = lambda: (None, None)  # noqa: SLF001 - nothing else keeps it out


def load_sql() -> None:
    """Load what a store in a database needs, so that it is not counted against the first request's deadline."""
    for store in ("tracking", "model_registry"):
        importlib.import_module(f"mlflow.store.{store}.sqlalchemy_store")


def open_client(address: Address) -> MlflowClient:
    """Return a client of a store that is there. Raises DeskErrors and whatever MLflow raises."""
    check_local(address)
    return MlflowClient(tracking_uri=address.uri, registry_uri=address.uri)


def list_models(client: MlflowClient) -> list[Model]:
    """Return all registered models, by name as MLflow sorts them."""
    pages = _pages(lambda token: client.search_registered_models(max_results=_MODEL_PAGE, page_token=token))
    return [_model(found) for found in pages]


def show_model(client: MlflowClient, name: str) -> Model:
    return _model(_registered(client, name))


def list_versions(client: MlflowClient, name: str) -> list[ModelVersion]:
    """Return a model's versions, newest first, with their aliases (which MLflow's own search leaves out)."""
    model = _model(_registered(client, name))
    found = [version for version in _search_versions(client, _equals("name", name)) if version.name == name]
    return sorted((_version(version, model) for version in found), key=lambda v: int(v.version), reverse=True)


def versions_of_run(client: MlflowClient, run_id: str) -> list[ModelVersion]:
    """Return the model versions that a run registered, oldest first."""
    found = [v for v in _search_versions(client, _equals("run_id", run_id)) if v.run_id == run_id]
    models = {name: _model(client.get_registered_model(name)) for name in {version.name for version in found}}
    versions = (_version(version, models[version.name]) for version in found)
    return sorted(versions, key=lambda version: (version.created_at or 0.0, version.name, int(version.version)))


def set_alias(client: MlflowClient, name: str, alias: str, version: str) -> Model:
    """Point an alias at a version and return the model as it is then."""
    if version not in {known.version for known in list_versions(client, name)}:
        raise NotFound(f"Model {plain(name)} has no version {plain(version)}.", _versions_hint(client, name))
    client.set_registered_model_alias(name, alias, version)
    return show_model(client, name)


def show_version(client: MlflowClient, name: str, version: str) -> ModelVersion:
    return _version(client.get_model_version(name, version), _model(_registered(client, name)))


def list_experiments(client: MlflowClient) -> list[Experiment]:
    """Return the active experiments, by name."""
    found = _pages(lambda token: client.search_experiments(max_results=_PAGE, page_token=token))
    return sorted((_listed_experiment(experiment) for experiment in found), key=lambda experiment: experiment.name)


def _listed_experiment(found: mlflow.entities.Experiment) -> Experiment:
    changed = found.last_update_time or found.creation_time
    return Experiment(found.experiment_id, found.name, dict(found.tags or {}), changed / 1000 if changed else None)


def list_runs(client: MlflowClient, experiment: str, sort: str | None, limit: int) -> list[Run]:
    """Return an experiment's runs in MLflow's own order: it sorts, page by page, and nothing is sorted again."""
    if not 0 < limit <= _LONGEST_LIST:
        raise Invalid(f"The limit must lie between 1 and {_LONGEST_LIST:,}, not {limit}.")
    order = [key.clause for key in parse_sorts(sort or None)]
    found = _experiment(client, experiment)
    runs: list[Run] = []
    token = None
    while len(runs) < limit:
        page = client.search_runs(
            [found.experiment_id], order_by=order, max_results=min(_PAGE, limit - len(runs)), page_token=token
        )
        runs += [_run(run) for run in page]
        token = page.token
        if not token:
            break
    return runs


def list_runs_page(
    client: MlflowClient,
    experiment: str,
    status: str | None,
    since_ms: int | None,
    sort: str | None,
    limit: int,
    token: str | None,
) -> RunsPage:
    """Return a page of an experiment's runs, with MLflow's token of the next one."""
    condition = filter_of(RunsAsked(experiment, status, since_ms, sort, limit, token))
    where = [_experiment(client, experiment).experiment_id]
    order = [key.clause for key in parse_sorts(sort or None)]
    found = client.search_runs(where, condition, max_results=limit, order_by=order, page_token=token)
    following = found.token or None  # bytes of MLflow's stores, text of its server
    return RunsPage(tuple(map(_run, found)), following.decode() if isinstance(following, bytes) else following)


def show_run(client: MlflowClient, run_id: str) -> Run:
    return _run(client.get_run(run_id))


def metric_histories(client: MlflowClient, run_ids: Sequence[str], name: str) -> dict[str, list[float]]:
    """Return all values that runs have logged of a metric, by step and time; a run that is gone has none."""
    found: dict[str, list[float]] = {}
    for run_id in run_ids:
        logged = sorted(client.get_metric_history(run_id, name), key=lambda one: (one.step, one.timestamp))
        found[run_id] = [one.value for one in logged[-_LONGEST_HISTORY:]]
    return found


def metric_curves(client: MlflowClient, run_id: str, names: Sequence[str], points: int) -> list[MetricCurve]:
    """Return what a run has logged of metrics, in the order of its steps, each with at most so many points."""
    return [_curve(name, client.get_metric_history(run_id, name), points) for name in names]


def _curve(name: str, logged: Sequence[mlflow.entities.Metric], points: int) -> MetricCurve:
    ordered = sorted(logged, key=lambda one: (one.step, one.timestamp))
    shown = [ordered[place] for place in kept([one.value for one in ordered], points)]
    return MetricCurve(
        name,
        len(ordered),
        tuple(one.step for one in shown),
        tuple(one.timestamp / 1000 for one in shown),
        tuple(one.value for one in shown),
    )


def list_artifacts(client: MlflowClient, run_id: str, path: str, uri: str, *, own: bool) -> list[Artifact]:
    """Return what lies in a folder of a run's artifacts (``path`` empty: all of them), folders first."""
    address = parse_address(uri)
    place = ArtifactPlace(client.get_run(run_id).info.artifact_uri, path)
    found = open_files(place, address, own=own).list_artifacts(path or None)
    listed = [Artifact(one.path, bool(one.is_dir), None if one.is_dir else one.file_size) for one in found]
    return sorted(listed, key=lambda one: (not one.is_folder, one.path))[:_MOST_ARTIFACTS]


def log_file(client: MlflowClient, run_id: str, file: str, folder: str, uri: str, *, own: bool) -> str:
    """Put a file of this machine into a folder of a run's artifacts, over one of its name; return its path there.

    Raises Refused where the run's files are said to lie where the registry has no business to send us.
    """
    place = ArtifactPlace(client.get_run(run_id).info.artifact_uri, folder)
    open_files(place, parse_address(uri), own=own).log_artifact(file, folder)
    return f"{folder}/{PurePath(file).name}"


def list_datasets(client: MlflowClient, run_id: str) -> list[DatasetInput]:
    """Return the datasets that were logged as inputs of a run, in the order of their logging."""
    inputs = client.get_run(run_id).inputs
    return [dataset_of(found) for found in (inputs.dataset_inputs if inputs else [])]


def start_run(client: MlflowClient, experiment: str, tags: Mapping[str, str]) -> str:
    """Create a run, and its experiment where there is none of that name yet; return the run's id."""
    found = client.get_experiment_by_name(experiment)
    if found is None:
        experiment_id = _create_experiment(client, experiment)
    elif found.lifecycle_stage != "active":
        hint = "Restore it (mlflow experiments restore), or name another experiment."
        raise Refused(f"The experiment {plain(experiment)} was deleted.", hint)
    else:
        experiment_id = found.experiment_id
    run_id: str = client.create_run(experiment_id, tags=dict(tags), run_name=tags.get(_NAME_TAG)).info.run_id
    return run_id


def end_run(client: MlflowClient, run_id: str, status: str) -> Run:
    """Set how a run ended, unless it says so already (its own program may have done it)."""
    if client.get_run(run_id).info.status != status:
        client.set_terminated(run_id, status)
    return show_run(client, run_id)


def tell_run(
    client: MlflowClient,
    run_id: str,
    tags: Mapping[str, str],
    datasets: Sequence[Mapping[str, str]],
    metrics: Mapping[str, float],
) -> str:
    """Write tags and metrics on a run, and datasets (name, digest, source, context) as its inputs; return its id."""
    told = [mlflow.entities.RunTag(key, value) for key, value in tags.items()]
    now = round(time.time() * 1000)
    figures = [mlflow.entities.Metric(name, value, now, 0) for name, value in metrics.items()]
    client.log_batch(run_id, tags=told, metrics=figures)
    inputs = [
        mlflow.entities.DatasetInput(
            mlflow.entities.Dataset(one["name"], one["digest"], "local", json.dumps({"uri": one["source"]})),
            [mlflow.entities.InputTag(CONTEXT_TAG, one["context"])],
        )
        for one in datasets
    ]
    if inputs:
        client.log_inputs(run_id, inputs)
    return run_id


def open_files(place: ArtifactPlace, address: Address, *, own: bool) -> Any:
    """Return MLflow's repository for a place that the registry may send us to (``own``: the desk's). Raises Refused."""
    check_artifact_location(place.location, address, own=own)
    return get_artifact_repository(place.location, tracking_uri=address.uri, registry_uri=address.uri)


def _create_experiment(client: MlflowClient, name: str) -> str:
    try:
        place = place_of_new(client, parse_address(client.tracking_uri), name)
        created: str = client.create_experiment(name, artifact_location=place)
    except MlflowException as error:
        found = client.get_experiment_by_name(name)
        if error.error_code != "RESOURCE_ALREADY_EXISTS" or found is None:
            raise
        return str(found.experiment_id)  # another job was faster
    return created


def _pages(fetch: Callable[[str | None], Any]) -> Iterator[Any]:
    token = None
    while True:
        page = fetch(token)
        yield from page
        if not page.token or page.token == token:
            return
        token = page.token


def _search_versions(client: MlflowClient, condition: str | None) -> Iterator[Any]:
    return _pages(lambda token: client.search_model_versions(condition, max_results=_PAGE, page_token=token))


def _equals(field: str, value: str) -> str | None:
    """Return a filter, or None where a value can't be quoted: MLflow knows no escapes, so all is looked at."""
    for quote in "'\"":
        if quote not in value and "\\" not in value:
            return f"{field} = {quote}{value}{quote}"
    return None


def _registered(client: MlflowClient, name: str) -> Any:
    try:
        return client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        names = [model.name for model in list_models(client)]
        raise NotFound(f"There is no registered model {plain(name)!r}.", nearest(name, names, "models")) from error


def _experiment(client: MlflowClient, name: str) -> Any:
    found = client.get_experiment_by_name(name)
    if found is None:
        pages = _pages(lambda token: client.search_experiments(max_results=_PAGE, page_token=token))
        names = [experiment.name for experiment in pages]
        raise NotFound(f"There is no experiment {plain(name)!r}.", nearest(name, names, "experiments"))
    return found


def _versions_hint(client: MlflowClient, name: str) -> str:
    known = [version.version for version in list_versions(client, name)]
    return f"Its versions are {', '.join(known[:10])}." if known else "It has no versions."


def _model(found: mlflow.entities.model_registry.RegisteredModel) -> Model:
    numbers = [int(version.version) for version in found.latest_versions or ()]
    return Model(
        name=found.name,
        latest_version=str(max(numbers)) if numbers else None,
        aliases={alias: str(version) for alias, version in (found.aliases or {}).items()},
        tags=dict(found.tags or {}),
        description=found.description or None,
        updated_at=_seconds(found.last_updated_timestamp),
    )


def _version(found: Any, model: Model) -> ModelVersion:
    version = str(found.version)
    return ModelVersion(
        name=found.name,
        version=version,
        run_id=found.run_id or None,
        source=found.source,
        status=str(found.status),
        aliases=tuple(sorted(alias for alias, points_at in model.aliases.items() if points_at == version)),
        tags=dict(found.tags or {}),
        created_at=_seconds(found.creation_timestamp),
        description=found.description or None,
    )


def _run(found: Any) -> Run:
    return Run(
        run_id=found.info.run_id,
        name=found.info.run_name or None,
        status=found.info.status,
        start_time=found.info.start_time,
        metrics=dict(found.data.metrics),
        params=dict(found.data.params),
        tags=dict(found.data.tags),
        experiment_id=found.info.experiment_id,
        end_time=found.info.end_time,
    )


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000.0


VERBS: dict[str, Callable[..., Any]] = {
    "models": list_models,
    "model": show_model,
    "versions": list_versions,
    "versions_of_run": versions_of_run,
    "set_alias": set_alias,
    "version": show_version,
    "experiments": list_experiments,
    "runs": list_runs,
    "runs_page": list_runs_page,
    "run": show_run,
    "metric_histories": metric_histories,
    "metric_curves": metric_curves,
    "artifacts": list_artifacts,
    "datasets": list_datasets,
    "origins": origins,
    "logged_models": logged_models,
    "places_of_run": run_places,
    "places_of_version": version_places,
    "start_run": start_run,
    "end_run": end_run,
    "tell_run": tell_run,
    "log_file": log_file,
    "run_stage": writer.run_stage,
    **writer.WRITES,
}
WRITES = frozenset({"set_alias", "start_run", "end_run", "tell_run", "log_file", *writer.WRITES})
