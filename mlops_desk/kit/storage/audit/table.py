"""The table of audit entries: whatever is written into it is also the next link of the chain, or neither is written."""

import json
import threading
from builtins import list as list_of
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Integer, LargeBinary, String, cast, literal_column, or_, select

from mlops_desk.kit.base import wire
from mlops_desk.kit.records.agent import AuditEntry, AuditState
from mlops_desk.kit.records.audit import AuditLink
from mlops_desk.kit.storage.audit.chain import PLACES, START, following, link_columns, link_of
from mlops_desk.kit.storage.database import Database
from mlops_desk.kit.storage.records import Columns, StoredRecords
from mlops_desk.kit.storage.tables import StoredAudit, StoredAuditLink


def entry_columns(entry: AuditEntry) -> Columns:
    """Return key, state, parent and time of an entry.

    Those that ended have no state, as all had before there was one: few are under way, and an index finds them.
    """
    return (entry.id or "", "" if entry.state is AuditState.ENDED else entry.state, entry.verb, entry.at)


@dataclass(frozen=True, slots=True)
class AuditSearch:
    """Which entries are meant: asked for within a time, by somebody, a verb (or all of a service), with a text."""

    since: float | None = None
    until: float | None = None
    user: str | None = None
    verb: str | None = None
    text: str | None = None
    failed: bool = False


class AuditTable(StoredRecords[AuditEntry]):
    """Entries as they stand; ``links`` is the chain. Nobody forgets any of either.

    ``end`` is the digest of the last link that was written through it, None for none, ``end_number`` its number: who
    cuts the file has not cut it.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database, StoredAudit, AuditEntry, entry_columns)
        self.end: str | None = None
        self.end_number = 0
        self._made = threading.local()
        self.links: StoredRecords[AuditLink] = StoredRecords(database, StoredAuditLink, AuditLink, link_columns)

    def insert(self, connection: Connection, record: AuditEntry) -> None:
        super().insert(connection, record)
        number, digest = _end_of_chain(connection)
        link = following(number, digest, record.id or "", json.dumps(wire.to_builtins(record)))
        self.links.insert(connection, link)
        self._made.ends = digest, link

    def _put(self, record: AuditEntry) -> None:
        super()._put(record)
        before, written = self._made.ends
        if self.end in {None, before}:  # else it was cut meanwhile, and what is missing stays missing
            self.end, self.end_number = written.digest, written.number

    def search(self, wanted: AuditSearch, limit: int) -> list_of[AuditEntry]:
        """Return the newest entries that are meant."""
        table = StoredAudit
        statement = self._select().where(*self._chosen(None, None, wanted.since))
        if wanted.until is not None:
            statement = statement.where(table.created_at <= wanted.until)
        if wanted.verb is not None:
            statement = statement.where(
                (table.parent == wanted.verb) | table.parent.startswith(f"{wanted.verb}.", autoescape=True)
            )
        if wanted.user is not None:
            statement = statement.where(literal_column("json_extract(document, '$.user')") == wanted.user)
        if wanted.failed:
            statement = statement.where(literal_column("json_extract(document, '$.error')").is_not(None))
        if wanted.text is not None:
            statement = statement.where(_tells(wanted.text))
        order = (table.created_at.desc(), literal_column("rowid", Integer).desc())
        return self._read(statement.order_by(*order), limit)

    def newest(self) -> tuple[int, str] | None:
        """Return number and digest of the last link that was written through it, or else of the last there is."""
        if self.end is not None:
            return self.end_number, self.end
        links = self.links.list(limit=1)
        return (links[0].number, links[0].digest) if links else None

    def links_behind(self, number: int, limit: int) -> list_of[AuditLink]:
        """Return the links that follow on one, in their order."""
        return self.links.list(since=number + 1.0, limit=limit, newest_first=False)


def _end_of_chain(connection: Connection) -> tuple[int, str]:
    """Return number and digest of the last link; after one that can't be read the chain goes on, and tells of it."""
    chain = StoredAuditLink
    newest = select(chain.key, cast(chain.document, LargeBinary)).where(chain.key.op("GLOB")(PLACES))
    last = connection.execute(newest.order_by(chain.key.desc()).limit(1)).one_or_none()
    if last is None:
        return 0, START
    link = link_of(last[1].decode("utf-8", "replace"))
    return int(last[0]), START if link is None else link.digest


_MEMBERS = ("user", "verb", "arguments", "before", "outcome", "error", "why")


def _tells(text: str) -> ColumnElement[bool]:
    """Return what finds a text in what an entry tells, as it is, or as it stands in arguments, which are JSON."""
    told = "||char(10)||".join(f"coalesce(json_extract(document, '$.{member}'), '')" for member in _MEMBERS)
    spellings = {text, json.dumps(text, ensure_ascii=False)[1:-1]}
    return or_(*(literal_column(f"({told})", String).icontains(one, autoescape=True) for one in sorted(spellings)))
