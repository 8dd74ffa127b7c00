"""Which stores are known: MLflow's tables by their Alembic revision, and what they have of what is read here.

A revision that isn't listed is not guessed at (its MLflow is newer): who opens the store asks another way then.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mlops_desk.registry.store import errors

REVISIONS = (
    "7f2a7d5fae7d", "2d6e25af4d3e", "acf3f17fdcc7", "867495a8f9d4", "5b0e9adcef9c", "4465047574b1", "f5a4f2784254",
    "0584bdc529eb", "400f98739977", "6953534de441", "bda7b8c39065", "cbc13b556ace", "770bee3ae1dd", "a1b2c3d4e5f6",
    "de4033877273", "1a0cddfcaa16", "534353b11cbc", "71994744cf8e", "3da73c924c2f", "bf29a5ff90ea", "1bd49d398cd23",
    "b7c8d9e0f1a2", "5d2d30f0abce", "c9d4e5f6a7b8", "2c33131f4dae", "d3e4f5a6b7c8", "d0e1f2a3b4c5", "c8d9e0f1a2b3",
    "1b5f0d9ad7c1", "e1f2a3b4c5d6", "76601a5f987d", "c3d6457b6d8a", "a5b4c3d2e1f0", "ae8bbe7743c9", "7d34483879f0",
    "da6fb0208061", "89d3d66ed43f", "b7e4c1a90f23", "a8b9c0d1e2f3", "c1d2e3f4a5b6", "c3d9e7f1a2b4", "6f8d9c3b2a1e",
    "1971f2d9a75b", "17e22815139b", "b7e2c1a4d9f3", "75868b020152", "dc11669786a5",
)  # fmt: skip
"""From MLflow 2.4 (datasets of runs) to 3.17, the oldest first: the chain of its own migrations."""

_LOGGED_MODELS = REVISIONS.index("400f98739977")
_WORKSPACES = REVISIONS.index("1b5f0d9ad7c1")

_TABLES: Mapping[str, frozenset[str]] = {
    "experiments": frozenset({"experiment_id", "name", "lifecycle_stage", "last_update_time", "creation_time"}),
    "experiment_tags": frozenset({"key", "value", "experiment_id"}),
    "runs": frozenset({"run_uuid", "name", "user_id", "status", "start_time", "end_time", "lifecycle_stage",
                       "artifact_uri", "experiment_id"}),
    "latest_metrics": frozenset({"key", "value", "step", "is_nan", "run_uuid"}),
    "metrics": frozenset({"key", "value", "timestamp", "step", "is_nan", "run_uuid"}),
    "params": frozenset({"key", "value", "run_uuid"}),
    "tags": frozenset({"key", "value", "run_uuid"}),
    "datasets": frozenset({"dataset_uuid", "name", "digest", "dataset_source_type", "dataset_source",
                           "dataset_schema"}),
    "inputs": frozenset({"input_uuid", "source_type", "source_id", "destination_type", "destination_id"}),
    "input_tags": frozenset({"input_uuid", "name", "value"}),
    "registered_models": frozenset({"name", "last_updated_time", "description"}),
    "registered_model_tags": frozenset({"key", "value", "name"}),
    "registered_model_aliases": frozenset({"alias", "version", "name"}),
    "model_versions": frozenset({"name", "version", "creation_time", "description", "user_id", "current_stage",
                                 "source", "run_id", "status"}),
    "model_version_tags": frozenset({"key", "value", "name", "version"}),
}  # fmt: skip
_NEEDED_INDEXES = (
    "index_latest_metrics_run_uuid",
    "index_params_run_uuid",
    "index_tags_run_uuid",
    "index_metrics_run_uuid",
)
STEP_INDEX = "index_metrics_run_uuid_key_step"
_UNFINISHED = "_alembic_tmp_"
"""Begins the names of tables that Alembic copies rows into on SQLite; they are there while it works, or if it died."""


@dataclass(frozen=True, slots=True)
class StoreLayout:
    """What is asked of the database's own catalogue: the columns of each table, and which indexes there are."""

    columns: Mapping[str, frozenset[str]]
    indexes: frozenset[str]


