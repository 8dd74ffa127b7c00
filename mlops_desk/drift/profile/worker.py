"""The worker that makes a profile: ``python -m mlops_desk.drift.profile.worker``, one request on stdin.

Request: {"reference": path or Source, "out": path, "options": DriftOptions, "folder": path, "access": {"reference":
SourceAccess}}; the last three may be missing. What it does meanwhile it says on stderr, a line a second at most. The
answer: {"path", "rows", "bytes", "columns", "left_out"}.
"""

from pathlib import Path
from typing import Any

from mlops_desk.base import wire
from mlops_desk.base.disk.files import write_atomically
from mlops_desk.base.errors import Invalid
from mlops_desk.base.process import serve_one
from mlops_desk.base.text import plain
from mlops_desk.drift.data.sources import DataSide, access_in, open_source, source_in
from mlops_desk.drift.profile.comparing import make_profile
from mlops_desk.drift.profile.form import to_bytes
from mlops_desk.drift.profile.profile import DataProfile
from mlops_desk.drift.progress import WorkerProgress
from mlops_desk.drift.room import work_room
from mlops_desk.records.drift import DriftOptions


def profile_of_source(
    reference: DataSide, options: DriftOptions | None = None, within: str | None = None
) -> DataProfile:
    """Make the profile of what a source gives. Raises DeskError."""
    progress = WorkerProgress()
    with work_room(within) as (connection, folder):
        table = open_source(connection, reference, folder, progress)
        return make_profile(connection, table, options or DriftOptions(), progress)


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types."""
    options = wire.from_builtins(request.get("options") or {}, DriftOptions)
    reference = DataSide(source_in(request, "reference"), access_in(request, "reference"))
    made = profile_of_source(reference, options, request.get("folder"))
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
