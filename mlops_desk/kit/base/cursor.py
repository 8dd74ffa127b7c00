"""Where a page of a list ends, as a word that only the list itself can read.

It names the last record that was given, by what the list is sorted by, and not how many there were: records that are
added meanwhile move nothing.
"""

import base64
import json
import math
from dataclasses import dataclass

from mlops_desk.kit.base.errors import Invalid

_LONGEST = 1024
"""Characters of a cursor: a time and a key, which for a record is an id or a name of at most some hundred."""


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A record's place in a list that is sorted by time (Unix seconds), and by key where the times are the same."""

    at: float
    key: str


def cursor_of(position: Position) -> str:
    """Return the cursor that goes on after ``position``."""
    return base64.urlsafe_b64encode(json.dumps([float(position.at), position.key]).encode()).decode("ascii").rstrip("=")


def position_of(cursor: str) -> Position:
    """Return the position after which a cursor goes on. Raises Invalid."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        told = json.loads(base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        told = None
    match told:
        case [float(at), str(key)] if len(cursor) <= _LONGEST and math.isfinite(at):
            return Position(at, key)
    raise Invalid("This cursor is not one that a list gave.", "Begin with the first page: leave it out.")
