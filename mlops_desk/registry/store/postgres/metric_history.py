"""Curves of a PostgreSQL store: all that are asked for in one question, whose rows an index finds."""

from collections.abc import Sequence

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.registry.records.curve import RunCurve
from mlops_desk.registry.store.metric_history import Point, curve, number
from mlops_desk.registry.store.postgres.connection import PostgresConnection
from mlops_desk.registry.store.postgres.tail import NEW, SNAPSHOT, is_after, is_snapshot
from mlops_desk.registry.store.postgres.tail import since as bound
from mlops_desk.registry.store.statements import SpotAsked, Statements


class PostgresCurves:
    """Curves of one store. A mark is what transactions there were."""

    def __init__(self, connection: PostgresConnection, statements: Statements) -> None:
        self._connection = connection
        self._statements = statements

    def curves(self, run_ids: Sequence[str], metric: str, points: int, since: str | None = None) -> list[RunCurve]:
        """Return a curve for each run. Raises Invalid for a mark that can't be gone on from."""
        mark = str(self._connection.value(SNAPSHOT))
        if since is not None:
            return [self._after(run_ids, metric, points, since, mark)]
        found: dict[str, list[Point]] = {}
        for run_id, *point in self._connection.rows(self._statements.histories(), (list(run_ids), metric)):
            found.setdefault(run_id, []).append(tuple(point))
        return [curve(run_id, metric, found.get(run_id, []), points, mark) for run_id in run_ids]

    def values(self, run_ids: Sequence[str], asked: SpotAsked) -> dict[str, float]:
        """Return one value of a metric for each run that has it."""
        rows = self._connection.rows(asked.statement(self._statements), (list(run_ids), *asked.bound))
        return {run_id: number(value) for run_id, value in rows}

    def _after(self, run_ids: Sequence[str], metric: str, points: int, since: str, mark: str) -> RunCurve:
        if len(run_ids) != 1 or not is_snapshot(since) or not is_after(mark, since):
            raise Invalid("This curve can't be followed from there any more.", "Ask for all of it: without since.")
        rows = self._connection.rows(self._statements.history(f" AND {NEW}"), (run_ids[0], metric, *bound(since)))
        count = self._connection.value(self._statements.count_of_history(), (run_ids[0], metric))
        return curve(run_ids[0], metric, rows, points, mark, int(count))