@dataclass(frozen=True, slots=True)
class StoreSchema:
    """What a store has: ``step_index`` of metric histories, ``workspaces`` as a column, logged models."""

    revision: str
    step_index: bool
    workspaces: bool
    logged_models: bool


def known(layout: StoreLayout, revisions: Sequence[str], shown: str) -> StoreSchema:
    """Return what a store has. Raises UnknownSchema, Refused (no store) or Unavailable (half of one)."""
    if "alembic_version" not in layout.columns or not {"experiments", "runs"} & layout.columns.keys():
        raise errors.no_store(shown)
    unfinished = sorted(name for name in layout.columns if name.startswith(_UNFINISHED))
    if len(revisions) != 1:
        raise errors.half_migrated(shown, f"it names {len(revisions)} revisions of its schema instead of one")
    if unfinished:
        raise errors.half_migrated(shown, f"there is a table {unfinished[0]}, which only a migration makes")
    revision = revisions[0]
    if revision not in REVISIONS:
        raise errors.unknown(shown, revision)
    _check_tables(layout, shown)
    place = REVISIONS.index(revision)
    workspaces = "workspace" in layout.columns["experiments"]
    logged_models = "logged_models" in layout.columns
    if workspaces != (place >= _WORKSPACES) or logged_models != (place >= _LOGGED_MODELS):
        raise errors.half_migrated(shown, f"its tables are not those of its revision {revision}")
    return StoreSchema(revision, STEP_INDEX in layout.indexes, workspaces, logged_models)


def _check_tables(layout: StoreLayout, shown: str) -> None:
    for table, columns in _TABLES.items():
        lacking = sorted(columns - layout.columns.get(table, frozenset()))
        if table not in layout.columns or lacking:
            what = f"table {table}" if table not in layout.columns else f"column {table}.{lacking[0]}"
            raise errors.half_migrated(shown, f"it lacks the {what}")
    for index in _NEEDED_INDEXES:
        if index not in layout.indexes:
            # Without it each run would cost a read of the whole table.
            raise errors.UnknownSchema(f"The store at {shown} lacks MLflow's own index {index}.",
                                       "It is read the slow way, through MLflow's client.")  # fmt: skip


# What the readers ask of a database, whichever it is. Each connection is used by one thread.

Row = tuple[Any, ...]

_ONE_NAME = 3  # values in a row whose owner has one name: it, key and value


class StoreDatabase(Protocol):
    """An open store. Everything raises DeskErrors."""

    dialect: str
    sorts_itself: bool
    """Whether texts may stand in another order than that of their code points: see ``in_order``."""
    shown: str
    """The address for messages: without a password."""

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Return all rows of a query; a question mark stands for a value."""
        ...

    def part(self, sql: str, parameters: Sequence[Any], *, limited: bool) -> list[Row]:
        """Return all rows of a query. Raises TooLong where it is ``limited`` and a writer might have waited."""
        ...

    def table(self, columns: str, table: str, condition: str) -> Iterator[Row]:
        """Yield rows of a table in the order in which they were written, read a part at a time."""
        ...

    def listed(self, run_ids: Sequence[str]) -> Any:
        """Return the value that stands for a list of runs (see statements.Statements.ids)."""
        ...

    def in_order(self, texts: Sequence[str]) -> Sequence[str]:
        """Return texts as the database sorts them."""
        ...

    def layout(self) -> tuple[StoreLayout, Sequence[str]]:
        """Return what its catalogue tells of its tables, and the revisions that it names."""
        ...

    def close(self) -> None: ...


def by_name(pairs: Iterator[Row]) -> Mapping[Any, dict[str, str]]:
    """Gather rows of (whose, key, value) into a mapping for each owner."""
    found: dict[Any, dict[str, str]] = {}
    for row in pairs:
        owner = row[0] if len(row) == _ONE_NAME else row[:-2]
        found.setdefault(owner, {})[row[-2]] = row[-1] or ""
    return found
