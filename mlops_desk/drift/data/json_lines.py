"""A file of JSON lines, made into a Parquet file of texts: one object a line, as logs and pandas write them.

Values come out as they are spelled (``true``, ``0.1``, ``[1, 2]``), JSON's null and what an object lacks as NULL, and
"" as what it is. Lines that are no objects are counted and named. What the texts mean is decided later, from the whole
column.
"""

# ruff: noqa: S608 - DuckDB binds no paths; ``quoted`` and ``pattern`` quote them, and the columns' names are our own

import json
from itertools import islice
from pathlib import Path
from typing import Any

from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.drift.data.delimited_text import COLUMNS_LIMIT, LINE_LIMIT_BYTES, AsTexts, as_utf8
from mlops_desk.drift.data.faults import counted
from mlops_desk.storage.data_files import json_pointer, pattern, quoted

_NAMED_LINES = 3  # chosen: as many as stand in one line


def to_parquet(connection: Any, source: Path, folder: Path) -> AsTexts:
    """Convert ``source``; files made on the way lie in ``folder``. Raises Invalid, OSError, duckdb.Error."""
    readable = as_utf8(source, folder)
    lines = _lines(readable)
    keys = connection.execute(f"""
        SELECT key FROM (SELECT unnest(json_keys(line)) AS key, number FROM {lines} WHERE {_IS_OBJECT})
        GROUP BY key ORDER BY min(number) LIMIT {COLUMNS_LIMIT + 1}""").fetchall()
    names = _in_order(connection, lines, [str(key) for (key,) in keys])
    if not names or len(names) > COLUMNS_LIMIT:
        text = f"The objects of {plain(str(source))} have {'too many' if names else 'no'} keys."
        raise Invalid(text, f"A line needs 1 to {COLUMNS_LIMIT} values by name.")
    target = folder / f"{source.stem[:50]}-{len(list(folder.iterdir()))}.parquet"
    paths = ", ".join(quoted(json_pointer(name)) for name in names)
    columns = ", ".join(f"found[{at + 1}] AS c{at}" for at in range(len(names)))
    connection.execute(f"""
        COPY (SELECT {columns} FROM (
            SELECT json_extract_string(line, [{paths}]) AS found FROM {lines} WHERE {_IS_OBJECT}))
        TO {quoted(str(target))} (FORMAT parquet)""")
    rejected, where = _refused(connection, lines, readable)
    notes = (f"{counted(rejected, 'line')} left out, being no object: {where}.",) if rejected else ()
    return AsTexts(target, names, rejected, notes)


_IS_OBJECT = "CASE WHEN json_valid(line) THEN json_type(line) = 'OBJECT' ELSE false END"


def _lines(readable: Path) -> str:
    """Return the relation of the file's lines, each with its number from 1; a line is one whatever quotes it holds."""
    reader = f"""read_csv({pattern(readable)},
        auto_detect = false, header = false, columns = {{'line': 'VARCHAR'}}, delim = '\x01', quote = '', escape = '',
        nullstr = '\x02', parallel = false, max_line_size = {LINE_LIMIT_BYTES}, ignore_errors = true)"""
    return f"(SELECT line, row_number() OVER () AS number FROM {reader})"


def _in_order(connection: Any, lines: str, names: list[str]) -> tuple[str, ...]:
    """Return the names as the first object has them, then those that came later."""
    first = connection.execute(f"SELECT line FROM {lines} WHERE {_IS_OBJECT} ORDER BY number LIMIT 1").fetchall()
    known = list(json.loads(first[0][0])) if first else []
    return (*(name for name in known if name in names), *(name for name in names if name not in known))


def _refused(connection: Any, lines: str, readable: Path) -> tuple[int, str]:
    """Return how many lines are no objects, blank ones apart, and the first of them in words."""
    blank = "trim(coalesce(line, '')) = ''"
    query = f"SELECT count(*) FROM {lines} WHERE NOT ({blank}) AND NOT ({_IS_OBJECT})"
    total = int(connection.execute(query).fetchall()[0][0])
    if not total:
        return 0, ""
    with readable.open("rb") as file:
        numbers = islice((at for at, line in enumerate(file, 1) if line.strip() and not is_object(line)), _NAMED_LINES)
        named = [f"line {at}" for at in numbers]
    return total, ", ".join(named) + (f" and {total - len(named)} more" if total > len(named) else "")


def is_object(line: bytes) -> bool:
    """Tell whether a line is a JSON object."""
    if not line.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
