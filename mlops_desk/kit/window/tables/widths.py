"""How wide the columns of a table are to be: as the rows near those that are seen need it, and within limits."""

from collections.abc import Callable, Iterable

from PySide6.QtGui import QFont, QFontMetrics
from PySide6.QtWidgets import QTableView

from mlops_desk.kit.window.look import theme

COLUMN_SHARE = 0.25  # chosen: no column takes more than a quarter of the table
_ROWS_MEASURED = 50  # chosen: more than are seen at once, so that columns keep their width while one scrolls a little

_MOST_SEEN = 150  # rows: more than the tallest screen has; where the last row is no place below them all is found


def wanted_width(texts: Iterable[str], font: QFont, table_width: int) -> int:
    """Return how wide a column of these texts is to be, with the room at both sides."""
    # One long name takes a share of the table and is cut there; the tool tip tells the rest.
    most = max(int(table_width * COLUMN_SHARE), theme.COLUMN_MINIMUM)
    return min(_needed(texts, font), most)


def _needed(texts: Iterable[str], font: QFont) -> int:
    advance = QFontMetrics(font).horizontalAdvance
    return max((advance(text) for text in texts), default=0) + 2 * theme.SPACE_8 + theme.SPACE_4


def near_rows(table: QTableView, count: int) -> range:
    """Return the rows by which columns are measured: those that are seen and some around them, of ``count``."""
    first, last = max(table.rowAt(0), 0), table.rowAt(table.viewport().height())
    seen = last + 1 if last >= 0 else first + _MOST_SEEN
    end = min(count, max(seen, first + _ROWS_MEASURED))
    return range(max(0, min(first, end - _ROWS_MEASURED)), end)


def column_width(
    table: QTableView,
    texts: Callable[[range], Iterable[str]],
    *,
    font: QFont | None = None,
    limits: tuple[int, int] | None = None,
) -> int:
    """Return how wide a column is to be; ``texts`` gives what stands in it in some rows.

    ``limits`` (least and most, pixels) stand in for the share of the table that one column may take.
    """
    told = texts(near_rows(table, table.model().rowCount()))
    of = table.font() if font is None else font
    if limits is None:
        return wanted_width(told, of, table.viewport().width())
    return min(max(_needed(told, of), limits[0]), limits[1])
