"""The worker that tells which columns data have, and of what kind (``python -m mlops_desk.drift.columns_worker``).

Request: {"source": path or Source, "folder": where it may write, "access": {"source": SourceAccess}}; the last two may
be missing. The answer: {"rows", "columns": [[name, kind or null]], "rows_sha256"}, the columns in their order. How far
it is it says on stderr. Only of a database's answer the rows are hashed, whatever order they came in.
"""

import hashlib
import json
from typing import Any

import duckdb

from mlops_desk.drift.data.column_kinds import freeze
from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.drift.data.sources import DataSide, access_in, open_source, source_in
from mlops_desk.drift.progress import WorkerProgress
from mlops_desk.drift.records.report import DriftOptions
from mlops_desk.drift.records.sources import SourceKind
from mlops_desk.drift.workspace import work_room
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.process import serve_one
from mlops_desk.kit.base.text import plain

MODULE = "mlops_desk.drift.columns_worker"
_MOST_HASHED = 1_000_000  # chosen: their hashes take 64 MB while they are sorted; of more rows nobody knows


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types. Raises DeskError."""
    side, progress = DataSide(source_in(request, "source"), access_in(request, "source")), WorkerProgress()
    with work_room(request.get("folder")) as (connection, folder):
        table = open_source(connection, side, folder, progress)
        try:
            found = freeze(connection, table, table, DriftOptions(), progress.say)
            rows = connection.execute(f"SELECT count(*) FROM {table.relation}").fetchall()[0][0]  # noqa: S608 - ours
            is_answer = side.source.kind is SourceKind.SQL and rows <= _MOST_HASHED
            digest = _rows_sha256(connection, table) if is_answer else None
        except duckdb.Error as error:
            text = f"The data can't be read: {plain(str(error).splitlines()[0], 300)}"
            raise Invalid(text, "Are the files complete?") from error
    return {"rows": rows, "columns": [[one.name, one.kind] for one in found], "rows_sha256": digest}


def _rows_sha256(connection: Any, table: OpenedTable) -> str:
    """Return the hash of names, types and all rows; rows in another order have the same. Raises duckdb.Error."""
    cells = " || ".join(
        f"CASE WHEN {column} IS NULL THEN '-' ELSE length({column}::VARCHAR) || ':' || {column}::VARCHAR END"
        for column, _kind in table.columns.values()
    )
    each = f"SELECT sha256({cells}) AS one FROM {table.relation}"  # noqa: S608 - every name is quoted
    found = connection.execute(f"SELECT sha256(string_agg(one, '' ORDER BY one)) FROM ({each})").fetchall()[0][0]  # noqa: S608 - ours
    head = json.dumps([[name, kind] for name, (_column, kind) in table.columns.items()])
    return hashlib.sha256(f"{head}\n{found or ''}".encode("utf-8", "surrogatepass")).hexdigest()


if __name__ == "__main__":
    serve_one(answer)
