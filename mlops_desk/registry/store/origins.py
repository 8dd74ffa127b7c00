"""What runs were given and gave, the models that they logged, and where a version's files are, read off a store.

Deleted runs are there as MLflow has them; deleted models and versions are not.

The datasets that were logged with runs, in the order of their logging.
"""

from collections.abc import Sequence

from mlops_desk.kit.base.errors import NotFound
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.readers.origins import LoggedModel, RunOrigin, seconds
from mlops_desk.registry.records.model import DatasetInput
from mlops_desk.registry.store.schema import StoreDatabase
from mlops_desk.registry.store.statements import Statements

_CONTEXT = "mlflow.data.context"
_AT_ONCE = 500  # runs: a few thousand rows, some ms


def datasets(database: StoreDatabase, statements: Statements, run_ids: Sequence[str]) -> dict[str, list[DatasetInput]]:
    """Return what each of these runs has read."""
    found: dict[str, list[DatasetInput]] = {run_id: [] for run_id in run_ids}
    for begin in range(0, len(run_ids), _AT_ONCE):
        asked = database.listed(run_ids[begin : begin + _AT_ONCE])
        for run_id, name, digest, context, kind, source, schema in database.rows(
            statements.datasets(_CONTEXT), (asked,)
        ):
            found[run_id].append(DatasetInput(name, digest, context, kind, source, schema or None))
    return found


_STATUSES = ("UNSPECIFIED", "PENDING", "READY", "FAILED")  # mlflow.entities.LoggedModelStatus, by its number
_NAME_TAG = "mlflow.runName"
_KEPT = "coalesce(current_stage, 'None') <> 'Deleted_Internal'"  # MLflow's stage of a version that was deleted
_GIVEN = "destination_type = 'MODEL_INPUT' AND source_type = 'RUN_INPUT'"
_GAVE = "destination_type = 'MODEL_OUTPUT' AND source_type = 'RUN_OUTPUT'"


class StoreOrigins:
    """Implements places.Lookup, and what lineage asks of a registry. Everything raises DeskErrors."""

    def __init__(self, database: StoreDatabase, statements: Statements) -> None:
        self._database = database
        self._statements = statements

    def origins(self, run_ids: Sequence[str]) -> list[RunOrigin]:
        """Return what runs were given and gave; those that are gone are left out."""
        read = datasets(self._database, self._statements, list(run_ids))
        return [found for run_id in run_ids if (found := self._origin(run_id, read)) is not None]

    def logged_models(self, model_ids: Sequence[str]) -> list[LoggedModel]:
        """Return models as runs logged them; those that are gone are left out."""
        return [found for model_id in model_ids if (found := self._logged(model_id)) is not None]

    def run(self, run_id: str) -> RunOrigin:
        found = self._origin(run_id, {})
        if found is None:
            raise NotFound(f"There is no run {plain(run_id)!r}.", f"The registry is {self._database.shown}.")
        return found

    def model(self, model_id: str) -> LoggedModel:
        found = self._logged(model_id)
        if found is None:
            raise NotFound(f"There is no logged model {plain(model_id)!r}.")
        return found

    def source(self, name: str, version: str) -> str:
        query = (
            "SELECT coalesce(nullif(storage_location, ''), source) FROM model_versions "  # noqa: S608 - words of our own
            f"WHERE name = ? AND CAST(version AS TEXT) = ? AND {_KEPT} AND {self._statements.in_workspace()}"
        )
        rows = self._database.rows(query, (name, version))
        if not rows or not rows[0][0]:
            raise NotFound(f"Model {plain(name)} has no version {plain(version)!r}, or none that says where it lies.")
        return str(rows[0][0])

    def version_at(self, name: str, alias: str) -> str:
        query = (
            "SELECT version FROM registered_model_aliases "  # noqa: S608 - words of our own
            f"WHERE name = ? AND alias = ? AND {self._statements.in_workspace()}"
        )
        rows = self._database.rows(query, (name, alias))
        if not rows:
            raise NotFound(f"Model {plain(name)} has no alias {plain(alias)!r}.")
        return str(rows[0][0])

    def _origin(self, run_id: str, read: dict[str, list[DatasetInput]]) -> RunOrigin | None:
        query = "SELECT name, status, artifact_uri, end_time FROM runs WHERE run_uuid = ?"
        rows = self._database.rows(query, (run_id,))
        if not rows:
            return None
        name, status, artifact_uri, end_time = rows[0]
        written = self._database.rows("SELECT key, value FROM tags WHERE run_uuid = ?", (run_id,))
        tags = {str(key): str(value or "") for key, value in written}
        return RunOrigin(
            run_id,
            name or tags.get(_NAME_TAG) or None,
            status,
            artifact_uri,
            tags,
            tuple(read.get(run_id, ())),
            self._models(_GIVEN, run_id),
            self._models(_GAVE, run_id),
            seconds(end_time),
        )

    def _models(self, condition: str, run_id: str) -> tuple[str, ...]:
        query = f"SELECT destination_id FROM inputs WHERE {condition} AND source_id = ?"  # noqa: S608 - words of our own
        return tuple(str(model_id) for (model_id,) in self._database.rows(query, (run_id,)))

    def _logged(self, model_id: str) -> LoggedModel | None:
        if not self._statements.schema.logged_models:
            return None
        columns = "name, source_run_id, status, artifact_location"
        query = f"SELECT {columns} FROM logged_models WHERE model_id = ? AND lifecycle_stage = 'active'"  # noqa: S608 - likewise
        rows = self._database.rows(query, (model_id,))
        if not rows:
            return None
        name, run_id, status, location = rows[0]
        told = _STATUSES[status] if status in range(len(_STATUSES)) else str(status)
        return LoggedModel(model_id, name, run_id or None, told, location)
