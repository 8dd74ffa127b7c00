"""MLflow's store as a Reader (reading/reader.py): an SQLite file, or a PostgreSQL database."""

from collections.abc import Iterator, Mapping, Sequence

from mlops_desk.base.errors import NotFound, Unavailable
from mlops_desk.base.text import plain
from mlops_desk.records.model import Artifact, DatasetInput, Experiment, Model, Run
from mlops_desk.records.registry.curve import RunCurve
from mlops_desk.registry.reading.batch import RunBatch, RunChanges, VersionRow
from mlops_desk.registry.reading.source import RegistrySource
from mlops_desk.registry.reading.spots import from_curves
from mlops_desk.registry.store import artifacts, datasets, models, schema
from mlops_desk.registry.store.columns import Separators
from mlops_desk.registry.store.one_run import run_at
from mlops_desk.registry.store.runs import SqliteRuns
from mlops_desk.registry.store.sqlite import SqliteConnection
from mlops_desk.registry.store.sqlite_curves import SqliteCurves
from mlops_desk.registry.store.sqlite_tail import SqliteTail
from mlops_desk.registry.store.statements import Statements


class SqlReader:
    """A Reader of an SQLite store. Raises UnknownSchema where its tables are not known here."""

    via = "sql"

    def __init__(self, source: RegistrySource) -> None:
        if source.path is None:
            raise Unavailable(f"{plain(source.shown)} is no file.")
        self._path = source.path
        self._open()

    def _open(self) -> None:
        self._database = SqliteConnection(self._path)
        try:
            layout, revisions = self._database.layout()
            known = schema.known(layout, revisions, self._database.shown)
        except BaseException:
            self._database.close()
            raise
        self.schema: str | None = known.revision
        self._statements = Statements(self._database.dialect, known, Separators())
        self._runs = SqliteRuns(self._database, self._statements)
        self._curves = SqliteCurves(self._database, self._statements)
        self._tail: SqliteTail | None = None

    @property
    def longest_read_seconds(self) -> float:
        """How long the longest read has kept writers out."""
        return self._database.longest_seconds

    def experiments(self) -> list[Experiment]:
        return models.experiments(self._database, self._statements)

    def mark(self) -> str:
        return self._followed().mark()

    def batches(self) -> Iterator[RunBatch]:
        return self._followed().batches()

    def changes(self, mark: str) -> RunChanges:
        if not self._database.is_same_file():
            self._database.close()
            self._open()
            return RunChanges(self.mark(), models_changed=True, everything=True)
        return self._followed().changes(mark)

    def run(self, run_id: str) -> Run:
        for batch in self._runs.of([run_id], lambda _: None):
            return run_at(batch, 0)
        raise NotFound(f"There is no run {plain(run_id)!r}.", f"The registry is {self._database.shown}.")

    def datasets(self, run_ids: Sequence[str]) -> Mapping[str, Sequence[DatasetInput]]:
        return datasets.datasets(self._database, self._statements, run_ids)

    def curves(self, run_ids: Sequence[str], metric: str, points: int, since: str | None = None) -> list[RunCurve]:
        return self._curves.curves(run_ids, metric, points, since)

    def metric_values(
        self, run_ids: Sequence[str], metric: str, which: str, step: int | None = None
    ) -> Mapping[str, float]:
        return from_curves(self, run_ids, metric, which, step)

    def models(self) -> list[Model]:
        return models.models(self._database, self._statements)

    def versions(self) -> list[VersionRow]:
        return models.versions(self._database, self._statements)

    def artifacts(self, artifact_uri: str, path: str) -> list[Artifact]:
        return artifacts.artifacts(artifact_uri, path)

    def close(self) -> None:
        self._database.close()

    def _followed(self) -> SqliteTail:
        if self._tail is None:
            self._tail = SqliteTail(self._database, self._statements, self._runs)
        return self._tail
