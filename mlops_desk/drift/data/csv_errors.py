"""Which lines of a CSV file are no rows, by the number that an editor shows for them."""

# ruff: noqa: S608 - the only text put into a query is one of our own words

import csv
from pathlib import Path
from typing import Any

from mlops_desk.kit.base.text import plain

_CHUNK_BYTES = 1 << 20  # chosen: larger ones gain nothing
_READ_FOR_QUOTES_BYTES = 64 << 20  # chosen: reading it again takes a fraction of a second
_NAMED_LINES = 3  # chosen: as many as stand in one line
_FAULTS = {
    "TOO MANY COLUMNS": "too many fields",
    "MISSING COLUMNS": "too few fields",
    "UNQUOTED VALUE": "a quote in the wrong place",
    "LINE SIZE OVER MAXIMUM": "too long",
    "INVALID ENCODING": "not text",
}


def refused(connection: Any, readable: Path, only: str | None = None) -> tuple[int, str]:
    """Return how many lines were refused (``only`` for one reason), and the first of them in words."""
    chosen = "true" if only is None else f"error_type = '{only}'"
    query = f"""
        SELECT min(line_byte_position), first(CAST(error_type AS VARCHAR)), count(*) OVER () FROM reject_errors
        WHERE {chosen} GROUP BY line ORDER BY line LIMIT {_NAMED_LINES}"""
    found = connection.execute(query).fetchall()
    connection.execute("DROP TABLE reject_errors; DROP TABLE reject_scans")
    if not found:
        return 0, ""
    lines = _lines_at(readable, [int(position or 0) for position, *_ in found])
    kinds = [_FAULTS.get(kind, plain(kind).lower()) for _, kind, _ in found]
    named = [f"line {line} ({kind})" for line, kind in zip(lines, kinds, strict=True)]
    total = int(found[0][2])
    return total, ", ".join(named) + (f" and {total - len(found)} more" if total > len(found) else "")


def _lines_at(path: Path, positions: list[int]) -> list[int]:
    """Return the line numbers, from 1, of places in a file; quoted line ends count, as in an editor."""
    lines, seen, line = [], 0, 1
    with path.open("rb") as file:
        for position in positions:
            while seen < position and (chunk := file.read(min(_CHUNK_BYTES, position - seen))):
                seen += len(chunk)
                line += chunk.count(b"\n") or chunk.count(b"\r")
            lines.append(line)
    return lines


def counted(count: int, what: str) -> str:
    """Return a number with its noun."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def unclosed(path: Path, delimiter: str) -> int | None:
    """Return the line where a quote opens that never ends: DuckDB leaves out all that follows without a word.

    None where every quote ends. Only a file with an odd number of quotes is looked at, up to 64 MiB of it.
    """
    with path.open("rb") as file:
        odd = False
        while chunk := file.read(_CHUNK_BYTES):
            odd ^= chunk.count(b'"') % 2 == 1
    if not odd or path.stat().st_size > _READ_FOR_QUOTES_BYTES:
        return None
    with path.open(encoding="utf-8", newline="") as text:
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        while True:
            begins = reader.line_num + 1
            try:
                next(reader)
            except StopIteration:
                return None
            except csv.Error as error:
                if "unexpected end of data" in str(error):
                    return begins
