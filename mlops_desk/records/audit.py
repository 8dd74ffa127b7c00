"""The audit as a chain: each writing stands on the one before it, so that an edit of any is found.

A chain tells that it was changed, not by whom. That nothing was cut from its end is told by what is kept elsewhere:
whoever has a ``head`` (each export ends with one) can ask whether it is still part of the chain, and an agent knows
what it has written since it began.
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
class AuditVerification:
    """What came of looking at every link.

    ``first_bad`` is the number of the first that does not hold, ``entry`` its entry and ``why`` a sentence; where an
    entry is wrong that no link names, there is no number. ``head`` is the digest of the last link. ``holds_head`` tells
    whether a head that was kept earlier is part of the chain; None: none was given.
    """

    records: int
    intact: bool
    first_bad: int | None = None
    entry: str | None = None
    why: str | None = None
    head: str | None = None
    holds_head: bool | None = None
