"""What is asked of the tables, in the words of either database. Pure: only texts are made here.

SQLite is told which index to take: without statistics, which MLflow never has it gather, it takes the one by name
alone, and reads a metric's points of all runs for those of one.
"""

# ruff: noqa: S608 - names of MLflow's tables and words of our own; whatever comes from outside is bound

from dataclasses import dataclass

from mlops_desk.registry.store.columns import Separators
from mlops_desk.registry.store.schema import STEP_INDEX, StoreSchema

WORKSPACE = "default"
"""Of several workspaces the one that MLflow's client has where none is named."""


@dataclass(frozen=True, slots=True)
class Statements:
    """The statements for one store. A question mark stands for a value; ``ids`` for a list of run ids (``listed``)."""

    dialect: str
    schema: StoreSchema
    separators: Separators

    @property
    def is_sqlite(self) -> bool:
        return self.dialect == "sqlite"

    @property
    def key(self) -> str:
        """What rows of a run and of its metrics have in common: the shortest there is."""
        return "r.rowid" if self.is_sqlite else "r.run_uuid"

    def runs(self, where: str, *, with_params: bool = True) -> str:
        """Return the statement for rows of runs (see columns.RunColumns); ``where`` is a condition on ``r``."""
        params = self._texts("params") if with_params else "NULL"
        return (
            f"SELECT {self.key}, r.run_uuid, r.name, r.user_id, r.status, r.start_time, r.end_time, r.lifecycle_stage, "
            f"r.artifact_uri, r.experiment_id, {self._texts('tags')}, {params} "
            f"FROM runs r WHERE {where}{self.of_workspace()}"
        )

    def metrics(self, where: str) -> str:
        """Return the statement for runs' last values of metrics (NaN is NULL); ``where`` is about ``r``."""
        if not self.is_sqlite:
            # Joined with runs, the planner would read the whole table for two hundred of them: 30 ms instead of 2.
            value = "CASE WHEN m.is_nan THEN NULL ELSE m.value END"
            named = where.replace("r.run_uuid", "m.run_uuid")
            return f"SELECT m.run_uuid, m.key, {value}, m.step FROM latest_metrics m WHERE {named}"
        return (
            "SELECT r.rowid, m.key, CASE WHEN m.is_nan = 1 THEN NULL ELSE m.value END, m.step "
            "FROM runs r CROSS JOIN latest_metrics m INDEXED BY index_latest_metrics_run_uuid "
            f"WHERE m.run_uuid = r.run_uuid AND {where}"
        )

    def history(self, condition: str = "") -> str:
        """Return the statement for points of a metric ``t`` (run, name): step, time, value (NaN: NULL), place."""
        place = "rowid" if self.is_sqlite else "0"
        named = f" INDEXED BY {self._history_index}" if self.is_sqlite else ""
        value = f"CASE WHEN is_nan{' = 1' if self.is_sqlite else ''} THEN NULL ELSE value END"
        return (
            f"SELECT step, timestamp, {value}, {place} FROM metrics t{named} WHERE run_uuid = ? AND key = ?{condition}"
        )

    def histories(self) -> str:
        """Return the statement for points of a metric in listed runs of a PostgreSQL store, each behind its run."""
        value = "CASE WHEN is_nan THEN NULL ELSE value END"
        return f"SELECT run_uuid, step, timestamp, {value}, 0 FROM metrics WHERE run_uuid = ANY(?) AND key = ?"

    def extremes(self, function: str) -> str:
        """Return the statement for the least or largest number (``function``: min, max) of a metric in listed runs."""
        named = f" INDEXED BY {self._history_index}" if self.is_sqlite else ""
        is_number = "t.is_nan = 0" if self.is_sqlite else "NOT t.is_nan"
        chosen = self.ids.replace("r.run_uuid", "t.run_uuid")
        return (
            f"SELECT t.run_uuid, {function}(t.value) FROM metrics t{named} "
            f"WHERE {chosen} AND t.key = ? AND {is_number} GROUP BY t.run_uuid"
        )

    def chosen_points(self, condition: str, order: str) -> str:
        """Return the statement for the value (NaN: NULL) of the point of a metric that comes first in ``order``.

        One point of each listed run (the list, the name, what ``condition`` binds); a run without one has no row.
        """
        if not self.is_sqlite:
            value = "CASE WHEN t.is_nan THEN NULL ELSE t.value END"
            return (
                f"SELECT DISTINCT ON (t.run_uuid) t.run_uuid, {value} FROM metrics t "
                f"WHERE {self.ids.replace('r.run_uuid', 't.run_uuid')} AND t.key = ?{condition} "
                f"ORDER BY t.run_uuid, {order}"
            )
        # The index gives the points of one run by step, so that the first of them is found without the others.
        place = (
            f"SELECT t.rowid FROM metrics t INDEXED BY {self._history_index} "
            f"WHERE t.run_uuid = listed.value AND t.key = named.key{condition} ORDER BY {order} LIMIT 1"
        )
        return (
            "SELECT point.run_uuid, CASE WHEN point.is_nan = 1 THEN NULL ELSE point.value END "
            "FROM json_each(?) listed CROSS JOIN (SELECT ? AS key) named "
            f"CROSS JOIN metrics point ON point.rowid = ({place})"
        )

    def count_of_history(self) -> str:
        named = f" INDEXED BY {self._history_index}" if self.is_sqlite else ""
        return f"SELECT count(*) FROM metrics{named} WHERE run_uuid = ? AND key = ?"

    @property
    def _history_index(self) -> str:
        return STEP_INDEX if self.schema.step_index else "index_metrics_run_uuid"

    def appended(self) -> str:
        """Return the statement for points behind a row of an SQLite table (place, run, name)."""
        return (
            "SELECT step, timestamp, CASE WHEN is_nan = 1 THEN NULL ELSE value END, rowid FROM metrics NOT INDEXED "
            "WHERE rowid > ? AND run_uuid = ? AND key = ?"
        )

    def datasets(self, context: str) -> str:
        """Return the statement for the datasets of listed runs, with the value of their tag ``context``."""
        order = "i.rowid" if self.is_sqlite else "i.destination_id, i.input_uuid"
        chosen = self.ids.replace("r.run_uuid", "i.destination_id")
        return (
            "SELECT i.destination_id, d.name, d.digest, "
            f"(SELECT t.value FROM input_tags t WHERE t.input_uuid = i.input_uuid AND t.name = '{context}'), "
            "d.dataset_source_type, d.dataset_source, d.dataset_schema "
            "FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id "
            f"WHERE i.destination_type = 'RUN' AND i.source_type = 'DATASET' AND {chosen} ORDER BY {order}"
        )

    def ids_by_time(self) -> str:
        """Return the statement for the ids of all runs of a PostgreSQL store, the newest first."""
        return f"SELECT r.run_uuid FROM runs r WHERE true{self.of_workspace()} ORDER BY r.start_time DESC NULLS LAST"

    @property
    def ids(self) -> str:
        """A condition on ``r``: its id is in a list."""
        return "r.run_uuid IN (SELECT value FROM json_each(?))" if self.is_sqlite else "r.run_uuid = ANY(?)"

    def of_workspace(self, table: str = "r") -> str:
        """Return what keeps runs of other workspaces out, nothing where a store has none."""
        if not self.schema.workspaces:
            return ""
        return f" AND {table}.experiment_id IN (SELECT experiment_id FROM experiments WHERE workspace = '{WORKSPACE}')"

    def in_workspace(self) -> str:
        """Return the condition on a table that has a workspace itself."""
        return f"workspace = '{WORKSPACE}'" if self.schema.workspaces else "1 = 1"

    def _texts(self, table: str) -> str:
        # The separators are letters and digits of our own making; a value of theirs would be bound.
        pair, name = self.separators.pair, self.separators.name
        gather, index = (
            ("group_concat", f" INDEXED BY index_{table}_run_uuid") if self.is_sqlite else ("string_agg", "")
        )
        text = f"t.key || '{name}' || coalesce(t.value, '')"
        return f"(SELECT {gather}({text}, '{pair}') FROM {table} t{index} WHERE t.run_uuid = r.run_uuid)"
