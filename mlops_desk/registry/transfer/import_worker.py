"""The worker that brings an exported version into a registry, through MLflow's client alone.

MLflow keeps a version's files with a run, so a run is made that says where everything comes from. The version is made
last: who is ended before leaves a run that names what it was for, and no version that lacks its files.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.process import serve_one
from mlops_desk.registry.address import Address, parse_address
from mlops_desk.registry.mlflow.errors import tame
from mlops_desk.registry.mlflow.experiments import experiment_named
from mlops_desk.registry.mlflow.file_locations import ArtifactPlace
from mlops_desk.registry.mlflow.worker import with_environment
from mlops_desk.registry.records.transfer import Loss
from mlops_desk.registry.transfer import archive
from mlops_desk.registry.transfer.file_format import ArchivedRun, ArchivedVersion

EXPERIMENT = "Imported versions"
_MODEL = "model"
_PREFIX = "mlops_desk.import."
_METRICS_AT_ONCE, _PARAMS_AT_ONCE = 1000, 100  # MLflow's limits for one batch
_LONGEST_PARAM, _LONGEST_TAG = 6000, 5000  # MLflow's own limits
_EXISTS = {"RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS"}
_KEPT_SYSTEM_TAGS = ("mlflow.runName", "mlflow.note.content", "mlflow.source.git.commit", "mlflow.source.name")


def work(request: dict[str, Any]) -> Any:
    """Unpack, check and import an archive; return what it is called now, and what was lost."""
    folder = Path(request["folder"])
    address = parse_address(request["uri"])
    with_environment(request["environment"], repeat=False)
    with archive.opened(Path(request["file"])) as (zipped, version):
        archive.unpack(zipped, version, folder)
    from mlops_desk.registry.mlflow import client as mlflow  # noqa: PLC0415 - loads MLflow, after the archive is checked

    try:
        client = mlflow.open_client(address)
        name = request["name"] or version.name
        run_id, place = _run(client, address, version)
        try:
            if version.run is not None:
                _log(client, run_id, version.run)
            files = mlflow.open_files(ArtifactPlace(place, ""), address, own=bool(request["own"]))
            files.log_artifacts(str(folder), _MODEL)
            number = _version(client, name, version, run_id, place)
        except Exception:
            client.set_terminated(run_id, "FAILED")
            client.delete_run(run_id)
            raise
        client.set_terminated(run_id, "FINISHED")
    except DeskError:
        raise
    except Exception as error:  # whatever MLflow raises
        raise tame(error, address) from error
    return {
        "reference": f"{name}/{number}",
        "n_files": len(version.files),
        "size_bytes": sum(file.size_bytes for file in version.files),
        "losses": wire.to_builtins(list(losses(version))),
    }


def _run(client: Any, address: Address, version: ArchivedVersion) -> tuple[str, str]:
    """Make the run that holds the files and says where they come from; return its id and where its files lie."""
    made = client.create_run(experiment_named(client, address, EXPERIMENT), tags=dict(origin_tags(version)))
    return str(made.info.run_id), str(made.info.artifact_uri)


def _log(client: Any, run_id: str, run: ArchivedRun) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param  # noqa: PLC0415 - loads MLflow

    at = run.end_time or run.start_time or 0
    metrics = [Metric(key, value, at, 0) for key, value in run.metrics.items()]
    for some in batches(metrics, _METRICS_AT_ONCE):
        client.log_batch(run_id, metrics=some)
    params = [Param(key, value) for key, value in run.params.items() if len(value) <= _LONGEST_PARAM]
    for some in batches(params, _PARAMS_AT_ONCE):
        client.log_batch(run_id, params=some)
    datasets = [
        DatasetInput(
            Dataset(one.name, one.digest, one.source_type, one.source, one.schema),
            [InputTag("mlflow.data.context", one.context)] if one.context else [],
        )
        for one in run.datasets
    ]
    if datasets:
        client.log_inputs(run_id, datasets)


def batches(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for first in range(0, len(items), size):
        yield items[first : first + size]


def _version(client: Any, name: str, version: ArchivedVersion, run_id: str, place: str) -> str:
    try:
        client.create_registered_model(name, dict(version.model_tags), version.model_description)
    except Exception as error:
        if getattr(error, "error_code", None) not in _EXISTS:
            raise
    tags = {**version.tags, **origin_tags(version)}
    source = f"{place.rstrip('/')}/{_MODEL}"
    made = client.create_model_version(name, source, run_id, tags=tags, description=version.description)
    return str(made.version)


def origin_tags(version: ArchivedVersion) -> Mapping[str, str]:
    """Return what is written on the run and the version: where they come from, and the run's own tags."""
    run = version.run
    own = {} if run is None else {key: value for key, value in run.tags.items() if _is_kept(key, value)}
    told = {
        "registry": version.registry,
        "version": f"{version.name}/{version.version}",
        "aliases": ", ".join(version.aliases),
        "run_id": "" if run is None else run.run_id,
    }
    return {**own, **{_PREFIX + key: value[:_LONGEST_TAG] for key, value in told.items() if value}}


def _is_kept(key: str, value: str) -> bool:
    return (not key.startswith("mlflow.") or key in _KEPT_SYSTEM_TAGS) and len(value) <= _LONGEST_TAG


def losses(version: ArchivedVersion) -> Iterator[Loss]:
    """Say what of a version does not come along."""
    if version.aliases:
        names = ", ".join(version.aliases)
        yield Loss(f"aliases {names}", "An alias is moved by a person: models promote. A tag says what it had.")
    run = version.run
    if run is None:
        yield Loss("the run", "The version named none, or it was gone when it was exported.")
        return
    yield Loss(f"the id of run {run.run_id}", "The registry gives its own; a tag has the old one.")
    if run.metrics:
        yield Loss("the history of metrics", "An exported version has the last value of each.")
    if any(math.isinf(value) for value in run.metrics.values()):
        yield Loss("infinite metrics", "MLflow's databases keep them as the largest numbers there are.")
    if long := [key for key, value in run.params.items() if len(value) > _LONGEST_PARAM]:
        yield Loss(f"parameters {', '.join(sorted(long))}", f"They are longer than {_LONGEST_PARAM} characters.")
    if gone := [key for key, value in run.tags.items() if not _is_kept(key, value)]:
        yield Loss(
            f"tags {', '.join(sorted(gone))}", "They are MLflow's own and mean the other registry, or are too long."
        )


if __name__ == "__main__":
    serve_one(work)
