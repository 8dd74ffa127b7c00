"""A worker that looks at the whole chain of a state database, or at one that was exported, while others go on writing.

``{"database": PATH, "head": ..., "written": ...}`` or ``{"exported": PATH, "head": ...}``, where ``written`` is the
digest of the last link that the agent knows of; it answers with an AuditVerification. On stderr it says how far it is,
a line each: ``records DONE TOTAL`` of the chain (TOTAL is 0 where it is not known), then ``entries DONE TOTAL``.
"""

import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from mlops_desk.base import wire
from mlops_desk.base.errors import Unavailable
from mlops_desk.base.process import serve_one
from mlops_desk.base.text import plain
from mlops_desk.records.audit import AuditLink, AuditVerification
from mlops_desk.storage.audit.chain import Unreadable, Verifier, is_filed, link_columns, link_of, says_the_same
from mlops_desk.storage.audit.exported import links_of

T = TypeVar("T")
_TELL_EVERY = 5000  # chosen: a tenth of a second of the look
_WAIT_SECONDS = 5.0  # chosen: a writer holds the file for milliseconds
_LINKS = "SELECT key, parent, state, created_at, CAST(document AS TEXT) FROM audit_chain ORDER BY key"
_ENTRIES = (
    "SELECT entry.key, CAST(entry.document AS TEXT), entry.state, entry.parent, entry.created_at, link.key,"
    " CASE WHEN json_valid(link.document) THEN json_extract(link.document, '$.text') END"
    " FROM audit entry LEFT JOIN audit_chain link ON link.key ="
    " (SELECT newest.key FROM audit_chain newest WHERE newest.parent = entry.key"
    " ORDER BY newest.created_at DESC LIMIT 1)"
)
"""Each entry as it stands, and the last that was written of it."""
_GONE = (
    "SELECT parent, MIN(key) FROM audit_chain WHERE parent NOT IN (SELECT key FROM audit)"
    " GROUP BY parent ORDER BY MIN(key) LIMIT 1"
)


def work(request: dict[str, Any]) -> Any:
    """Verify. Raises Invalid and Unavailable."""
    head = request.get("head")
    if "exported" in request:
        verifier = Verifier(head)
        verifier.take_all(_aloud("records", links_of(Path(request["exported"])), 0))
        return wire.to_builtins(verifier.told())
    return wire.to_builtins(verify(Path(request["database"]), head, request.get("written")))


def verify(path: Path, head: str | None, written: str | None = None) -> AuditVerification:
    """Look at every link, and whether each entry stands as it was last written. Raises Unavailable."""
    verifier = Verifier(head, written)
    try:
        with closing(
            sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=_WAIT_SECONDS)
        ) as connection:
            connection.text_factory = lambda raw: raw.decode("utf-8", "replace")  # a damaged row is named, not fatal
            connection.execute("BEGIN")  # one moment for all three: an agent goes on writing
            records = int(connection.execute("SELECT COUNT(*) FROM audit_chain").fetchone()[0])
            verifier.take_all(_aloud("records", _links(connection), records))
            if not verifier.is_broken:  # else it is not known any more what was written last of an entry
                _hold_entries(verifier, connection)
    except sqlite3.Error as error:
        raise Unavailable(f"The audit in {path} can't be read: {error}.") from error
    return verifier.told()


def _aloud(what: str, all_of: Iterable[T], total: int) -> Iterator[T]:
    """Hand on what is looked at, and say how much of it was."""
    for number, one in enumerate(all_of):
        if number % _TELL_EVERY == 0:
            sys.stderr.write(f"{what} {number} {total}\n")
            sys.stderr.flush()
        yield one


def _links(connection: sqlite3.Connection) -> Iterator[AuditLink | Unreadable]:
    for key, parent, state, at, document in connection.execute(_LINKS):
        link = link_of(str(document))
        is_in_its_place = link is not None and link_columns(link) == (key, state, parent, at)
        yield link if link is not None and is_in_its_place else Unreadable(str(key))


def _hold_entries(verifier: Verifier, connection: sqlite3.Connection) -> None:
    entries = int(connection.execute("SELECT COUNT(*) FROM audit").fetchone()[0])
    for key, entry, *columns, place, text in _aloud("entries", connection.execute(_ENTRIES), entries):
        _compare(verifier, str(key), str(entry), place, text)
        if place is not None and not is_filed(str(entry), *columns):
            number = int(place)
            why = f"The entry of record {number} was filed under another verb, time or state, so that lists miss it."
            verifier.blame(number, str(key), why)
    for entry, number in connection.execute(_GONE):
        verifier.blame(int(number), entry, f"The entry of record {int(number)} was taken away.")


def _compare(verifier: Verifier, key: str, entry: str, place: str | None, text: object) -> None:
    """Hold an entry against the link in whose ``place`` it was last written, and its ``text`` there."""
    if place is None:
        verifier.blame(None, key, f"Entry {plain(key, 40)} stands in the audit, and the agent never wrote it.")
    elif isinstance(text, str) and not says_the_same(entry, text):  # one without a text was blamed as a link
        number = int(place)
        verifier.blame(number, key, f"The entry of record {number} was changed after it was written.")


if __name__ == "__main__":
    serve_one(work)
