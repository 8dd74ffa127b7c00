"""A worker that looks at the whole chain of a state database, or at one that was exported, while others go on writing.

``{"database": PATH, "head": ..., "written": ..., "heads": FOLDER, "instance": NAME, "anchors": [...]}`` or
``{"exported": PATH, "head": ...}``, where ``written`` is the digest of the last link that the agent knows of, ``heads``
the folder of the heads that it has anchored, ``instance`` its name in the system's journal (none: not looked for), and
``anchors`` are further heads as ``anchor_of`` reads them; it answers with an AuditVerification. On stderr
it says how far it is, a line each: ``records DONE TOTAL`` of the chain (TOTAL is 0 where it is not known), then
``entries DONE TOTAL`` of the entries that do not stand letter by letter as they were last written.

The chain as a file: JSON lines, a head line, a link each, and the digest of the last, so that a cut is seen.
"""

import itertools
import json
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import quote

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.files import open_plain
from mlops_desk.kit.base.errors import Hint, Invalid, Unavailable
from mlops_desk.kit.base.process import serve_one
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.audit import EXPORT_FORM, AuditLink, AuditVerification
from mlops_desk.kit.storage.audit.anchors import GatheredAnchors, gathered
from mlops_desk.kit.storage.audit.chain import (
    PLACES,
    ChainEnd,
    Unreadable,
    Verifier,
    is_filed,
    is_in_place,
    link_of,
    may_follow,
    place_of,
    says_the_same,
)

_LINE_BYTES = 1 << 20  # chosen: an entry's texts are capped at some thousand characters each


def links_of(path: Path) -> Iterator[AuditLink | Unreadable | ChainEnd]:
    """Read an export with its last line. Raises Invalid where it is none, or ends before that line, and Unavailable."""
    try:
        with open_plain(path, links=True) as stream:
            if _told(stream.readline(_LINE_BYTES)).get("form") != EXPORT_FORM:
                raise Invalid(f"{plain(path.name)} is no exported audit.", Hint("mlops-desk audit export FILE"))
            yield from _export_links(path, stream)
    except OSError as error:
        raise Unavailable(f"{plain(str(path))} can't be read: {error.strerror}.") from error


def _export_links(path: Path, stream: BinaryIO) -> Iterator[AuditLink | Unreadable | ChainEnd]:
    for number in itertools.count(2):
        line = stream.readline(_LINE_BYTES)
        if not line.endswith(b"\n"):
            raise Invalid(f"{plain(path.name)} ends in line {number}, before the last of an exported audit.")
        link = link_of(line.decode("utf-8", "replace"))
        if link is None and "head" in (told := _told(line)):
            yield ChainEnd(told["head"], told.get("records"), is_last=not stream.read(1))
            return
        yield Unreadable(f"line {number}") if link is None else link


def _told(line: bytes) -> dict[str, Any]:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


T = TypeVar("T")
_TELL_EVERY = 5000  # chosen: a tenth of a second of the look
_WAIT_SECONDS = 5.0  # chosen: a writer holds the file for milliseconds
_LINKS = (
    "SELECT link.key, link.parent, link.state, link.created_at, CAST(link.document AS TEXT),"
    " CAST(entry.document AS TEXT), entry.state, entry.parent, entry.created_at"
    " FROM audit_chain link LEFT JOIN audit entry ON entry.key = link.parent ORDER BY link.key"
)
"""Each link, and the entry that it tells of as it stands."""
_UNEQUAL = (
    "SELECT CAST(entry.document AS TEXT), entry.state, entry.parent, entry.created_at, CAST(link.document AS TEXT)"
    " FROM audit entry JOIN audit_chain link ON link.key = ? WHERE entry.key = ?"
)
"""An entry as it stands, and a link of it."""
_UNWRITTEN = "SELECT key FROM audit WHERE NOT EXISTS (SELECT 1 FROM audit_chain WHERE parent = audit.key) LIMIT 1"
_GONE = (
    "SELECT parent, MIN(key) FROM audit_chain WHERE parent NOT IN (SELECT key FROM audit) AND key GLOB ?"
    " GROUP BY parent ORDER BY MIN(key) LIMIT 1"
)


def work(request: dict[str, Any]) -> Any:
    """Verify. Raises Invalid and Unavailable."""
    head = request.get("head")
    if "exported" in request:
        verifier = Verifier(head)
        verifier.take_all(_aloud("records", links_of(Path(request["exported"])), 0))
        return wire.to_builtins(verifier.told())
    anchors = gathered(request.get("heads"), request.get("instance"), request.get("anchors") or ())
    return wire.to_builtins(verify(Path(request["database"]), head, request.get("written"), anchors))


