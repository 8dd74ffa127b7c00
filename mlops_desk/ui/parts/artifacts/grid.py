"""The first rows of a table that somebody left as a file: as text, as many columns as one can look through."""

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QVBoxLayout, QWidget

from mlops_desk.base.text import plain
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.tables.view import RecordTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_desk.records.registry.artifact_view import ArtifactTable

COLUMNS_SHOWN = 60  # chosen: five screens side by side; a table view asks for the width of each
_Row = tuple[str | None, ...]


class ArtifactGrid(QWidget):
    """Makes a table anew for each file: its columns are the file's."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self.table: RecordTable[_Row] | None = None
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)

    def show_table(self, table: "ArtifactTable") -> None:
        old = self.table
        if old is not None:
            self._column.removeWidget(old)
            old.hide()
            old.deleteLater()
        names = table.columns[:COLUMNS_SHOWN]
        made: RecordTable[_Row] = RecordTable("Rows of the file", _columns(names, table.rows), self._context.memory)
        made.show_records({str(number): row for number, row in enumerate(table.rows)})
        self._column.addWidget(made)
        self.table = made


def _columns(names: tuple[str, ...], rows: "Sequence[_Row]") -> tuple[Column[_Row], ...]:
    return tuple(_column(number, name, is_number=_are_numbers(number, rows)) for number, name in enumerate(names))


def _are_numbers(number: int, rows: "Sequence[_Row]") -> bool:
    """Tell whether all that a column holds are numbers, which stand at the right."""
    kinds = {_order(row[number])[0] for row in rows if number < len(row) and row[number] is not None}
    return kinds == {0}


def _column(number: int, name: str, *, is_number: bool) -> Column[_Row]:
    def cell(row: _Row) -> Cell:
        value = row[number] if number < len(row) else None
        return Cell("missing" if value is None else value, _order(value), "muted" if value is None else None)

    return Column(f"c{number}", plain(name, 60), cell, right=is_number)


def _order(value: str | None) -> tuple[int, float, str]:
    """Return what a value is sorted by: numbers as numbers, before texts, and what is missing at the end."""
    if value is None:
        return 2, 0.0, ""
    try:
        number = float(value)
    except ValueError:
        return 1, 0.0, value
    return (0, number, "") if number == number else (1, 0.0, value)  # noqa: PLR0124 - NaN has no place among numbers
