"""What runs were given and gave, and the models that they logged, from a server: each is asked for by itself.

A search would tell of many runs at once, and leaves out the models that they were given.
"""

from builtins import list as list_of
from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import quote

from mlops_desk.kit.base.errors import Invalid, NotFound
from mlops_desk.registry.readers.origins import LoggedModel, RunOrigin, seconds
from mlops_desk.registry.rest.responses import LoggedModelInfo, OneLoggedModel, OneRun, RunShape
from mlops_desk.registry.rest.runs import dataset
from mlops_desk.registry.rest.session import RestSession

T = TypeVar("T")

_RUN = "/api/2.0/mlflow/runs/get"
_MODEL = "/api/2.0/mlflow/logged-models/"
_STATUSES = {
    "LOGGED_MODEL_PENDING": "PENDING",
    "LOGGED_MODEL_READY": "READY",
    "LOGGED_MODEL_UPLOAD_FAILED": "FAILED",
}
"""MLflow's words on the wire (service.proto), and those of its client."""


def origins(session: RestSession, run_ids: Sequence[str]) -> list_of[RunOrigin]:
    """Return what runs were given and gave; those that are gone are left out. Raises DeskErrors."""
    return _each(session, run_ids, lambda run_id: _origin(session.get(_RUN, OneRun, {"run_id": run_id}).run))


def logged_models(session: RestSession, model_ids: Sequence[str]) -> list_of[LoggedModel]:
    """Return models as runs logged them; those that are gone are left out. Raises DeskErrors."""
    return _each(
        session, model_ids, lambda one: _logged(session.get(_MODEL + quote(one, safe=""), OneLoggedModel).model.info)
    )


def _each(session: RestSession, keys: Sequence[str], get: Callable[[str], T]) -> list_of[T]:
    def there(key: str) -> T | None:
        try:
            return get(key)
        except (NotFound, Invalid):  # of an id that is none servers say the latter
            return None

    return [found for found in session.each(there, keys) if found is not None]


def _origin(run: RunShape) -> RunOrigin:
    return RunOrigin(
        run_id=run.info.run_id,
        name=run.info.run_name or None,
        status=run.info.status,
        artifact_uri=run.info.artifact_uri,
        tags={pair.key: pair.value for pair in run.data.tags},
        datasets=tuple(map(dataset, run.inputs.dataset_inputs)),
        models_in=tuple(one.model_id for one in run.inputs.model_inputs),
        models_out=tuple(one.model_id for one in run.outputs.model_outputs),
        ended_at=seconds(run.info.end_time),
    )


def _logged(info: LoggedModelInfo) -> LoggedModel:
    status = _STATUSES.get(info.status, "UNSPECIFIED")
    return LoggedModel(info.model_id, info.name, info.source_run_id or None, status, info.artifact_uri)
