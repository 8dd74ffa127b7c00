"""DuckDB over the log's files: columns of one name united.

Parts of several days, revisions and versions of the program have other columns, or others' types. United, a column is
what all of its values are: numbers are numbers, a text that only ever says true and false is a boolean where a newer
part knows it as one, and else it is text.
"""
# ruff: noqa: S608 - SQL for DuckDB in memory: names and paths are quoted by ``data_files``

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlops_desk.kit.storage import data_files
from mlops_desk.kit.storage.data_files import identifier, pattern

FORMAT = "(FORMAT parquet, COMPRESSION zstd)"
_NUMBERS = frozenset({"INTEGER", "BIGINT", "DOUBLE"})


def connect(folder: Path) -> Any:
    """Open a database in memory that spills beside the log."""
    return data_files.connect(folder / ".spill")


def united(connection: Any, paths: Sequence[Path]) -> str:
    """Return a query of all rows of some files, each column with one type. Raises duckdb.Error."""
    schemas = [(path, schema_of(connection, path)) for path in paths]
    groups: dict[tuple[tuple[str, str], ...], list[Path]] = {}
    for path, schema in schemas:
        groups.setdefault(tuple(sorted((name.lower(), type_) for name, type_ in schema.items())), []).append(path)
    if len(groups) == 1:
        return f"SELECT * FROM {read(paths)}"
    targets = _targets(connection, groups)
    selects = [f"SELECT * {_casts(dict(types), targets)} FROM {read(found)}" for types, found in groups.items()]
    return " UNION ALL BY NAME ".join(selects)


def schema_of(connection: Any, path: Path) -> dict[str, str]:
    """Return a file's columns and their types. Raises duckdb.Error."""
    described = connection.execute(f"DESCRIBE SELECT * FROM {read([path])}").fetchall()
    return {name: type_ for name, type_, *_ in described}


def read(paths: Sequence[Path]) -> str:
    """Return what reads files that may lack each other's columns."""
    listed = ", ".join(pattern(path) for path in paths)
    return f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"


def _targets(connection: Any, groups: Mapping[tuple[tuple[str, str], ...], list[Path]]) -> dict[str, str]:
    """Return the type of each column, by its name in small letters, that has not the same type everywhere."""
    known: dict[str, dict[str, list[Path]]] = {}
    for types, paths in groups.items():
        for name, type_ in types:
            known.setdefault(name, {}).setdefault(type_, []).extend(paths)
    return {name: _together(connection, name, types) for name, types in known.items() if len(types) > 1}


def _together(connection: Any, name: str, types: Mapping[str, list[Path]]) -> str:
    if types.keys() <= _NUMBERS:
        return "DOUBLE" if "DOUBLE" in types else "BIGINT"
    for target in reversed(list(types)):  # the newest first
        others = [path for type_, paths in types.items() if type_ != target for path in paths]
        if target in {"BOOLEAN", "TIMESTAMP", *_NUMBERS} and _all_are(connection, name, target, others):
            return target
    return "VARCHAR"


def _all_are(connection: Any, name: str, target: str, paths: Sequence[Path]) -> bool:
    text = f"CAST({identifier(name)} AS VARCHAR)"
    is_one = f"lower({text}) IN ('true', 'false')" if target == "BOOLEAN" else f"TRY_CAST({text} AS {target}) NOTNULL"
    query = f"SELECT count(*) FROM {read(paths)} WHERE {identifier(name)} NOTNULL AND NOT ({is_one})"
    return not connection.execute(query).fetchall()[0][0]


def _casts(types: Mapping[str, str], targets: Mapping[str, str]) -> str:
    casts = [
        f"{_cast(identifier(name), type_, targets[name])} AS {identifier(name)}"
        for name, type_ in types.items()
        if name in targets and targets[name] != type_
    ]
    return f"REPLACE ({', '.join(casts)})" if casts else ""


def _cast(column: str, type_: str, target: str) -> str:
    if type_ == "BLOB":
        return f"to_base64({column})"
    return f"TRY_CAST(CAST({column} AS VARCHAR) AS {target})"
