"""The worker that applies rules to a log (``python -m mlops_desk.kit.storage.request_log.rewrite_worker``).

Request: {"folder": an endpoint's log, "dropped", "masked", "hashed": columns, "key": hex, "token": of what was shown;
None: it is only looked}. The answer tells what there is, or what was done: {"token", "files", "rows", "size_bytes",
"values": by column, "left": why files could not be written}.

Rules applied to what is logged already: files with values that the rules forbid are written anew, each whole.

Applied twice they change nothing. Who tidies the log waits meanwhile (``lock``): a merge would bring back what is gone.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from mlops_desk.kit.base.errors import Hint, Refused, Unavailable
from mlops_desk.kit.base.process import serve_one
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.data_files import identifier, quoted
from mlops_desk.kit.storage.request_log.feedback import feedback_files
from mlops_desk.kit.storage.request_log.files import FORMAT, connect, read, schema_of
from mlops_desk.kit.storage.request_log.layout import parts
from mlops_desk.kit.storage.request_log.lock import only_one
from mlops_desk.kit.storage.request_log.names import sent
from mlops_desk.kit.storage.request_log.redaction import HASHED, MASKED, RedactionRules, rules_of
from mlops_desk.kit.storage.request_log.writer import META, OUTPUT, is_output

# ruff: noqa: S608 - SQL for DuckDB in memory: names and paths are quoted by ``data_files``


_EXTRA = "_extra"
"""The column of what fits no other: JSON of any keys. Other texts may be JSON too, and have such keys in them."""
_OTHERS = frozenset({"_request_id"})
_OURS = frozenset({*META, "_given_at"})


@dataclass(frozen=True, slots=True)
class ForbiddenFile:
    """A file with values that rules forbid: how many rows it has, and how many such values by column."""

    path: Path
    rows: int
    size_bytes: int
    mark: tuple[int, int]
    values: Mapping[str, int] = field(default_factory=dict)


def forbidden(folder: Path, rules: RedactionRules) -> list[ForbiddenFile]:
    """Return the files of a log that have values which the rules forbid. Raises OSError, duckdb.Error."""
    found = []
    with closing(connect(folder)) as connection:
        for path in log_files(folder):
            try:
                one = _looked_at(connection, path, rules)
            except FileNotFoundError:
                continue  # it was merged, or is too old by now
            if one is not None:
                found.append(one)
    return found


def token_of(files: list[ForbiddenFile], rules: RedactionRules) -> str:
    """Return what names exactly these files as they are now, and exactly these rules."""
    told = [[str(one.path), one.size_bytes, *one.mark] for one in files]
    columns = [sorted(rules.dropped), sorted(rules.masked), sorted(rules.hashed)]
    return hashlib.sha256(json.dumps([columns, told]).encode()).hexdigest()[:32]


def log_files(folder: Path) -> list[Path]:
    """Return the files of requests and of feedback."""
    return [*(part.path for part in parts(folder)), *feedback_files(folder)]


def rewrite(path: Path, rules: RedactionRules) -> int:
    """Write a file anew, as the rules have it; return how many rows it has. Raises OSError, duckdb.Error."""
    written = path.with_suffix(f".{os.getpid()}.new")
    try:
        with closing(connect(path.parent)) as connection:
            rows = _copied(connection, path, rules, written)
        _synced(written)
        written.replace(path)
    finally:
        written.unlink(missing_ok=True)
    return rows


def _synced(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _looked_at(connection: Any, path: Path, rules: RedactionRules) -> ForbiddenFile | None:
    facts = path.stat()
    schema, source = schema_of(connection, path), read([path])
    counted = {column: _count_of(column, rules) for column in schema if _rule_of(column, rules) is not None}
    wanted = ", ".join(["count(*)", *counted.values()])
    rows, *numbers = connection.execute(f"SELECT {wanted} FROM {source}").fetchall()[0]
    values: dict[str, int] = {}
    for column, number in zip(counted, numbers, strict=True):
        if number:
            name = _rule_of(column, rules) or column
            values[name] = values.get(name, 0) + number
    for column in schema:
        if _is_document(column, schema[column], rules):
            found = _texts(connection, source, column)
            number = sum(count for text, count in found if _pruned(text, column, rules) != text)
            if number:
                values[column] = number
    return ForbiddenFile(path, rows, facts.st_size, (facts.st_ino, facts.st_mtime_ns), values) if values else None


def _rule_of(column: str, rules: RedactionRules) -> str | None:
    """Return the name by which a column of a file has a rule; None where it has none."""
    if column in _OURS:
        return None
    name = sent(column)
    if is_output(column):
        name = column[len(OUTPUT) + 1 :]
    return name if name and rules.concerns(name) else None


def _count_of(column: str, rules: RedactionRules) -> str:
    """Return what counts the values of a column that its rule forbids."""
    quoted_name = identifier(column)
    if rules.drops(_rule_of(column, rules) or ""):
        return f"count({quoted_name})"
    text = f"CAST({quoted_name} AS VARCHAR)"
    left = f"{text} = {quoted(MASKED)} OR {text} = ''"
    if (_rule_of(column, rules) or "").casefold() in rules.hashed:
        left += f" OR regexp_full_match({text}, {quoted(HASHED)})"
    return f"count({quoted_name}) FILTER (NOT ({left}))"


def _is_document(column: str, kind: str, rules: RedactionRules) -> bool:
    """Tell whether a column may have documents of JSON in which a rule's column is a key."""
    return kind == "VARCHAR" and column not in _OTHERS and _rule_of(column, rules) is None


