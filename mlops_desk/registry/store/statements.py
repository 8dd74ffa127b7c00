"""What is asked of the tables, in the words of either database. Pure: only texts are made here.

SQLite is told which index to take: without statistics, which MLflow never has it gather, it takes the one by name
alone, and reads a metric's points of all runs for those of one.
"""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from mlops_desk.registry.readers.batch import RunBatch, VersionRow
from mlops_desk.registry.readers.metric_points import spot
from mlops_desk.registry.records.model import Experiment, Model, ModelVersion
from mlops_desk.registry.store.batch_size import ReadPace
from mlops_desk.registry.store.columns import RunColumns, Separators, run_batch
from mlops_desk.registry.store.metric_history import Point, curve
from mlops_desk.registry.store.schema import STEP_INDEX, Row, StoreDatabase, StoreSchema, by_name

# ruff: noqa: S608 - names of MLflow's tables and words of our own; whatever comes from outside is bound


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


# Whole runs of a store, some at a time, each read short. Which come first each database has in a file of its own.

FIRST_RUNS = 100  # a screenful
MOST_RUNS = 2000  # chosen: runs with few metrics, of which a step takes no more memory than a picture

Seen = Callable[[Sequence[RunColumns]], None]
"""Is told the rows of runs that were read, with their tags, for later comparison."""


class StoredRuns:
    """Runs of either database."""

    def __init__(self, connection: StoreDatabase, statements: Statements) -> None:
        self.connection = connection
        self.statements = statements
        self._pace = ReadPace(FIRST_RUNS, MOST_RUNS)

    def of(self, run_ids: Sequence[str], seen: Seen) -> Iterator[RunBatch]:
        """Yield those of these runs that are there, in no certain order."""
        yield from self.chosen(run_ids, seen, self._pace)

    def chosen(self, run_ids: Sequence[str], seen: Seen, pace: ReadPace) -> Iterator[RunBatch]:
        at = 0
        while at < len(run_ids):
            at, rows, batch = pace.read(partial(self._named, run_ids, at))
            seen(rows)
            if rows:
                yield batch

    def _named(
        self, run_ids: Sequence[str], at: int, size: int, limited: bool
    ) -> tuple[int, Sequence[RunColumns], RunBatch]:
        named = self.connection.listed(run_ids[at : at + size])
        return at + size, *self.read(self.statements.ids, (named,), limited=limited)

    def read(self, where: str, values: Sequence[Any], *, limited: bool) -> tuple[Sequence[RunColumns], RunBatch]:
        with collecting_later():
            rows = self.connection.part(self.statements.runs(where), values, limited=limited)
            rows.reverse()
            metrics = self.connection.part(self.statements.metrics(where), values, limited=limited) if rows else []
            return rows, run_batch(rows, metrics, self.statements.separators)


