"""Reading both sides of a column of texts: a sample that does not depend on the file's form, and how many there are."""

from typing import Any

from mlops_desk.drift.columns import WordsColumn, WordsSide
from mlops_desk.drift.data import value_parsers
from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.drift.records.columns import ColumnKind, FrozenColumn

SAMPLE = 10_000  # chosen: more texts make no measure surer, and each takes its time to be split
CHARACTERS = 4096  # as many as the log of an endpoint keeps
_BATCH = 2048  # chosen: texts of 4 KiB in 8 MiB at a time


def text_column(connection: Any, sides: tuple[OpenedTable, OpenedTable], column: FrozenColumn) -> WordsColumn:
    """Read both sides as texts. Raises duckdb.Error."""
    first, second = (_side(connection, side, column) for side in sides)
    return WordsColumn(first, second, column.kind or ColumnKind.TEXT)


def _side(connection: Any, source: OpenedTable, column: FrozenColumn) -> WordsSide:
    if column.name not in source.columns:
        return WordsSide((), 0, source.n_rows)
    text = f"CAST({source.columns[column.name][0]} AS VARCHAR)"
    usable = f"FROM {source.relation} WHERE NOT {value_parsers.missing(text, column.real_values)}"
    n = int(connection.execute(f"SELECT count(*) {usable}").fetchall()[0][0])
    step = max(1, -(-n // SAMPLE))
    read = connection.execute(f"SELECT left({text}, {CHARACTERS}) {usable}")
    texts: list[str] = []
    seen = 0
    while batch := read.fetchmany(_BATCH):
        texts += [value for (value,) in batch[-seen % step :: step]]
        seen += len(batch)
    return WordsSide(tuple(texts), n, source.n_rows - n)
