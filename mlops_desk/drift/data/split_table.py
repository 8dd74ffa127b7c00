"""A table as one JSON document: of names and rows (pandas' "split"), or a list of objects (pandas' "records").

The first is what ``mlflow.log_table`` writes, the second what ``frame.to_json(path, orient="records")`` does. Such a
file is read and written whole, so it is small; one that is not is refused, and never read into memory.
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.drift.data.rows import table_of_rows
from mlops_desk.kit.base.disk.files import open_plain
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain

KIND = "JSON tables"
_LIMIT_BYTES = 256 << 20  # chosen: as Python's values some gigabytes
_BATCH_ROWS = 10_000  # chosen: hundreds of batches in a file of that size
_BEGINS = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*"(?:columns|index|data)"\s*:\s*\[')
_LISTS = re.compile(rb"(?:\xef\xbb\xbf)?\s*\[\s*[\[{\]]")
_HOW = (
    "A table as mlflow.log_table writes it has columns and data, a list holds an object for each row. Else give "
    "Parquet, CSV or JSON lines."
)


def begins(content: bytes) -> bool:
    """Tell by a file's beginning whether it may be one: a line of JSON lines hardly has a list of that name first."""
    return _LISTS.match(content) is not None or (_BEGINS.match(content) is not None and b"\n{" not in content)


def open_table(connection: Any, files: Sequence[Path], folder: Path) -> OpenedTable:
    """Open files of the same columns as one table. Raises Invalid, OSError, duckdb.Error."""
    names, _ = _read(files[0])
    return table_of_rows(connection, names, _batches(files, names), folder, _nobody)


def _nobody(_text: str) -> None:
    """Tell nobody: it is short work."""


def _batches(files: Sequence[Path], names: Sequence[str]) -> Iterator[Sequence[Sequence[Any]]]:
    for file in files:
        found, rows = _read(file)
        if found != names:
            raise Invalid(f"{plain(file.name, 100)} has other columns than the other tables.", "Give one of them.")
        for first in range(0, len(rows), _BATCH_ROWS):
            yield rows[first : first + _BATCH_ROWS]


def _read(file: Path) -> tuple[list[str], list[list[Any]]]:
    shown = plain(str(file), 1000)
    if file.stat().st_size > _LIMIT_BYTES:
        raise Invalid(f"{shown} is a table of more than {_LIMIT_BYTES >> 20} MiB.", "Write it as Parquet.")
    try:
        with open_plain(file, links=True) as opened:
            document = json.load(opened)
        names, rows = _listed(document) if isinstance(document, list) else (document["columns"], document["data"])
        is_one = all(isinstance(row, list) and len(row) == len(names) for row in rows)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Invalid(f"{shown} is no whole table.", _HOW) from error
    if not is_one or not isinstance(names, list):
        raise Invalid(f"Rows of {shown} do not have a value for each column.", _HOW)
    return [str(name) for name in names], rows


def _listed(objects: list[Any]) -> tuple[list[str], list[list[Any]]]:
    """Return the keys of a list's objects, in the order in which they come, and a row of each. Raises TypeError."""
    if not all(isinstance(one, dict) for one in objects):
        raise TypeError("what is listed is no object")
    names = list(dict.fromkeys(name for one in objects for name in one))
    return names, [[one.get(name) for name in names] for one in objects]