@contextmanager
def collecting_later() -> Iterator[None]:
    """Keep Python from looking for circles among ten thousand new rows, again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


# Registered models and their versions, and experiments, as MLflow's client tells of them.
#
# What MLflow's search leaves out is left out here: prompts, which lie in the same tables, and versions that were
# deleted, whose rows stay. Of several workspaces it is the default one.

_KEPT = "coalesce(current_stage, 'None') <> 'Deleted_Internal'"  # MLflow's stage of a version that was deleted
TOLD_BY = {
    "registered_models": "name, last_updated_time, description",
    "registered_model_tags": "name, key, value",
    "registered_model_aliases": "name, alias, version",
    "model_versions": "name, version, last_updated_time, status, current_stage, description, run_id, source",
    "model_version_tags": "name, version, key, value",
}
"""What of each table tells that something happened to models."""
_IS_PROMPT = "mlflow.prompt.is_prompt"
_LOGGED_MODEL = "models:/m-"
_SOURCE_SCHEME = "models:/"


def experiments(database: StoreDatabase, statements: Statements) -> list[Experiment]:
    """List the active experiments, by name."""
    tags = by_name(database.table("experiment_id, key, value", "experiment_tags", "1 = 1"))
    columns = "experiment_id, name, coalesce(last_update_time, creation_time)"
    rows = database.table(columns, "experiments", f"lifecycle_stage = 'active' AND {statements.in_workspace()}")
    found = [Experiment(str(number), name, tags.get(number, {}), _seconds(time)) for number, name, time in rows]
    return sorted(found, key=lambda one: one.name)


def n_runs(database: StoreDatabase, statements: Statements) -> int:
    """Count the runs that were not deleted, of the active experiments."""
    active = f"SELECT experiment_id FROM experiments WHERE lifecycle_stage = 'active' AND {statements.in_workspace()}"
    return sum(1 for _ in database.table("1", "runs", f"lifecycle_stage = 'active' AND experiment_id IN ({active})"))


def models(database: StoreDatabase, statements: Statements) -> list[Model]:
    """List all registered models, by name, with their aliases."""
    where = statements.in_workspace()
    tags = by_name(database.table("name, key, value", "registered_model_tags", where))
    latest: dict[str, int] = {}
    for name, version in database.table("name, version", "model_versions", f"{where} AND {_KEPT}"):
        latest[name] = max(version, latest.get(name, version))
    aliases = _aliases(database, where)
    found = [
        Model(
            name=name,
            latest_version=str(latest[name]) if name in latest else None,
            aliases=aliases.get(name, {}),
            tags=tags.get(name, {}),
            description=description or None,
            updated_at=_seconds(updated),
        )
        for name, description, updated in database.table(
            "name, description, last_updated_time", "registered_models", where
        )
        if not _is_prompt(tags.get(name, {}))
    ]
    return sorted(found, key=lambda one: one.name)


def versions(database: StoreDatabase, statements: Statements) -> list[VersionRow]:
    """List all versions of all models by name, of a model the newest first."""
    where = statements.in_workspace()
    tags = by_name(database.table("name, version, key, value", "model_version_tags", where))
    prompts = {name for (name, _), told in tags.items() if _is_prompt(told)}
    pointing: dict[tuple[str, str], list[str]] = {}
    for name, aliases in _aliases(database, where).items():
        for alias, version in aliases.items():
            pointing.setdefault((name, version), []).append(alias)
    columns = "name, version, run_id, source, status, creation_time, description, user_id"
    rows = database.table(columns, "model_versions", f"{where} AND {_KEPT}")
    kept = sorted((row for row in rows if row[0] not in prompts), key=lambda row: (row[0], -row[1]))
    return [_version(row, tags.get(row[:2], {}), pointing.get((row[0], str(row[1])), ())) for row in kept]


def _version(row: Row, tags: Mapping[str, str], aliases: list[str] | tuple[()]) -> VersionRow:
    name, version, run_id, source, status, created, description, author = row
    told = ModelVersion(
        name=name,
        version=str(version),
        run_id=run_id or None,
        source=source,
        status=status,
        aliases=tuple(sorted(aliases)),
        tags=tags,
        created_at=_seconds(created),
        description=description or None,
    )
    model_id = source.removeprefix(_SOURCE_SCHEME) if source is not None and source.startswith(_LOGGED_MODEL) else None
    return VersionRow(told, author or None, model_id)


def _aliases(database: StoreDatabase, where: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for name, alias, version in database.table("name, alias, version", "registered_model_aliases", where):
        found.setdefault(name, {})[alias] = str(version)
    return found


def _is_prompt(tags: Mapping[str, str]) -> bool:
    return tags.get(_IS_PROMPT) == "true"


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000.0


# One value of a metric in each of many runs (see ``Reader.metric_values``), asked of a database. Pure.


@dataclass(frozen=True, slots=True)
class SpotAsked:
    """Which value: min, max, first, or step (``which``), which alone has a ``step``."""

    metric: str
    which: str
    step: int | None

    def statement(self, statements: Statements) -> str:
        """Return the statement for rows of (run, value); it binds the listed runs and ``bound``."""
        if self.which in {"min", "max"}:
            return statements.extremes(self.which)
        place = "t.rowid" if statements.is_sqlite else "t.ctid"  # of points of one moment: which was written later
        if self.which == "first":
            return statements.chosen_points("", f"t.step, t.timestamp, {place}")
        return statements.chosen_points(" AND t.step = ?", f"t.timestamp DESC, {place} DESC")

    @property
    def bound(self) -> tuple[str | int | None, ...]:
        return (self.metric, self.step) if self.which == "step" else (self.metric,)

    def of(self, run_id: str, points: Sequence[Point]) -> float | None:
        """Return the value out of all points of a run, None where they have none such."""
        return spot(curve(run_id, self.metric, points, len(points), None), self.which, self.step)
