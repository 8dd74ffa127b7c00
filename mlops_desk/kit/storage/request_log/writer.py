# ruff: noqa: S608 - SQL for DuckDB in memory: names and paths are quoted by ``files``
"""Rows into one Parquet file. Features keep their names (but ``names``), our own columns begin with an underscore.

An answer's columns are ``_output`` or, where it names them, ``_output.NAME``; ``_prediction`` is an answer that is no
row of outputs. Free of SQLAlchemy: the gateway writes with it.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from mlops_desk.kit.storage.data_files import identifier, pattern, quoted
from mlops_desk.kit.storage.request_log.files import FORMAT, connect
from mlops_desk.kit.storage.request_log.kinds import (
    COLUMNS_LIMIT,
    DATABASE_TYPES,
    LARGE_LIMIT,
    NOTHING,
    Fitted,
    clean,
    fitting,
    guess,
)
from mlops_desk.kit.storage.request_log.names import stored
from mlops_desk.kit.storage.requests import LoggedFeature, LoggedRow

META: dict[str, str] = {
    "_request_id": "VARCHAR",
    "_received_at": "DOUBLE",
    "_revision": "BIGINT",
    "_status": "BIGINT",
    "_latency_seconds": "DOUBLE",
    "_row": "BIGINT",
    "_prediction": "VARCHAR",
    "_extra": "VARCHAR",
    "_is_shadow": "BOOLEAN",
    "_is_try": "BOOLEAN",
}
OUTPUT = "_output"
Columns = Mapping[str, tuple[str, Callable[[Any], Fitted]]]
"""What a row has by name: the column that holds it, and what fits there."""
_encoded = msgspec.json.encode  # a fifth of json's time; what NaN would be is words by then, and texts are Unicode
_NAME_LIMIT = 200  # chosen: longer ones are values that stand where a name should


def write_part(rows: Sequence[LoggedRow], features: Sequence[LoggedFeature], target: Path) -> None:
    """Write rows as one Parquet file, whole or not at all. Raises OSError, duckdb.Error.

    What a row has beyond ``features``, or what does not fit them, goes into ``_extra`` as JSON; without
    features they are guessed from the values, and so are outputs.
    """
    columns = columns_of(features or guess(row.values for row in rows))
    outputs = {_column(one.name): one for one in _usable_outputs(guess(row.outputs for row in rows))}
    lines = target.with_suffix(f".{os.getpid()}.rows")  # a gateway's successor may write the same meanwhile
    written = target.with_suffix(f".{os.getpid()}.new")
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with lines.open("wb") as file:
            asked, answered = _by_name(columns), _by_name(outputs)
            file.writelines(_encoded(_document(row, asked, answered)) + b"\n" for row in rows)
        with closing(connect(target.parent)) as connection:
            connection.execute(f"COPY ({_select(lines, columns, outputs)}) TO {quoted(str(written))} {FORMAT}")
        written.replace(target)
    finally:
        lines.unlink(missing_ok=True)
        written.unlink(missing_ok=True)


def columns_of(features: Sequence[LoggedFeature]) -> dict[str, LoggedFeature]:
    """Return the features that get a column, by what that is called: not those whose names look like ours.

    Of names that differ in case alone the first has its own, the others one of ``names``; a name that is given twice
    has its own once.
    """
    taken = set(META)
    found: dict[str, LoggedFeature] = {}
    for feature in features:
        if feature.name in found:
            continue
        key = feature.name.lower()
        column = stored(feature.name) if key in taken and key not in META else feature.name
        if key and _is_name(feature.name) and not is_output(key) and column.lower() not in taken:
            taken.add(column.lower())
            found[column] = feature
    return dict(islice(found.items(), COLUMNS_LIMIT))


def is_output(column: str) -> bool:
    """Tell whether a column of the log holds answers."""
    return column == OUTPUT or column.startswith(f"{OUTPUT}.")


def _usable_outputs(found: Sequence[LoggedFeature]) -> list[LoggedFeature]:
    """Return the outputs that get a column, under their own names."""
    taken: set[str] = set()
    kept = []
    for feature in found:
        if feature.name.lower() not in taken and _is_name(feature.name):
            taken.add(feature.name.lower())
            kept.append(feature)
    return kept[:COLUMNS_LIMIT]


def _is_name(name: str) -> bool:
    return len(name) <= _NAME_LIMIT and "\0" not in name and name.lower().isprintable()


def _column(output: str) -> str:
    return f"{OUTPUT}.{output}" if output else OUTPUT


def _by_name(columns: Mapping[str, LoggedFeature]) -> Columns:
    return {feature.name: (column, fitting(feature.kind)) for column, feature in columns.items()}


def _select(lines: Path, columns: Mapping[str, LoggedFeature], outputs: Mapping[str, LoggedFeature]) -> str:
    kinds = {name: feature.kind for name, feature in (*columns.items(), *outputs.items())}
    types = META | {name: "VARCHAR" if kind == "binary" else DATABASE_TYPES[kind] for name, kind in kinds.items()}
    struct = ", ".join(f"{quoted(name)}: '{type_}'" for name, type_ in types.items())
    source = f"read_json({pattern(lines)}, format = 'newline_delimited', columns = {{{struct}}})"
    decoded = [
        f"from_base64({identifier(name)}) AS {identifier(name)}" for name, kind in kinds.items() if kind == "binary"
    ]
    replaced = f"REPLACE ({', '.join(decoded)})" if decoded else ""
    return f"SELECT * {replaced} FROM {source}"


def _document(row: LoggedRow, asked: Columns, answered: Columns) -> dict[str, Any]:
    """Return a row as JSON holds it: NaN and infinities as the words that DuckDB reads back as numbers."""
    values, extra = _fitted(asked, row.values)
    outputs, more = _fitted(answered, row.outputs)
    extra |= {_column(name): value for name, value in more.items()}
    return {
        "_request_id": row.request_id,
        "_received_at": row.received_at,
        "_revision": row.revision,
        "_status": row.status,
        "_latency_seconds": row.latency_seconds,
        "_row": row.row,
        "_prediction": None if row.prediction is None else clean(row.prediction),
        "_extra": json.dumps(extra)[:LARGE_LIMIT] if extra else None,
        "_is_shadow": row.is_shadow,
        "_is_try": row.is_try,
        **values,
        **outputs,
    }


def _fitted(columns: Columns, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what columns hold of values, and what is left of them."""
    held, left = {}, {}
    for name, value in values.items():
        column = columns.get(name)
        if column is None:
            left[name] = value
        elif value is not None:
            held[column[0]], rest = column[1](value)
            if rest is not NOTHING:
                left[name] = rest
    return held, left
