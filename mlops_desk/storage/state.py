"""The state database: jobs, endpoints, drift reports, rules, retrainings, events, alerts and the audit trail."""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from sqlalchemy import Integer, delete, func, literal_column, select, true
from sqlalchemy.dialects.sqlite import insert

from mlops_desk.base import wire
from mlops_desk.records.alert import Alert, AlertRule
from mlops_desk.records.audit import AuditEntry
from mlops_desk.records.drift import DriftReport
from mlops_desk.records.endpoint import Endpoint
from mlops_desk.records.incident import Incident
from mlops_desk.records.job import Job
from mlops_desk.records.rule import Retraining, Rule
from mlops_desk.storage.database import Database
from mlops_desk.storage.tables import (
    Stored,
    StoredAlert,
    StoredAlertRule,
    StoredAudit,
    StoredEndpoint,
    StoredIncident,
    StoredJob,
    StoredReport,
    StoredRetraining,
    StoredRule,
)

R = TypeVar("R")
Columns = tuple[str, str, str, float]


class RecordTable(Generic[R]):
    """One kind of record. ``columns`` gives a record's key, state, parent and creation time."""

    def __init__(self, database: Database, table: type[Stored], kind: type[R], columns: Callable[[R], Columns]) -> None:
        self._database = database
        self._table = table
        self._kind = kind
        self._columns = columns

    def put(self, record: R) -> None:
        """Insert ``record`` or replace the one of its key; durable when this returns."""
        key, state, parent, created_at = self._columns(record)
        row = {
            "key": key,
            "state": state,
            "parent": parent,
            "created_at": created_at,
            "document": wire.to_builtins(record),
        }
        changed = {name: value for name, value in row.items() if name != "key"}
        statement = insert(self._table).values(**row).on_conflict_do_update(index_elements=["key"], set_=changed)
        with self._database.transaction() as connection:
            connection.execute(statement)

    def get(self, key: str) -> R | None:
        """Return the record of ``key``, or None."""
        statement = select(self._table.document).where(self._table.key == key)
        with self._database.transaction() as connection:
            document = connection.execute(statement).scalar()
        return None if document is None else wire.from_builtins(document, self._kind)

    def find(self, prefix: str, limit: int = 2) -> list[R]:
        """Return up to ``limit`` records whose key begins with ``prefix``."""
        pattern = prefix.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        statement = select(self._table.document).where(self._table.key.like(pattern, escape="\\")).limit(limit)
        with self._database.transaction() as connection:
            documents = connection.execute(statement).scalars().all()
        return [wire.from_builtins(document, self._kind) for document in documents]

    def list(
        self,
        *,
        states: tuple[str, ...] | None = None,
        parent: str | None = None,
        since: float | None = None,
        limit: int | None = None,
        newest_first: bool = True,
    ) -> list[R]:
        """Return records by creation time, optionally those in some states, of one parent, or made since a time."""
        # Of those made in the same moment, the one that was put in last is the newest.
        made, put_in = self._table.created_at, literal_column("rowid", Integer)
        order = (made.desc(), put_in.desc()) if newest_first else (made.asc(), put_in.asc())
        statement = select(self._table.document).order_by(*order)
        if states is not None:
            statement = statement.where(self._table.state.in_(states))
        if parent is not None:
            statement = statement.where(self._table.parent == parent)
        if since is not None:
            statement = statement.where(self._table.created_at >= since)
        with self._database.transaction() as connection:
            documents = connection.execute(statement.limit(limit)).scalars().all()
        return [wire.from_builtins(document, self._kind) for document in documents]

    def newest_with(self, member: str, value: str) -> R | None:
        """Return the newest record whose document has ``value`` in its ``member``; a walk unless that is indexed."""
        # SQLite takes an index of an expression only for the very same one: the path can't be a bound value.
        found = func.json_extract(self._table.document, literal_column(f"'$.{member}'"))
        statement = select(self._table.document).where(found == value).order_by(self._table.created_at.desc()).limit(1)
        with self._database.transaction() as connection:
            document = connection.execute(statement).scalar()
        return None if document is None else wire.from_builtins(document, self._kind)

    def remove(self, key: str) -> None:
        """Forget the record of ``key``."""
        with self._database.transaction() as connection:
            connection.execute(delete(self._table).where(self._table.key == key))

    def trim(self, keep: int, state: str | None = None) -> None:
        """Forget all but the newest ``keep`` records, of all or of those in one ``state``."""
        mine = self._table.state == state if state is not None else true()
        newest = select(self._table.created_at).where(mine).order_by(self._table.created_at.desc())
        with self._database.transaction() as connection:
            boundary = connection.execute(newest.offset(keep).limit(1)).scalar()
            if boundary is not None:
                connection.execute(delete(self._table).where(mine, self._table.created_at <= boundary))

    def count(self) -> int:
        with self._database.transaction() as connection:
            return int(connection.execute(select(func.count()).select_from(self._table)).scalar_one())


class State:
    """The tables of the state database; ``set_aside`` names a damaged file that was replaced at start."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, "state", "FULL")
        self.set_aside = self._database.set_aside
        self.jobs = RecordTable[Job](
            self._database, StoredJob, Job, lambda r: (r.id, r.state, r.origin or "", r.submitted_at)
        )
        self.endpoints = RecordTable[Endpoint](
            self._database, StoredEndpoint, Endpoint, lambda r: (r.name, r.state, "", r.created_at)
        )
        self.reports = RecordTable[DriftReport](
            self._database,
            StoredReport,
            DriftReport,
            lambda r: (r.id or "", r.verdict, r.endpoint or "", r.created_at or 0.0),
        )
        self.rules = RecordTable[Rule](self._database, StoredRule, Rule, lambda r: (r.name, "", "", r.created_at))
        self.retrainings = RecordTable[Retraining](
            self._database, StoredRetraining, Retraining, lambda r: (r.id, r.state, r.rule, r.created_at)
        )
        self.audit = RecordTable[AuditEntry](
            self._database, StoredAudit, AuditEntry, lambda r: (r.id or "", "", r.verb, r.at)
        )

        self.incidents = RecordTable[Incident](  # what happens again and again is as new as its last time
            self._database, StoredIncident, Incident, lambda r: (r.id, r.level, r.device or "", r.last_at or r.at)
        )
        self.alerts = RecordTable[Alert](
            self._database,
            StoredAlert,
            Alert,
            lambda r: (r.id, "firing" if r.ended_at is None else "ended", r.rule, r.since),
        )
        self.alert_rules = RecordTable[AlertRule](
            self._database, StoredAlertRule, AlertRule, lambda r: (r.name, "", r.device_class, 0.0)
        )

    def close(self) -> None:
        self._database.close()
