"""A store that was opened and found to be one that is known: what each of the two databases has for a reader."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from mlops_desk.records.registry.curve import RunCurve
from mlops_desk.registry.reading.batch import RunBatch, RunChanges
from mlops_desk.registry.reading.source import RegistrySource
from mlops_desk.registry.store import schema
from mlops_desk.registry.store.columns import Separators
from mlops_desk.registry.store.database import StoreDatabase
from mlops_desk.registry.store.runs import Seen
from mlops_desk.registry.store.spots import SpotAsked
from mlops_desk.registry.store.sqlite.connection import SqliteConnection
from mlops_desk.registry.store.sqlite.curves import SqliteCurves
from mlops_desk.registry.store.sqlite.runs import SqliteRuns
from mlops_desk.registry.store.sqlite.tail import SqliteTail
from mlops_desk.registry.store.statements import Statements

V = TypeVar("V")


class NamedRuns(Protocol):
    def of(self, run_ids: Sequence[str], seen: Seen) -> Iterator[RunBatch]: ...


class StoreCurves(Protocol):
    def curves(self, run_ids: Sequence[str], metric: str, points: int, since: str | None = None) -> list[RunCurve]: ...
    def values(self, run_ids: Sequence[str], asked: SpotAsked) -> dict[str, float]: ...


class StoreTail(Protocol):
    """Follows a store: ``mark`` begins anew, then all runs are read by ``batches``."""

    def mark(self) -> str: ...
    def batches(self) -> Iterator[RunBatch]: ...
    def changes(self, mark: str) -> RunChanges: ...


@dataclass(slots=True)
class OpenedStore:
    """``is_same`` tells whether the store is still the one that was opened: files are replaced, schemas migrated."""

    database: StoreDatabase
    statements: Statements
    runs: NamedRuns
    curves: StoreCurves
    is_same: Callable[[], bool]
    follow: Callable[[], StoreTail]
    _tail: StoreTail | None = field(default=None)

    def tail(self) -> StoreTail:
        """Return what follows the store; it begins with the first question."""
        if self._tail is None:
            self._tail = self.follow()
        return self._tail


def open_store(source: RegistrySource) -> OpenedStore:
    """Open what a source names. Raises UnknownSchema and DeskErrors."""
    return _file(source) if source.path is not None else _server(source)


def _file(source: RegistrySource) -> OpenedStore:
    assert source.path is not None  # noqa: S101 - asked by the caller
    database = SqliteConnection(source.path)
    version, statements = _known(database, database.schema_version)
    runs = SqliteRuns(database, statements)
    return OpenedStore(
        database, statements, runs, SqliteCurves(database, statements),
        lambda: database.is_same_file() and database.schema_version() == version,
        lambda: SqliteTail(database, statements, runs),
    )  # fmt: skip


def _server(source: RegistrySource) -> OpenedStore:
    # Their driver takes 0.15 s and 24 MB, which a file has no use for.
    from mlops_desk.registry.store.postgres.connection import PostgresConnection  # noqa: PLC0415 - see above
    from mlops_desk.registry.store.postgres.curves import PostgresCurves  # noqa: PLC0415 - see above
    from mlops_desk.registry.store.postgres.runs import PostgresRuns  # noqa: PLC0415 - see above
    from mlops_desk.registry.store.postgres.tail import PostgresTail  # noqa: PLC0415 - see above

    database = PostgresConnection(source.uri, source.shown)
    revisions, statements = _known(database, database.revisions)
    runs = PostgresRuns(database, statements)
    return OpenedStore(
        database, statements, runs, PostgresCurves(database, statements), lambda: database.revisions() == revisions,
        lambda: PostgresTail(database, statements, runs),
    )  # fmt: skip


def _known(database: StoreDatabase, version_now: Callable[[], V]) -> tuple[V, Statements]:
    """Return what tells a migration that comes later, and the statements for the schema that there is now."""
    try:
        version = version_now()
        layout, revisions = database.layout()
        return version, Statements(database.dialect, schema.known(layout, revisions, database.shown), Separators())
    except BaseException:
        database.close()
        raise
