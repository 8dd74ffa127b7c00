"""The worker that scores answers: ``python -m mlops_desk.drift.monitors.answers.worker``, one request on stdin.

It joins the log with its feedback and scores the windows whose labels have changed since they were scored; with
{"keep": KeepRequest} it keeps a reference instead. It changes nothing else: who is killed meanwhile asks again.

Request: {"score": ``ScoreRequest``}, answered by a ``ScoreAnswer``; or {"keep": ...}, answered by {"rows": number}.

One window's answers scored: figures, what was expected of them, and how far Page's test has come in it. Pure.

All windows of a monitor are held against levels for one and the same number of rows, so that it makes no difference in
which order labels come; the band of three deviations widens where a window has fewer.

Rows of the request log beside what turned out of them, window by window. Feedback is joined by request id and row.

A request whose rows were cut by the end of a window belongs whole to the earlier one: all its rows have one moment.
What counts of the log is what counts in windows; rows that were logged too late for theirs are among the rows here.
"""

import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from mlops_desk.drift.data.file_formats import open_data
from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.drift.live.log_rows import LogPlace, row_conditions
from mlops_desk.drift.monitors.answers.worker_protocol import (
    AnswersFacts,
    AskedSpan,
    KeepRequest,
    ScoreAnswer,
    ScoredSpan,
    ScoreRequest,
    WatchLimit,
)
from mlops_desk.drift.pair import Floats
from mlops_desk.drift.performance.alarms import LEAST_ROWS, beyond
from mlops_desk.drift.performance.change_series import watched_values
from mlops_desk.drift.performance.page_test import ChangeWatch, PageState
from mlops_desk.drift.performance.reference_fit import FittedReference, fit, of_what
from mlops_desk.drift.performance.report import AnsweredData, window_of
from mlops_desk.drift.performance.rows import MOST_CLASSES
from mlops_desk.drift.performance.worker import read_answers
from mlops_desk.drift.records.answers import AnswerColumns
from mlops_desk.drift.records.performance import PerformanceWindow, ReferenceLevel
from mlops_desk.drift.workspace import database_in
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Invalid, Unavailable
from mlops_desk.kit.base.process import serve_one
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.data_files import identifier, quoted
from mlops_desk.kit.storage.request_log.feedback import feedback_files
from mlops_desk.kit.storage.request_log.files import read, united
from mlops_desk.kit.storage.request_log.layout import HOUR_SECONDS, ArchivePart, parts
from mlops_desk.kit.storage.request_log.names import sent
from mlops_desk.kit.storage.request_log.writer import META, OUTPUT, is_output

# ruff: noqa: S608 - SQL for DuckDB in memory: names and paths are quoted by ``data_files``


ORDER = "_received_at, _request_id, _row"
SPAN = "span_"
_RECIPE = "2"
"""Part of a digest: raise it when labels that are the same make other figures, so that all are told anew."""


