"""Somebody who writes to a test's store as MLflow does, on SQLite or PostgreSQL: each act is one transaction."""

import sqlite3
import uuid
from collections.abc import Sequence
from typing import Any

NOW = 1_700_000_100_000
_NEW_RUN = """INSERT INTO runs (run_uuid, name, user_id, status, start_time, lifecycle_stage, artifact_uri, experiment_id,
source_type) VALUES (?, ?, 'ada', ?, ?, 'active', 'mlflow-artifacts:/1/x', 1, 'LOCAL')"""


class Writer:
    """``do`` runs statements with question marks for values, all of them in one transaction."""

    def __init__(self, target: str) -> None:
        self._is_sqlite = not target.startswith("postgresql")
        if self._is_sqlite:
            self._connection: Any = sqlite3.connect(target, timeout=20, isolation_level=None)
        else:
            import psycopg

            self._connection = psycopg.connect(target, autocommit=True)
        self._step = 1000

    def do(self, *statements: tuple[str, Sequence[Any]]) -> None:
        self._connection.execute("BEGIN")
        for sql, values in statements:
            self._connection.execute(sql if self._is_sqlite else sql.replace("?", "%s"), values)
        self._connection.execute("COMMIT")

    def rows(self, sql: str, *values: Any) -> list[Any]:
        return self._connection.execute(sql if self._is_sqlite else sql.replace("?", "%s"), values).fetchall()

    def close(self) -> None:
        self._connection.close()

    def new_run(self, status: str = "RUNNING", name: str = "new") -> str:
        run_id = uuid.uuid4().hex
        self.do((_NEW_RUN, (run_id, name, status, NOW)),
                ("INSERT INTO tags (key, value, run_uuid) VALUES ('mlflow.runName', ?, ?)", (name, run_id)))  # fmt: skip
        return run_id

    def log_metric(self, run_id: str, key: str, value: float, *, is_nan: bool = False) -> None:
        self._step += 1
        point = (key, value, NOW, self._step, is_nan, run_id)
        columns = "(key, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, ?, ?, ?, ?)"
        has = self.rows("SELECT 1 FROM latest_metrics WHERE run_uuid = ? AND key = ?", run_id, key)
        update = (
            "UPDATE latest_metrics SET value = ?, timestamp = ?, step = ?, is_nan = ? WHERE run_uuid = ? AND key = ?"
        )
        latest = (update, (*point[1:5], run_id, key)) if has else (f"INSERT INTO latest_metrics {columns}", point)
        self.do((f"INSERT INTO metrics {columns}", point), latest)

    def log_param(self, run_id: str, key: str, value: str) -> None:
        self.do(("INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)", (key, value, run_id)))

    def set_tag(self, run_id: str, key: str, value: str) -> None:
        has = self.rows("SELECT 1 FROM tags WHERE run_uuid = ? AND key = ?", run_id, key)
        sql = (
            "UPDATE tags SET value = ? WHERE key = ? AND run_uuid = ?"
            if has
            else "INSERT INTO tags (value, key, run_uuid) VALUES (?, ?, ?)"
        )
        self.do((sql, (value, key, run_id)))

    def delete_tag(self, run_id: str, key: str) -> None:
        self.do(("DELETE FROM tags WHERE run_uuid = ? AND key = ?", (run_id, key)))

    def set_run(self, run_id: str, **columns: Any) -> None:
        for column, value in columns.items():
            self.do((f"UPDATE runs SET {column} = ? WHERE run_uuid = ?", (value, run_id)))

    def purge(self, *run_ids: str) -> None:
        """Do what ``mlflow gc`` does."""
        for run_id in run_ids:
            tables = ("metrics", "latest_metrics", "params", "tags", "logged_model_metrics")
            column = {"logged_model_metrics": "run_id"}
            self.do(*((f"DELETE FROM {table} WHERE {column.get(table, 'run_uuid')} = ?", (run_id,)) for table in tables),
                    ("DELETE FROM runs WHERE run_uuid = ?", (run_id,)))  # fmt: skip