def verify(
    path: Path, head: str | None, written: str | None = None, anchors: GatheredAnchors | None = None
) -> AuditVerification:
    """Look at every link, and whether each entry stands as it was last written. Raises Unavailable."""
    anchors = anchors or GatheredAnchors((), (), ())
    try:
        found = _looked_at(path, Verifier(head, written, anchors.held), str)
    except sqlite3.Error:  # a text that is not UTF-8 is damage, which is named: the slower way reads it too
        found = _leniently(path, Verifier(head, written, anchors.held))
    return replace(found, anchors=anchors.places, replaced=anchors.replaced)


def _leniently(path: Path, verifier: Verifier) -> AuditVerification:
    try:
        return _looked_at(path, verifier, lambda raw: raw.decode("utf-8", "replace"))
    except sqlite3.Error as error:
        raise Unavailable(f"The audit in {path} can't be read: {error}.") from error


def _looked_at(path: Path, verifier: Verifier, text_factory: Callable[[bytes], str]) -> AuditVerification:
    """Look, with texts read by ``text_factory``. Raises sqlite3.Error."""
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=_WAIT_SECONDS)) as connection:
        connection.text_factory = text_factory
        connection.execute("BEGIN")  # one moment for all of it: an agent goes on writing
        entries = _Entries()
        records = int(connection.execute("SELECT COUNT(*) FROM audit_chain").fetchone()[0])
        verifier.take_all(_aloud("records", _links(connection, entries), records))
        verifier.end()
        _hold_entries(verifier, connection, entries)
    return verifier.told()


def _aloud(what: str, all_of: Iterable[T], total: int) -> Iterator[T]:
    """Hand on what is looked at, and say how much of it was."""
    for number, one in enumerate(all_of):
        if number % _TELL_EVERY == 0:
            sys.stderr.write(f"{what} {number} {total}\n")
            sys.stderr.flush()
        yield one


class _Entries:
    """Which entries do not stand as the newest link tells them, letter by letter, as far as links were read."""

    def __init__(self) -> None:
        self.unequal: dict[str, int] = {}

    def hold(self, link: AuditLink, entry: object, columns: Sequence[Any]) -> None:
        """Hear of a link, and of its entry as it stands. One that went on after it is held against a later link."""
        if entry == link.text and is_filed(link.text, *columns):
            self.unequal.pop(link.entry, None)
        else:
            self.unequal[link.entry] = link.number


def _links(connection: sqlite3.Connection, entries: _Entries) -> Iterator[AuditLink | Unreadable]:
    for key, parent, state, at, document, entry, *columns in connection.execute(_LINKS):
        link = link_of(str(document))
        if link is None or not is_in_place(link, key, parent, state, at):
            yield Unreadable(str(key))
            continue
        entries.hold(link, entry, columns)
        yield link


def _hold_entries(verifier: Verifier, connection: sqlite3.Connection, entries: _Entries) -> None:
    """Hold entries against the links in which they were last written; most were by now."""
    unequal = sorted(entries.unequal.items(), key=lambda one: one[1])
    for key, number in _aloud("entries", unequal, len(unequal)):
        for entry, *columns, document in connection.execute(_UNEQUAL, (place_of(number), key)):
            _compare(verifier, key, number, str(entry), columns, str(document))
    for entry, number in connection.execute(_GONE, (PLACES,)):
        verifier.blame(int(number), entry, f"The entry of record {int(number)} was taken away.")
    for (key,) in connection.execute(_UNWRITTEN):
        verifier.blame(None, key, f"Entry {plain(str(key), 40)} stands in the audit, and the agent never wrote it.")


def _compare(verifier: Verifier, key: str, number: int, entry: str, columns: Sequence[Any], document: str) -> None:
    """Hold an entry against the link of that number, in which it was last written."""
    link = link_of(document)
    if link is not None and not says_the_same(entry, link.text):
        if verifier.has_lost(number) and may_follow(entry, link.text):
            return  # how it ended may stand in the link that is lost, which is told
        verifier.blame(number, key, f"The entry of record {number} was changed after it was written.")
    elif not is_filed(entry, *columns):
        why = f"The entry of record {number} was filed under another verb, time or state, so that lists miss it."
        verifier.blame(number, key, why)


if __name__ == "__main__":
    serve_one(work)