class JoinedLog:
    """The log of some windows with its feedback, in a connection of its own. Raises OSError, duckdb.Error."""

    def __init__(self, connection: Any, place: LogPlace, columns: AnswerColumns, spans: Sequence[AskedSpan]) -> None:
        self._connection = connection
        self._columns = columns
        self._place = place
        self._parts = _parts(Path(place.folder), spans)
        self._conditions = row_conditions(connection, self._parts, place) if self._parts else ""
        self._tell_labels()

    def digests(self, spans: Sequence[AskedSpan]) -> dict[str, tuple[str, int]]:
        """Return of each window that the log has rows of a digest of its labels, and the number of its rows."""
        if not self._parts or not spans:
            return {}
        self._tell_spans(spans)
        label = "coalesce(CAST(mine.label AS VARCHAR), CAST(whole.label AS VARCHAR))"
        rows = self._connection.execute(f"""
            SELECT spans.id, count(*), count({label}),
                bit_xor(hash(row._request_id, row._row, {label})) FILTER ({label} NOTNULL)
            FROM {read([part.path for part in self._parts])} AS row {_JOINS} WHERE {self._conditions}
            GROUP BY spans.id""").fetchall()
        return {str(name): (f"{n}-{told}-{digest or 0:x}-{_RECIPE}", int(n)) for name, n, told, digest in rows}

    def table(self, spans: Sequence[AskedSpan]) -> OpenedTable:
        """Return all rows of some windows, one after the other: inputs, and answers and labels by their names."""
        self._tell_spans(spans)
        self._connection.execute(f"""
            CREATE OR REPLACE TEMP TABLE joined AS
            SELECT row.*, spans.place AS {SPAN}, coalesce(mine.label, whole.label) AS label_
            FROM ({united(self._connection, [part.path for part in self._parts])}) AS row {_JOINS}
            WHERE {self._conditions} ORDER BY spans.place, {ORDER}""")
        described = {name: kind for name, kind, *_ in self._connection.execute("DESCRIBE joined").fetchall()}
        answers = self._answers([name for name in described if is_output(name)])
        columns = {
            sent(name): (identifier(name), kind)
            for name, kind in described.items()
            if name not in {*META, SPAN, "label_"} and not is_output(name)
        }
        columns |= {told: (identifier(name), described[name]) for told, name in answers.items()}
        columns[self._columns.label] = ("label_", described["label_"])
        n = int(self._connection.execute("SELECT count(*) FROM joined").fetchall()[0][0])
        return OpenedTable("joined", columns, n)

    def sizes(self, spans: Sequence[AskedSpan]) -> list[int]:
        """Return how many rows of the table each window has."""
        rows = self._connection.execute(f"SELECT {SPAN}, count(*) FROM joined GROUP BY ALL").fetchall()
        counted = {int(place): int(n) for place, n in rows}
        return [counted.get(at, 0) for at in range(len(spans))]

    def _answers(self, outputs: Sequence[str]) -> dict[str, str]:
        """Return which column of the log each answer is: its own, or the one without a name for the one left."""
        known = {name.removeprefix(f"{OUTPUT}."): name for name in outputs if name != OUTPUT}
        wanted = [name for name in self._columns.named if name != self._columns.label]
        found = {name: known[name] for name in wanted if name in known}
        lacking = [name for name in wanted if name not in known]
        if len(lacking) == 1 and OUTPUT in outputs:
            found[lacking[0]] = OUTPUT
        elif len(lacking) == 1 and len(wanted) == 1 and len(known) == 1:
            found[lacking[0]] = next(iter(known.values()))
        return found

    def _tell_spans(self, spans: Sequence[AskedSpan]) -> None:
        listed = ", ".join(
            f"({at}, {quoted(one.id)}, {float(one.after)!r}::DOUBLE, {float(one.end)!r}::DOUBLE)"
            for at, one in enumerate(spans)
        )
        self._connection.execute(f"""
            CREATE OR REPLACE TEMP TABLE spans AS
            SELECT * FROM (VALUES {listed}) AS t(place, id, after_, end_)""")

    def _tell_labels(self) -> None:
        """Keep the newest label of each request and row; of two given at once the greater, whoever came first."""
        label = identifier(self._columns.label)
        paths = feedback_files(Path(self._place.folder))
        described = []
        if paths:
            described = self._connection.execute(f"DESCRIBE {united(self._connection, paths)}").fetchall()
        if self._columns.label.lower() not in {str(name).lower() for name, *_ in described}:
            source = "SELECT NULL::VARCHAR AS _request_id, NULL::BIGINT AS _row, NULL::VARCHAR AS label LIMIT 0"
        else:
            newest = f"arg_max({label}, row(_given_at, CAST({label} AS VARCHAR)))"
            source = f"""
                SELECT _request_id, _row, {newest} AS label FROM ({united(self._connection, paths)})
                WHERE {label} NOTNULL GROUP BY _request_id, _row"""
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE told AS {source}")


_JOINS = """
    JOIN spans ON row._received_at > spans.after_ AND row._received_at <= spans.end_
    LEFT JOIN told AS mine ON mine._request_id = row._request_id AND mine._row = row._row
    LEFT JOIN (SELECT * FROM told WHERE _row IS NULL) AS whole ON whole._request_id = row._request_id"""


