"""What runs were given and gave, asked of an MLflow client. What is gone is left out; any other refusal is raised."""

from collections.abc import Callable, Sequence
from typing import Any

from mlops_desk.registry.mlflow.file_locations import ArtifactPlace, places_of_run, places_of_uri, places_of_version
from mlops_desk.registry.readers.origins import LoggedModel, RunOrigin, seconds
from mlops_desk.registry.records.model import DatasetInput

CONTEXT_TAG = "mlflow.data.context"
"""Says what a dataset was to its run: training, evaluation …"""
_GONE = frozenset({"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"})  # of an id that is none it says the latter


def origins(client: Any, run_ids: Sequence[str]) -> list[RunOrigin]:
    """Return what runs were given and gave."""
    return [_origin(run) for run_id in run_ids if (run := _there(client.get_run, run_id)) is not None]


def logged_models(client: Any, model_ids: Sequence[str]) -> list[LoggedModel]:
    """Return models as runs logged them."""
    found = [_there(client.get_logged_model, model_id) for model_id in model_ids]
    return [_logged(one) for one in found if one is not None]


def _there(get: Callable[[str], Any], key: str) -> Any:
    try:
        return get(key)
    except Exception as error:
        if getattr(error, "error_code", None) not in _GONE:
            raise
        return None


def _logged(model: Any) -> LoggedModel:
    run_id, location = model.source_run_id or None, model.artifact_location
    return LoggedModel(model.model_id, model.name, run_id, str(model.status), location)


def _origin(run: Any) -> RunOrigin:
    inputs, outputs = run.inputs, run.outputs
    return RunOrigin(
        run_id=run.info.run_id,
        name=run.info.run_name or None,
        status=run.info.status,
        artifact_uri=run.info.artifact_uri,
        tags=dict(run.data.tags),
        datasets=tuple(dataset_of(one) for one in (inputs.dataset_inputs if inputs else [])),
        models_in=tuple(one.model_id for one in (inputs.model_inputs if inputs else None) or []),
        models_out=tuple(one.model_id for one in (outputs.model_outputs if outputs else None) or []),
        ended_at=seconds(run.info.end_time),
    )


def dataset_of(found: Any) -> DatasetInput:
    """Return a dataset as MLflow has it among a run's inputs."""
    context = next((tag.value for tag in found.tags if tag.key == CONTEXT_TAG), None)
    dataset = found.dataset
    return DatasetInput(
        name=dataset.name,
        digest=dataset.digest,
        context=context,
        source_type=dataset.source_type,
        source=dataset.source,
        schema=dataset.schema or None,
    )


class ClientLookup:
    """What places need, asked of an MLflow client (see places.Lookup)."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def run(self, run_id: str) -> RunOrigin:
        return _origin(self._client.get_run(run_id))

    def model(self, model_id: str) -> LoggedModel:
        return _logged(self._client.get_logged_model(model_id))

    def source(self, name: str, version: str) -> str:
        return str(self._client.get_model_version_download_uri(name, version))

    def version_at(self, name: str, alias: str) -> str:
        return str(self._client.get_model_version_by_alias(name, alias).version)


def run_places(client: Any, run_id: str, path: str) -> list[ArtifactPlace]:
    return places_of_run(ClientLookup(client), run_id, path)


def version_places(client: Any, name: str, version: str) -> list[ArtifactPlace]:
    return places_of_version(ClientLookup(client), name, version)


def uri_places(client: Any, uri: str) -> list[ArtifactPlace]:
    return places_of_uri(ClientLookup(client), uri)
