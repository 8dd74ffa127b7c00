"""MLflow's store as a Reader (reading/reader.py): an SQLite file, or a PostgreSQL database."""

from collections.abc import Iterator, Mapping, Sequence

from mlops_desk.kit.base.errors import NotFound
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.readers.batch import NO_TIME, RunBatch, RunChanges, VersionRow
from mlops_desk.registry.readers.origins import LoggedModel, RunOrigin
from mlops_desk.registry.readers.reader import TextOrder
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.curve import RunCurve
from mlops_desk.registry.records.model import Artifact, DatasetInput, Experiment, Model, Run
from mlops_desk.registry.store import artifacts, statements
from mlops_desk.registry.store import origins as datasets
from mlops_desk.registry.store.origins import StoreOrigins
from mlops_desk.registry.store.statements import SpotAsked, collecting_later
from mlops_desk.registry.store.store_handle import open_store

# One run out of columns. Pure.
_NAME_TAG = "mlflow.runName"


def run_at(batch: RunBatch, place: int) -> Run:
    """Return the run at a place of a batch; where its row has no name, its tag has, as MLflow has it."""
    tags = _texts(batch, place, "tags")
    start, end = int(batch.start_times[place]), int(batch.end_times[place])
    metrics = {}
    for name, cells in batch.metrics.items():
        for at in (cells.rows == place).nonzero()[0].tolist():
            metrics[name] = float(cells.values[at])
    return Run(
        run_id=batch.run_ids[place],
        name=batch.names[place] or tags.get(_NAME_TAG) or None,
        status=batch.statuses[place],
        start_time=None if start == NO_TIME else start,
        end_time=None if end == NO_TIME else end,
        metrics=metrics,
        params=_texts(batch, place, "params"),
        tags=tags,
        experiment_id=batch.experiment_ids[place],
    )


def _texts(batch: RunBatch, place: int, kind: str) -> dict[str, str]:
    found = {}
    for name, cells in getattr(batch, kind).items():
        for at in (cells.rows == place).nonzero()[0].tolist():
            found[name] = cells.values[at]
    return found


class SqlReader:
    """A Reader of a store. Raises UnknownSchema where it or its tables are not known here, and DeskErrors."""

    via = "sql"

    def __init__(self, source: RegistrySource) -> None:
        self._source = source
        self._store = open_store(source)

    @property
    def schema(self) -> str | None:
        return self._store.statements.schema.revision

    @property
    def text_order(self) -> TextOrder | None:
        return self._store.database.in_order if self._store.database.sorts_itself else None

    def experiments(self) -> list[Experiment]:
        return statements.experiments(self._store.database, self._store.statements)

    def mark(self) -> str:
        self._renew()
        return self._store.tail().mark()

    def batches(self) -> Iterator[RunBatch]:
        return self._store.tail().batches()

    def changes(self, mark: str) -> RunChanges:
        if self._renew():
            return RunChanges(self.mark(), models_changed=True, everything=True)
        return self._store.tail().changes(mark)

    def _renew(self) -> bool:
        """Open the store anew where it was replaced or migrated. Raises what opening it raises, and keeps the old."""
        if self._store.is_same():
            return False
        fresh = open_store(self._source)
        self.close()
        self._store = fresh
        return True

    def run(self, run_id: str) -> Run:
        for batch in self._store.runs.of([run_id], lambda _: None):
            return run_at(batch, 0)
        raise NotFound(f"There is no run {plain(run_id)!r}.", f"The registry is {self._store.database.shown}.")

    def datasets(self, run_ids: Sequence[str]) -> Mapping[str, Sequence[DatasetInput]]:
        return datasets.datasets(self._store.database, self._store.statements, run_ids)

    def curves(self, run_ids: Sequence[str], metric: str, points: int, since: str | None = None) -> list[RunCurve]:
        return self._store.curves.curves(run_ids, metric, points, since)

    def metric_values(
        self, run_ids: Sequence[str], metric: str, which: str, step: int | None = None
    ) -> Mapping[str, float]:
        return self._store.curves.values(run_ids, SpotAsked(metric, which, step))

    def models(self) -> list[Model]:
        return statements.models(self._store.database, self._store.statements)

    def versions(self) -> list[VersionRow]:
        with collecting_later():
            return statements.versions(self._store.database, self._store.statements)

    def origins(self, run_ids: Sequence[str]) -> list[RunOrigin]:
        return self._origins.origins(run_ids)

    def logged_models(self, model_ids: Sequence[str]) -> list[LoggedModel]:
        return self._origins.logged_models(model_ids)

    @property
    def _origins(self) -> StoreOrigins:
        return StoreOrigins(self._store.database, self._store.statements)

    def artifacts(self, artifact_uri: str, path: str) -> list[Artifact]:
        return artifacts.artifacts(artifact_uri, path)

    def count_runs(self) -> Iterator[int]:
        yield statements.n_runs(self._store.database, self._store.statements)

    def count_models(self) -> Iterator[int]:
        yield len(self.models())

    def close(self) -> None:
        self._store.database.close()