def _parts(folder: Path, spans: Sequence[AskedSpan]) -> list[ArchivePart]:
    """Return the files that may have rows of some windows."""
    if not spans:
        return []
    first, last = min(one.after for one in spans), max(one.end for one in spans)
    return [
        part
        for part in parts(folder, first)
        if part.ends_at >= first and (part.hour is None or part.hour <= last + HOUR_SECONDS)
    ]


MOST_REFERENCE = 20_000  # chosen: their levels are known to a third of a percent, and taken in a second


def sampled(data: AnsweredData) -> AnsweredData:
    """Leave of a large reference every so many-th row, the same ones whenever it is asked."""
    n = data.n_reference
    if n <= MOST_REFERENCE:
        return data
    kept = np.unique(np.linspace(0, n - 1, MOST_REFERENCE).astype(np.int64))
    chosen = np.concatenate([kept, np.arange(n, len(data.rows))])
    inputs = None if data.inputs is None else data.inputs[chosen]
    return replace(data, rows=data.rows.part(chosen), n_reference=kept.size, inputs=inputs)


class Scorer:
    """Scores windows of some rows: the reference's first, then those of all windows, one after the other.

    ``known`` is what was learned of the reference before; where it is of something else, or there is none, it is
    learned anew, and ``learned`` is what to keep of it.
    """

    def __init__(self, data: AnsweredData, window_rows: int, known: FittedReference | None = None) -> None:
        self._data = data
        self._window_rows = max(LEAST_ROWS, window_rows)
        self._current = data.rows.part(slice(data.n_reference, None))
        self.learned: FittedReference | None = None
        if known is not None and known.of == of_what(data, self._window_rows):
            self._fitted, self._estimators = known, known.estimators
            return
        self._fitted, self._estimators, can_be_kept = fit(data, self._window_rows)
        self.learned = self._fitted if can_be_kept else None

    def window(self, name: str, labels: str, chosen: slice) -> ScoredSpan:
        """Score the current rows of one window; ``labels`` is the digest of what turned out of them."""
        rows = self._current.part(chosen)
        told = window_of(self._data, rows, chosen, dict(self._fitted.levels), self._estimators)
        values = dict(watched_values(rows))
        watched = {
            what: _flat(ChangeWatch().with_values(values[what], baseline))
            for what, baseline in self._fitted.baselines.items()
            if what in values
        }
        return ScoredSpan(
            name,
            labels,
            told.counts,
            told.figures,
            told.expected,
            told.outside,
            self._beyond(told),
            watched,
            {what: mean for what in watched if (mean := _mean(values[what])) is not None},
        )

    def facts(self) -> AnswersFacts:
        """Return what is the same for all windows."""
        rows = self._data.rows
        return AnswersFacts(
            kind=rows.kind,
            classes=rows.classes if len(rows.classes) <= MOST_CLASSES else (),
            positive=None if rows.positive is None else rows.classes[rows.positive],
            reference=self._fitted.levels,
            reference_counts=self._fitted.counts,
            calibrated=None if self._estimators.calibration is None else self._estimators.calibration.changes,
            limits={
                what: WatchLimit(one.mean, one.limit_up, one.limit_down) for what, one in self._fitted.baselines.items()
            },
            notes=(*self._data.notes, *self._fitted.notes),
        )

    def _beyond(self, told: PerformanceWindow) -> tuple[str, ...]:
        n = told.counts.n_used
        factor = math.sqrt(max(1.0, self._window_rows / n)) if n else 1.0
        return beyond(told.figures, {name: _widened(one, factor) for name, one in self._fitted.levels.items()}, n)


def _widened(level: ReferenceLevel, factor: float) -> ReferenceLevel:
    if level.mean is None or level.low is None or level.high is None:
        return level
    half = max(level.high - level.mean, level.mean - level.low) * factor
    return replace(level, low=level.mean - half, high=level.mean + half)


def _mean(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else None


def _flat(watch: ChangeWatch) -> tuple[float, ...]:
    return tuple(float(getattr(side, name)) for side in (watch.up, watch.down) for name in PageState.__slots__)


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
    connection.execute(f"COPY (SELECT {listed} FROM joined) TO {quoted(str(out))} (FORMAT parquet)")
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
