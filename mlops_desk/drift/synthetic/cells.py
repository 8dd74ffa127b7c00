"""A table as its cells: texts as the file has them, and what kind each column is.

A maker of rows is given these texts and writes the same kind, so that a training reads both alike. What a column is
stands in ``drift.data.kinds`` alone; here it is told in the few words of a maker's contract.
"""

# ruff: noqa: S608 - the relation's names and paths are quoted by who opened it

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mlops_desk.drift.data.column_kinds import freeze
from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.drift.records.columns import ColumnKind
from mlops_desk.drift.records.report import DriftOptions
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain

MOST_CELLS = 5_000_000  # chosen: half a gigabyte as texts
MOST_ROWS = 200_000  # chosen: of more rows a maker learns nothing more of some dozens of columns
_FITTING = 1.0  # all of them: a maker writes the same spelling, and one that it can't read is not written

Cells = Sequence[str | None]
Rows = Mapping[str, Cells]


class MadeKind(StrEnum):
    """What a column's cells are, in the contract of those who make rows."""

    NUMBER = "number"
    INTEGER = "integer"
    CATEGORY = "category"
    TIME = "time"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class MadeColumn:
    """A column as rows are made for it, with what its cells may be.

    ``low`` and ``high`` are of numbers, and of times in seconds since 1970. ``values`` are a category's, each once.
    ``longest`` is of texts, in characters. ``may_lack``: some real cells are missing.
    """

    name: str
    kind: MadeKind
    may_lack: bool = False
    low: float | None = None
    high: float | None = None
    decimals: int = 0
    values: tuple[str, ...] = ()
    longest: int = 0


@dataclass(frozen=True, slots=True)
class CellTable:
    """Some rows of a table: column by column, missing cells None. ``of`` is how many rows the table has."""

    columns: tuple[MadeColumn, ...]
    rows: Rows = field(default_factory=dict)
    of: int = 0

    @property
    def n_rows(self) -> int:
        return len(next(iter(self.rows.values()), ()))

    def taken(self, places: Sequence[int]) -> "CellTable":
        """Return the rows at some places."""
        rows = {name: [cells[at] for at in places] for name, cells in self.rows.items()}
        return CellTable(self.columns, rows, self.of)


def read_cells(connection: Any, table: OpenedTable) -> CellTable:
    """Read a table's cells; of too many rows every k-th. Raises Invalid, duckdb.Error."""
    most = max(1, min(MOST_ROWS, MOST_CELLS // max(1, len(table.columns))))
    step = max(1, -(-table.n_rows // most))
    listed = ", ".join(f"CAST({where} AS VARCHAR)" for where, _ in table.columns.values())
    numbered = f"(SELECT {listed}, row_number() OVER () - 1 AS numbered FROM {table.relation})"
    found = connection.execute(f"SELECT * FROM {numbered} WHERE numbered % {step} = 0 LIMIT {most}").fetchall()
    rows = {name: [_cell(row[at]) for row in found] for at, name in enumerate(table.columns)}
    kinds = {one.name: one.kind for one in freeze(connection, table, table, DriftOptions())}
    columns = tuple(_column(name, kinds.get(name), rows[name]) for name in table.columns)
    return CellTable(columns, rows, table.n_rows)


def narrowed(table: CellTable, places: Sequence[int]) -> CellTable:
    """Return the rows at some places, and of the columns what these rows tell."""
    found = table.taken(places)
    kinds = {MadeKind.NUMBER: ColumnKind.NUMERIC, MadeKind.INTEGER: ColumnKind.NUMERIC, MadeKind.TIME: ColumnKind.TIME,
             MadeKind.TEXT: ColumnKind.TEXT, MadeKind.CATEGORY: ColumnKind.CATEGORICAL}  # fmt: skip
    columns = tuple(_column(one.name, kinds[one.kind], found.rows[one.name]) for one in table.columns)
    return CellTable(columns, found.rows, table.of)


def _cell(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)


def _column(name: str, kind: ColumnKind | None, cells: Cells) -> MadeColumn:
    """Tell what a column's cells are. Raises Invalid for what no maker could write the same."""
    there = [one for one in cells if one is not None]
    lacks = len(there) < len(cells)
    if kind is None and there:
        raise Invalid(f"Rows can't be made of the column {plain(name, 80)}: it holds arrays or objects.", _TAKE_OUT)
    if kind is ColumnKind.NUMERIC:
        numbers = [number_of(one) for one in there]
        known = [one for one in numbers if one is not None]
        if len(known) < len(there) * _FITTING:
            odd = next(text for text, one in zip(there, numbers, strict=True) if one is None)
            raise Invalid(_odd(name, odd, "a number such as 1234.5"), _TAKE_OUT)
        decimals = max((_decimals(one) for one in there), default=0)
        is_whole = decimals == 0 and all(one.is_integer() for one in known)
        chosen = MadeKind.INTEGER if is_whole else MadeKind.NUMBER
        return MadeColumn(name, chosen, lacks, min(known, default=None), max(known, default=None), decimals)
    if kind is ColumnKind.TIME:
        times = [time_of(one) for one in there]
        seconds = [one for one in times if one is not None]
        if len(seconds) < len(there) * _FITTING:
            odd = next(text for text, one in zip(there, times, strict=True) if one is None)
            raise Invalid(_odd(name, odd, "a date such as 2026-11-30 or 2026-11-30T12:00:00"), _TAKE_OUT)
        return MadeColumn(name, MadeKind.TIME, lacks, min(seconds, default=None), max(seconds, default=None))
    if kind in {ColumnKind.TEXT, ColumnKind.IDENTIFIER}:
        return MadeColumn(name, MadeKind.TEXT, lacks, longest=max(map(len, there), default=0))
    return MadeColumn(name, MadeKind.CATEGORY, lacks, values=tuple(dict.fromkeys(there)))


_TAKE_OUT = "Take the column out of the data, or write it otherwise."


def _odd(name: str, text: str, wanted: str) -> str:
    return f"Rows can't be made of the column {plain(name, 80)}: {plain(text, 40)!r} is not written as {wanted}."


def number_of(text: str) -> float | None:
    """Return a finite number; None where the text is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def time_of(text: str) -> float | None:
    """Return seconds since 1970 of an ISO 8601 date or moment, which without a zone is UTC; None for others."""
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=dt.UTC)).timestamp()


def _decimals(text: str) -> int:
    """Return how many digits stand behind a number's point; of 1e-7 as many as that is."""
    digits, _, power = text.strip().lower().partition("e")
    behind = len(digits.partition(".")[2].rstrip("0"))
    return max(0, behind - (int(power) if power.lstrip("+-").isdigit() else 0))


def normal(kind: MadeKind, text: str | None) -> str | float | None:
    """Return a cell as it is compared: 1.50 is 1.5, and a moment is its seconds."""
    if text is None:
        return None
    if kind in {MadeKind.NUMBER, MadeKind.INTEGER}:
        return number_of(text)
    return time_of(text) if kind is MadeKind.TIME else text


def keys_of(table: CellTable, names: Sequence[str]) -> list[tuple[str | float | None, ...]]:
    """Return each row's cells in some columns, as they are compared."""
    kinds = {one.name: one.kind for one in table.columns}
    return list(zip(*([normal(kinds[name], one) for one in table.rows[name]] for name in names), strict=True))
