"""Rows of the request log beside what turned out of them, window by window. Feedback is joined by request id and row.

A request whose rows were cut by the end of a window belongs whole to the earlier one: all its rows have one moment.
What counts of the log is what counts in windows; rows that were logged too late for theirs are among the rows here.
"""

# ruff: noqa: S608 - SQL for DuckDB in memory: names and paths are quoted by ``data_files``

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlops_desk.drift.data.opened import OpenedTable
from mlops_desk.drift.live.log_rows import LogPlace, row_conditions
from mlops_desk.drift.monitors.answers.asked import AskedSpan
from mlops_desk.records.drift.answers import AnswerColumns
from mlops_desk.storage.data_files import identifier, quoted
from mlops_desk.storage.request_log.feedback import feedback_files
from mlops_desk.storage.request_log.files import read, united
from mlops_desk.storage.request_log.layout import HOUR_SECONDS, ArchivePart, parts
from mlops_desk.storage.request_log.names import sent
from mlops_desk.storage.request_log.writing import META, OUTPUT, is_output

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
