"""The audit as a chain: each writing stands on the one before it, so that an edit of any is found.

A chain tells that it was changed, not by whom. That nothing was cut from its end, and that it was not made anew as a
whole, is told by what is kept elsewhere: an agent anchors heads as the chain grows, in a folder of their own and in the
system's journal, and knows what it has written since it began. Packs of evidence and exports have heads, too.
"""

from dataclasses import dataclass

EXPORT_FORM = "mlops-desk-audit/1"
"""What the first line of an exported chain says."""


@dataclass(frozen=True, slots=True)
class AuditLink:
    """One writing of an audit entry: that it began, or how it ended.

    ``number`` counts from 1. ``text`` is the entry as JSON, as it was written. ``digest`` is the SHA-256, in hex, of
    the digest before it (64 zeros for the first), the number, the entry's id and the text, a line each.
    """

    number: int
    entry: str
    text: str
    digest: str


@dataclass(frozen=True, slots=True)
class AuditAnchors:
    """The heads that one place outside the database holds: how many, and of which record and time the newest is.

    ``place`` says where, in words. ``trouble`` says what could not be read of them.
    """

    place: str
    heads: int
    newest: int | None = None
    at: float | None = None
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class AuditReplacement:
    """The database was replaced at a time, by what ``by`` names (a backup): the chain then ended with ``record``.

    ``gone`` is the last record before that is known to be gone with what was replaced; None: none is.
    """

    at: float
    by: str
    record: int
    gone: int | None = None


@dataclass(frozen=True, slots=True)
class AuditVerification:
    """What came of looking at every link.

    ``first_bad`` is the number of the first that does not hold, ``entry`` its entry and ``why`` a sentence; where an
    entry is wrong that no link names, there is no number. ``head`` is the digest of the last link. ``holds_head`` tells
    whether a head that was kept earlier is part of the chain; None: none was given.

    ``anchors`` are the places outside the database whose heads it was held against. Records up to ``vouched`` are those
    that were anchored; what was changed first lies behind it, at ``first_bad`` or before. ``replaced`` tells when a
    backup took the database's place.
    """

    records: int
    intact: bool
    first_bad: int | None = None
    entry: str | None = None
    why: str | None = None
    head: str | None = None
    holds_head: bool | None = None
    anchors: tuple[AuditAnchors, ...] = ()
    vouched: int = 0
    replaced: tuple[AuditReplacement, ...] = ()
