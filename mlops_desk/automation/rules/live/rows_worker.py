"""A worker: the greatest value of a column of a table or of a query, asked of a database of other people, read only.

It is asked for by the column's own order, so that an index answers where there is one. Rows are new where it has grown
(``has_grown``); one that fell, because rows were taken away, is only where growing is counted from.
"""

import json
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.process import serve_one
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.queries import address
from mlops_desk.kit.storage.queries.query_reader import asked
from mlops_desk.kit.storage.queries.statement import one_statement

SECONDS = 60.0  # chosen: a column without an index, of a hundred million rows
_MOST_CHARACTERS = 1000  # chosen: a key is far shorter
_SLOW = "An index on the column makes that quick."


def answer(request: dict[str, Any]) -> str:
    """Return the value as a text; "" where there is no row. Raises Invalid, NotFound, TimedOut, Unavailable."""
    column = str(request["column"])
    given = request.get("query")
    place = _placed(str(request["table"])) if given is None else f"({_stated(str(given), request['database'])})"
    with asked(request["database"], _query(place, column), SECONDS, request["password"], _SLOW) as found:
        rows = [row for batch in found.batches for row in batch]
    return json.dumps(_told(rows[0][0], column)) if rows else ""


def _stated(query: str, place: str) -> str:
    """Return a query as it can stand within another. Raises Invalid."""
    return one_statement(query, is_sqlite=address.read(place).get_backend_name() == "sqlite")


def _placed(table: str) -> str:
    return ".".join(map(_quoted, table.split(".")))


def _query(place: str, column: str) -> str:
    """Return the question; of a bare name in quotes that it does not know SQLite would make a text."""
    name = f"followed.{_quoted(column)}"
    return f"SELECT {name} FROM {place} AS followed WHERE {name} IS NOT NULL ORDER BY {name} DESC LIMIT 1"  # noqa: S608 - every name is quoted, and a query is its person's own


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _told(value: Any, column: str) -> list[str]:
    """Return a value as its kind and its text, moments of one zone. Raises Invalid."""
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return ["number", str(value)]
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.astimezone(UTC)
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    if isinstance(value, (bool, bytes, memoryview)) or len(text) > _MOST_CHARACTERS:
        raise Invalid(
            f"Column {plain(column)!r} can't tell which rows are new: a value of it is of the kind "
            f"{type(value).__name__}.", "Name a column of numbers, moments or texts that grows with each row.",
        )  # fmt: skip
    return ["text", text]


def has_grown(was: str, now: str) -> bool:
    """Tell whether a second answer is greater than a first. Pure."""
    if not was or not now:
        return bool(now) and not was
    (kind, before), (other, after) = json.loads(was), json.loads(now)
    if kind != other:
        return True  # the column is of another kind since: whatever stands there is new
    if kind != "number":
        return bool(after > before)
    try:
        return Decimal(after) > Decimal(before)
    except InvalidOperation:  # a float that is no number
        return False


if __name__ == "__main__":
    serve_one(answer)
