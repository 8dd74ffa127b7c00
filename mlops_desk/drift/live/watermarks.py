"""Values of a watermark: a column of a database's rows that only grows; as they are kept, compared and asked for. Pure.

PostgreSQL reads a quoted value as one of the column's own type, so that a number of four bytes or a text of any
collation is equal to itself. SQLite compares by what a value is, so that a number must stand there as a number.
"""

import math
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain

_HINT = "Name a column of numbers, moments or texts that grows with each row: --watermark COLUMN."
_MOST_CHARACTERS = 1000  # chosen: a key is far shorter


class MarkKind(StrEnum):
    """What a value is to a database."""

    NUMBER = "number"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Watermark:
    """One value, as it is kept."""

    kind: MarkKind
    text: str


@dataclass(frozen=True, slots=True)
class QueryPlace:
    """A database's query that is followed. ``time_column`` says when a row was made, None: the watermark if it can."""

    place: str
    query: str
    watermark: str
    time_column: str | None = None
    password: str | None = None


@dataclass(frozen=True, slots=True)
class QueryCursor:
    """How far a query was read. Rows from ``since`` on (None: all) are read again; ``seen`` has digests of those taken.

    There were ``n_below`` rows before ``since``, from ``floor`` on (None: in all). ``is_begun``: it was asked before.
    """

    since: Watermark | None = None
    seen: str = ""
    floor: Watermark | None = None
    n_below: int = 0
    is_begun: bool = False


def watermark_of(value: Any, column: str) -> Watermark:
    """Return a value of the column as it is kept. Raises Invalid where nothing can be greater than one of its kind."""
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return Watermark(MarkKind.NUMBER, repr(value) if isinstance(value, float) else str(value))
    if isinstance(value, (datetime, date)):
        return Watermark(MarkKind.TEXT, value.isoformat())
    if isinstance(value, (str, UUID)) and len(str(value)) <= _MOST_CHARACTERS and "\0" not in str(value):
        return Watermark(MarkKind.TEXT, str(value))
    kind = type(value).__name__
    raise Invalid(
        f"Column {plain(column)!r} can't tell which rows are new: a value of it is of the kind {kind}.", _HINT
    )


def is_one(first: Any, second: Any) -> bool:
    """Tell whether two values are the same to a database: there NaN is one value, and 1.0 and 1.00 are."""
    return bool(first == second) or (first != first and second != second)  # noqa: PLR0124 - only NaN differs from itself


def literal(mark: Watermark, *, is_sqlite: bool) -> str:
    """Return a value as SQL has it."""
    if is_sqlite and mark.kind is MarkKind.NUMBER:
        number = float(mark.text)
        if math.isinf(number):
            return "9e999" if number > 0 else "-9e999"  # SQLite has no other word for them
        return mark.text
    return "'" + mark.text.replace("'", "''") + "'"


def named(column: str) -> str:
    """Return a column of ``followed``; SQLite takes a bare name in quotes that it does not know for a text."""
    return 'followed."' + column.replace('"', '""') + '"'
