"""The worker that scores answers: ``python -m mlops_desk.drift.monitors.answers.worker``, one request on stdin.

It joins the log with its feedback and scores the windows whose labels have changed since they were scored; with
{"keep": KeepRequest} it keeps a reference instead. It changes nothing else: who is killed meanwhile asks again.

Request: {"score": ``ScoreRequest``}, answered by a ``ScoreAnswer``; or {"keep": ...}, answered by {"rows": number}.
"""

import shutil
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from mlops_desk.base import wire
from mlops_desk.base.errors import Invalid, Unavailable
from mlops_desk.base.process import serve_one
from mlops_desk.base.text import plain
from mlops_desk.drift.data.opened import OpenedTable
from mlops_desk.drift.data.opening import open_data
from mlops_desk.drift.monitors.answers.asked import AskedSpan, KeepRequest, ScoreAnswer, ScoreRequest
from mlops_desk.drift.monitors.answers.joined import JoinedLog
from mlops_desk.drift.monitors.answers.scoring import Scorer, sampled
from mlops_desk.drift.performance.alarms import LEAST_ROWS
from mlops_desk.drift.performance.fitted import FittedReference
from mlops_desk.drift.performance.worker import read_answers
from mlops_desk.drift.room import database_in
from mlops_desk.records.drift.answers import AnswerColumns
from mlops_desk.storage.data_files import identifier, quoted

_THREADS = 1  # the machine is busy with other people's trainings
_LARGEST_BYTES = 256 << 20  # chosen: a million answers with their inputs; of more a sample tells as much


def scored(request: ScoreRequest) -> ScoreAnswer:
    """Score the windows whose labels have changed. Raises DeskError."""
    folder = Path(request.within)
    with database_in(folder, _THREADS) as connection:
        try:
            if not request.spans:
                return ScoreAnswer()
            log = JoinedLog(connection, request.log, request.columns, request.spans)
            digests = log.digests(request.spans)
            changed = [span for span in request.spans if _is_changed(span, digests)]
            chosen = changed[: request.most]
            if not chosen:
                return ScoreAnswer()
            before = None
            if request.reference is not None:
                before = open_data(connection, Path(request.reference), folder)
            data = read_answers(connection, before, log.table(chosen), request.columns)
            scorer = Scorer(sampled(data), request.window_rows, _known(request))
            bounds = np.cumsum([0, *log.sizes(chosen)])
        except duckdb.Error as error:
            text = f"The logged answers can't be read: {plain(str(error).splitlines()[0], 300)}"
            raise Unavailable(text, "Is there room on the disk for temporary files?") from error
    windows = [
        scorer.window(span.id, digests[span.id][0], slice(int(first), int(last)))
        for span, first, last in zip(chosen, bounds[:-1], bounds[1:], strict=True)
    ]
    learned = None
    if scorer.learned is not None and request.reference is not None:
        learned = folder / "learned.json"
        learned.write_text(wire.dumps(scorer.learned), encoding="utf-8")
    return ScoreAnswer(
        tuple(windows), scorer.facts(), len(changed) > len(chosen), None if learned is None else str(learned)
    )


def _known(request: ScoreRequest) -> FittedReference | None:
    """Return what was learned of the reference before; None where nothing is kept, or another version wrote it."""
    if request.fitted is None:
        return None
    try:
        return wire.loads(Path(request.fitted).read_bytes(), FittedReference)
    except (FileNotFoundError, Invalid):
        return None


def _is_changed(span: AskedSpan, digests: dict[str, tuple[str, int]]) -> bool:
    """Tell whether a window is to be scored: not where some of its rows are no longer logged, which would say less."""
    found = digests.get(span.id)
    return found is not None and found[0] != span.labels and found[1] >= span.n_rows


def keep(request: KeepRequest) -> int:
    """Keep labelled answers as reference; return how many of its rows have both. Raises DeskError."""
    folder, out = Path(request.within), Path(request.out)
    with database_in(folder, _THREADS) as connection:
        try:
            if request.path is not None:
                table = _file(connection, Path(request.path), out, folder)
            elif request.log is not None:
                table = _span(connection, request, out)
            else:
                raise Invalid("There is nothing to keep.", "Name a file or a span.")
            n = read_answers(connection, None, table, request.columns).rows.counts().n_used
        except duckdb.Error as error:
            text = f"The reference of answers can't be read: {plain(str(error).splitlines()[0], 300)}"
            raise Invalid(text, "Is the file complete? Write it again.") from error
    if n < LEAST_ROWS:
        out.unlink(missing_ok=True)
        text = f"The reference has {n:,} rows with a label and an answer, and needs {LEAST_ROWS}."
        raise Invalid(text, "Give one that has more, or wait for their labels.")
    return n


def _file(connection: Any, path: Path, out: Path, folder: Path) -> OpenedTable:
    """Keep a file as it is: kinds are then those that a report on it sees."""
    if not path.is_file():
        raise Invalid(f"{plain(str(path), 1000)} is no file.", "Give one file of labelled answers, no folder.")
    if path.stat().st_size > _LARGEST_BYTES:
        raise Invalid(f"{plain(str(path), 1000)} is larger than 256 MiB.", "Give a sample of its rows.")
    shutil.copyfile(path, out)
    return open_data(connection, out, folder)


def _span(connection: Any, request: KeepRequest, out: Path) -> OpenedTable:
    span = AskedSpan("reference", float(np.nextafter(request.start, -np.inf)), request.end)
    assert request.log is not None  # noqa: S101 - chosen by it
    log = JoinedLog(connection, request.log, request.columns, [span])
    if not log.digests([span]):
        raise Invalid("No request of that span is in the log.", "Give a span whose requests are still logged.")
    table = log.table([span])
    wanted = _without_twins(table, request.columns)
    listed = ", ".join(f"{column} AS {identifier(name)}" for name, column in wanted.items())
    connection.execute(f"COPY (SELECT {listed} FROM joined) TO {quoted(str(out))} (FORMAT parquet)")  # noqa: S608 - quoted
    return open_data(connection, out, Path(request.within))


def _without_twins(table: OpenedTable, columns: AnswerColumns) -> dict[str, str]:
    """Return the columns by their names, without inputs whose names differ from others in case alone."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in [*columns.named, *table.columns]:
        if name in table.columns and name.lower() not in taken:
            taken.add(name.lower())
            found[name] = table.columns[name][0]
    return found


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types."""
    try:
        if "keep" in request:
            return {"rows": keep(wire.from_builtins(request["keep"], KeepRequest))}
        return wire.to_builtins(scored(wire.from_builtins(request["score"], ScoreRequest)))
    except OSError as error:
        text = f"Answers can't be scored: {error.strerror}."
        raise Unavailable(text, "Are the log and its feedback readable, and is there room on the disk?") from error


if __name__ == "__main__":
    serve_one(answer)
