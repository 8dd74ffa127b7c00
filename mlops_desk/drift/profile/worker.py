"""The worker that makes a profile: ``python -m mlops_desk.drift.profile.worker``, one request on stdin.

Request: {"reference": path or Source, "out": path, "options": DriftOptions, "folder": path, "access": {"reference":
SourceAccess}, "answers": "found" or "only", "segment": column}; the last five may be missing. With "answers" the
columns that look like a model's answers get that role, and what is derived of them is sketched too; with "only" nothing
else is. By the values of "segment" rows are told apart too. What it does meanwhile it says on stderr, a line a second
at most. The answer: {"path", "rows", "bytes", "columns", "left_out"}.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb

from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.drift.data.sources import DataSide, access_in, open_source, source_in
from mlops_desk.drift.predictions import NAMES, answers_in, with_answers
from mlops_desk.drift.profile.file_format import to_bytes
from mlops_desk.drift.profile.profile import DataProfile
from mlops_desk.drift.profile.table_comparison import make_profile
from mlops_desk.drift.progress import WorkerProgress
from mlops_desk.drift.records.report import DriftOptions
from mlops_desk.drift.workspace import work_room
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.errors import Invalid, NotFound
from mlops_desk.kit.base.process import serve_one
from mlops_desk.kit.base.text import plain


def profile_of_source(
    reference: DataSide,
    options: DriftOptions | None = None,
    within: str | None = None,
    answers: str | None = None,
    segment: str | None = None,
) -> DataProfile:
    """Make the profile of what a source gives; ``answers`` and ``segment`` as in a request. Raises DeskError."""
    progress = WorkerProgress()
    chosen = options or DriftOptions()
    with work_room(within) as (connection, folder):
        table = open_source(connection, reference, folder, progress)
        if answers is not None:
            is_only = answers == "only"
            table, chosen = _with_answers(connection, table, chosen, is_only=is_only)
        return make_profile(connection, table, chosen, progress, segment=segment)


def _with_answers(
    connection: Any, table: OpenedTable, options: DriftOptions, *, is_only: bool
) -> tuple[OpenedTable, DriftOptions]:
    """Return the table with what is derived of its answers, and how it is read. Raises Invalid."""
    names = answers_in(table, options, is_evaluation=is_only)
    try:
        found = with_answers(connection, table, names)
    except duckdb.Error as error:
        text = f"The answers in the data can't be read: {plain(str(error).splitlines()[0], 300)}"
        raise Invalid(text, "Is the file complete? Write it again.") from error
    if not is_only:
        return found.table, found.options(options)
    if not names:
        raise NotFound("This table has no answers in it.", f"They are looked for in {', '.join(NAMES)} and prob_CLASS.")
    kept = {name: where for name, where in found.table.columns.items() if name in found.names}
    return replace(found.table, columns=kept), found.options(replace(options, targets=(), ids=(), features=()))


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types."""
    options = wire.from_builtins(request.get("options") or {}, DriftOptions)
    reference = DataSide(source_in(request, "reference"), access_in(request, "reference"))
    chosen = request.get("answers"), request.get("segment")
    made = profile_of_source(reference, options, request.get("folder"), *chosen)
    target, content = Path(request["out"]), to_bytes(made)
    try:
        write_atomically(target, content, mode=0o644)
    except OSError as error:
        text = f"The profile can't be written to {plain(str(target), 1000)}: {error.strerror}."
        raise Invalid(text, "Give a path in a folder that exists and is yours.") from error
    return {
        "path": str(target),
        "rows": made.n_rows,
        "bytes": len(content),
        "columns": [one.column.name for one in made.columns if one.sketch is not None],
        "left_out": {one.column.name: one.column.why_not or "" for one in made.columns if one.sketch is None},
        "notes": list(made.notes),
    }


if __name__ == "__main__":
    serve_one(answer)
