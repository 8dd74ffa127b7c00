"""All runs of a PostgreSQL store by their time, which nobody has to wait for."""

from collections.abc import Iterator, Sequence

from mlops_desk.registry.reading.batch import RunBatch
from mlops_desk.registry.store.pace import ReadPace
from mlops_desk.registry.store.runs import FIRST_RUNS, MOST_RUNS, Seen, StoredRuns


class PostgresRuns(StoredRuns):
    """Runs of a PostgreSQL store."""

    def newest_first(self, seen: Seen) -> Iterator[RunBatch]:
        """Yield all runs that are there when it begins to read, the first batch a screenful."""
        return self.in_order(self.ids(), seen)

    def ids(self) -> list[str]:
        """List the ids of all runs, the newest first."""
        return [run_id for (run_id,) in self.connection.rows(self.statements.ids_by_time())]

    def in_order(self, run_ids: Sequence[str], seen: Seen) -> Iterator[RunBatch]:
        """Yield these runs, the first batch a screenful."""
        return self.chosen(run_ids, seen, ReadPace(FIRST_RUNS, MOST_RUNS))
