"""The worker that tells which columns data have, and of what kind (``python -m mlops_desk.drift.columns_worker``).

Request: {"source": path or Source, "folder": where it may write, "access": {"source": SourceAccess}}; the last two may
be missing. The answer: {"rows", "columns": [[name, kind or null]]}, in their order. How far it is it says on stderr.
"""

from typing import Any

import duckdb

from mlops_desk.base.errors import Invalid
from mlops_desk.base.process import serve_one
from mlops_desk.base.text import plain
from mlops_desk.drift.data.kinds import freeze
from mlops_desk.drift.data.sources import DataSide, access_in, open_source, source_in
from mlops_desk.drift.progress import WorkerProgress
from mlops_desk.drift.room import work_room
from mlops_desk.records.drift import DriftOptions

MODULE = "mlops_desk.drift.columns_worker"


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types. Raises DeskError."""
    side, progress = DataSide(source_in(request, "source"), access_in(request, "source")), WorkerProgress()
    with work_room(request.get("folder")) as (connection, folder):
        table = open_source(connection, side, folder, progress)
        try:
            found = freeze(connection, table, table, DriftOptions(), progress.say)
            rows = connection.execute(f"SELECT count(*) FROM {table.relation}").fetchall()[0][0]  # noqa: S608 - ours
        except duckdb.Error as error:
            text = f"The data can't be read: {plain(str(error).splitlines()[0], 300)}"
            raise Invalid(text, "Are the files complete?") from error
    return {"rows": rows, "columns": [[one.name, one.kind] for one in found]}


if __name__ == "__main__":
    serve_one(answer)
