"""Rows of values, as a database or a table of MLflow's gives them, as one Parquet file with the types that they have.

They are spooled one by one, so that no more than a batch is in memory. A column is what all of its values are: whole
numbers among others become floating ones, dates among moments moments, and what is of several kinds is text. JSON and
arrays stay texts that are not compared, and so do bytes.
"""

# ruff: noqa: S608 - DuckDB binds no paths; ``quoted`` and ``pattern`` quote them, and the columns' names are our own

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from decimal import Decimal
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from mlops_desk.drift.data.csv_text import COLUMNS_LIMIT, unlike
from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.storage.data_files import pattern, quoted

_LONG = range(-(1 << 63), 1 << 63)
_NUMBERS = {"BIGINT", "DOUBLE"}
_MOMENTS = {"DATE", "TIMESTAMP"}

Tell = Callable[[str], None]


def table_of_rows(
    connection: Any, names: Sequence[str], batches: Iterable[Sequence[Sequence[Any]]], folder: Path, tell: Tell
) -> OpenedTable:
    """Keep rows of values as Python has them in ``folder``. Raises Invalid, OSError, duckdb.Error, and what they raise.

    ``tell`` is called after each batch.
    """
    number = len(list(folder.iterdir()))
    lines, target = folder / f"rows-{number}.rows", folder / f"rows-{number}.parquet"
    if not 0 < len(names) <= COLUMNS_LIMIT:
        raise Invalid(f"These rows have {len(names):,} columns.", f"Give 1 to {COLUMNS_LIMIT:,} of them.")
    kinds: list[set[str]] = [set() for _ in names]
    n_rows = 0
    with lines.open("w", encoding="utf-8") as file:
        for batch in batches:
            _spool(file, batch, kinds)
            n_rows += len(batch)
            tell(f"{n_rows:,} rows read")
    types = [_together(some) for some in kinds]
    columns = ", ".join(f"c{at}: '{type_}'" for at, type_ in enumerate(types))
    source = f"read_json({pattern(lines)}, format = 'newline_delimited', columns = {{{columns}}})"
    connection.execute(f"COPY (SELECT * FROM {source}) TO {quoted(str(target))} (FORMAT parquet)")
    lines.unlink()
    return OpenedTable(
        f"read_parquet({pattern(target)})",
        {name: (f"c{at}", type_) for at, (name, type_) in enumerate(zip(unlike(names), types, strict=True))},
        n_rows,
        numbered=f"read_parquet({pattern(target)}, file_row_number = true)",
        lengths=(n_rows,),
    )


def _spool(file: IO[str], batch: Sequence[Sequence[Any]], kinds: list[set[str]]) -> None:
    for row in batch:
        document = {}
        for at, value in enumerate(row):
            if value is not None:
                kind, document[f"c{at}"] = _fitted(value)
                kinds[at].add(kind)
        file.write(json.dumps(document, allow_nan=False) + "\n")


def _fitted(value: Any) -> tuple[str, Any]:
    """Return the type of a value in DuckDB's words, and the value as JSON has it."""
    for kinds, fit in _FITS:
        if isinstance(value, kinds):
            return fit(value)
    return "VARCHAR", json.dumps(value, default=str)


def _whole(value: int) -> tuple[str, Any]:
    return ("BIGINT", value) if value in _LONG else ("DOUBLE", str(value))


def _moment(value: datetime) -> tuple[str, Any]:
    moment = value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
    return "TIMESTAMP", moment.isoformat()


def _text(value: object) -> tuple[str, Any]:
    return "VARCHAR", str(value).encode("utf-8", "replace").decode()


_FITS: tuple[tuple[type | tuple[type, ...], Callable[[Any], tuple[str, Any]]], ...] = (
    (bool, lambda value: ("BOOLEAN", value)),
    (int, _whole),
    ((float, Decimal), lambda value: ("DOUBLE", str(value))),  # DuckDB reads the words for NaN and infinities
    (datetime, _moment),
    (date, lambda value: ("DATE", value.isoformat())),
    (clock, lambda value: ("TIME", value.replace(tzinfo=None).isoformat())),
    ((str, UUID, timedelta), _text),  # Parquet holds no negative duration; as texts they are known for what they are
    ((bytes, memoryview), lambda _: ("BLOB", "")),
)
"""The first that fits, for a bool is an int and a datetime a date."""


def _together(kinds: set[str]) -> str:
    if len(kinds) == 1:
        return next(iter(kinds))
    if kinds and kinds <= _NUMBERS:
        return "DOUBLE"
    return "TIMESTAMP" if kinds and kinds <= _MOMENTS else "VARCHAR"
