"""What is new in a PostgreSQL store: rows of transactions that a snapshot, taken before, does not see. Pure.

A row tells the last 32 bits of its transaction's number; all of it follows from how long ago two of them were, which
the server tells within one question.
"""

import re

SNAPSHOT = "SELECT txid_current_snapshot()::text"
NEW = (
    "age(t.xmin) <= age(?::text::xid) AND NOT txid_visible_in_snapshot("
    "?::bigint + age(?::text::xid) - age(t.xmin), ?::text::txid_snapshot)"
)
"""A condition on ``t``; what is bound comes from ``since``."""

_FORM = re.compile(r"(\d{1,19}):(\d{1,19}):[\d,]*")  # 64 bits have 19 digits
_LOW_BITS = 1 << 32  # what a row keeps of a number


def since(snapshot: str) -> tuple[str, int, str, str]:
    """Return what NEW binds."""
    first = int(snapshot.partition(":")[0])
    low = str(first % _LOW_BITS)
    return low, first, low, snapshot


def is_snapshot(text: str) -> bool:
    """Tell whether a text has the form of a snapshot."""
    return _FORM.fullmatch(text) is not None


def is_after(snapshot: str, other: str) -> bool:
    """Tell whether a snapshot can have been taken later than another: not, where the store was replaced by an older."""
    return int(snapshot.split(":")[1]) >= int(other.split(":")[1])