def _texts(connection: Any, source: str, column: str) -> Iterator[tuple[str, int]]:
    """Yield the distinct documents of a column, each with how often it is there."""
    name = identifier(column)
    is_one = "" if column == _EXTRA else f" AND left(ltrim({name}), 1) IN ('{{', '[')"
    found = connection.execute(f"SELECT {name}, count(*) FROM {source} WHERE {name} NOTNULL{is_one} GROUP BY ALL")
    yield from found.fetchall()


def _pruned(text: str, column: str, rules: RedactionRules) -> str | None:
    """Return a document as the rules have it. One that was cut could hold anything: it is left out."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None if column == _EXTRA else text
    if not isinstance(document, (dict, list)):
        return text
    kept = rules.pruned({_plain(key): one for key, one in document.items()} if isinstance(document, dict) else document)
    if isinstance(document, dict):
        kept = {key: kept[_plain(key)] for key in document if _plain(key) in kept}
    return text if kept == document else (json.dumps(kept) if kept else None)


def _plain(key: str) -> str:
    return key[len(OUTPUT) + 1 :] if is_output(key) and key != OUTPUT else key


def _copied(connection: Any, path: Path, rules: RedactionRules, target: Path) -> int:
    schema, source = schema_of(connection, path), read([path])
    shown, joins = [], []
    for number, column in enumerate(schema):
        told = _rule_of(column, rules)
        name = identifier(column)
        if told is not None and rules.drops(told):
            continue
        if told is None and not _is_document(column, schema[column], rules):
            shown.append(f"log.{name}")
            continue
        table = f"map_{number}"
        pairs = _pairs(connection, source, column, told, rules)
        connection.execute(f"CREATE TEMP TABLE {table} (before {schema[column]}, after VARCHAR)")
        if pairs:
            connection.executemany(f"INSERT INTO {table} VALUES (?, ?)", pairs)
        joins.append(f"LEFT JOIN {table} ON log.{name} = {table}.before")
        rest = f"log.{name}" if told is None else "NULL"
        shown.append(f"CASE WHEN {table}.before IS NOT NULL THEN {table}.after ELSE {rest} END AS {name}")
    query = f"SELECT {', '.join(shown)} FROM {source} AS log {' '.join(joins)}"
    connection.execute(f"COPY ({query}) TO {quoted(str(target))} {FORMAT}")
    return int(connection.execute(f"SELECT count(*) FROM {source}").fetchall()[0][0])


def _pairs(
    connection: Any, source: str, column: str, told: str | None, rules: RedactionRules
) -> list[tuple[Any, str | None]]:
    """Return each distinct value of a column with what becomes of it."""
    if told is None:
        return [(text, _pruned(text, column, rules)) for text, _count in _texts(connection, source, column)]
    name = identifier(column)
    values = connection.execute(f"SELECT DISTINCT {name} FROM {source} WHERE {name} NOTNULL").fetchall()
    return [(value, str(rules.value(told, value))) for (value,) in values]


MODULE = "mlops_desk.kit.storage.request_log.rewrite_worker"


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types. Raises Refused, Unavailable."""
    rules = rules_of(request["dropped"], request["masked"], request["hashed"], request["key"])
    folder, token = Path(request["folder"]), request["token"]
    try:
        if not folder.is_dir():
            return _told([], rules)
        if token is None:
            return _told(forbidden(folder, rules), rules)
        with only_one(folder, waits=True):
            return _rewritten(folder, rules, token)
    except OSError as error:
        raise Unavailable(f"The log can't be read: {error.strerror}.") from error
    except duckdb.Error as error:
        raise Unavailable(f"The log can't be read: {plain(str(error).splitlines()[0], 300)}") from error


def _rewritten(folder: Path, rules: RedactionRules, token: str) -> dict[str, Any]:
    files = forbidden(folder, rules)
    if token_of(files, rules) != token:
        hint = Hint("mlops-desk data rewriting ENDPOINT", after=" shows what would be rewritten now.")
        raise Refused("Nothing was rewritten: the log, or its rules, are not what was shown.", hint)
    done, left = [], []
    for one in files:
        try:
            rewrite(one.path, rules)
            done.append(one)
        except (OSError, duckdb.Error) as error:
            left.append(f"{one.path.name}: {plain(str(error).splitlines()[0], 200)}")
    return {**_told(done, rules), "left": left}


def _told(files: list[ForbiddenFile], rules: RedactionRules) -> dict[str, Any]:
    values: dict[str, int] = {}
    for one in files:
        for column, number in one.values.items():
            values[column] = values.get(column, 0) + number
    return {
        "token": token_of(files, rules),
        "files": len(files),
        "rows": sum(one.rows for one in files),
        "size_bytes": sum(one.size_bytes for one in files),
        "values": values,
        "left": [],
    }


if __name__ == "__main__":
    serve_one(answer)
