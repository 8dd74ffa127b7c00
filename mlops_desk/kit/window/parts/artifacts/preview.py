"""What a file holds, in the form that fits it: lines, prose, a picture, a table, or a list of what lies in it."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt, QTimer
from PySide6.QtGui import QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.roles import Role
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.parts.artifacts.lines import NumberedText, shown
from mlops_desk.kit.window.parts.artifacts.markdown import ProseBlock, blocks
from mlops_desk.kit.window.parts.artifacts.prose import ProseView
from mlops_desk.kit.window.parts.artifacts.source import ArtifactSource
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.states import Empty, StateView
from mlops_desk.kit.window.words import numbers
from mlops_desk.kit.window.words.numbers import Mark
from mlops_desk.registry.records.artifact_view import ArtifactView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops_desk.kit.window.live.tasks import Task
    from mlops_desk.registry.records.artifact_view import ArtifactTable

    _Seen = tuple[ArtifactView, QImage | None, list[ProseBlock]]


# A picture that the agent has made a PNG of: as large as it is, or as fits; it is decoded off the GUI thread.
LARGEST = 2048  # the agent's own limit: more pixels on a side are no answer of it


def decoded(png: bytes) -> QImage | None:
    """Return the picture, None for what is none or is larger than the agent makes one."""
    image = QImage.fromData(png, "PNG")  # type: ignore[arg-type]  # a format's name, as its documentation has it
    if image.isNull() or max(image.width(), image.height()) > LARGEST:
        return None
    return image


class Picture(QWidget):
    """Never larger than the file has pixels for."""

    accessible_role = Role.Graphic

    def __init__(self) -> None:
        super().__init__()
        self._image: QImage | None = None
        self.setMinimumSize(theme.SPACE_24, theme.SPACE_24)

    def show_image(self, image: QImage | None, name: str) -> None:
        self._image = image
        size = "" if image is None else f", {image.width()} by {image.height()} pixels"
        self.setAccessibleName(f"Picture {name}{size}")
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(theme.DETAIL_WIDTH, theme.LIST_WIDTH)

    def paintEvent(self, _event: QPaintEvent) -> None:
        image = self._image
        if image is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        ratio = self.devicePixelRatioF()
        size = image.size().toSizeF() / ratio
        room = self.rect().size().toSizeF()
        if size.width() > room.width() or size.height() > room.height():
            size = size.scaled(room, Qt.AspectRatioMode.KeepAspectRatio)
        area = QRectF(0, 0, size.width(), size.height())
        area.moveCenter(QRectF(self.rect()).center())
        area.moveTop(0)
        painter.drawImage(area, image)


# What is said about a file that is looked at: its kind, its size, what is left out, and what to beware of. No Qt.
KINDS = {
    "text": "text", "code": "code", "json": "JSON", "markdown": "Markdown", "image": "picture", "table": "table",
    "notebook": "notebook, as text", "html": "HTML, as source: nothing of it is run or fetched",
    "pickle": "pickle", "archive": "archive", "binary": "binary",
}  # fmt: skip
_RUNS_CODE = Mark("warning", numbers.WARNING, "Opening this file runs code that it holds.")
_SHA = 12  # chosen: digits that one compares by eye


def caption(view: ArtifactView) -> str:
    """Return kind, size and the beginning of the hash."""
    parts = [plain(view.language or "") or KINDS.get(view.kind, plain(view.kind, 40)), numbers.size(view.size_bytes)]
    if view.table is not None and view.table.n_rows is not None:
        parts.append(numbers.count(view.table.n_rows, "row"))
    if view.sha256:
        parts.append(f"sha256 {plain(view.sha256[:_SHA])}…")
    return " · ".join(part for part in parts if part != numbers.NOTHING)


def warning(view: ArtifactView) -> str:
    """Return what to beware of; "" for nothing."""
    if view.kind != "pickle":
        return ""
    return f"{_RUNS_CODE.text} Here it was not opened: these are the names that it would import, read from its bytes."


def left_out(view: ArtifactView, *, cut_here: bool = False) -> str:
    """Return what is not shown; "" where everything is."""
    if view.table is not None:
        rows = len(view.table.rows)
        if not view.is_cut and view.table.n_rows in {None, rows}:
            return ""
        whole = f" of {view.table.n_rows:,}" if view.table.n_rows is not None else ""
        return f"The first {rows:,}{whole} rows. Save it to have all."
    if view.problem:
        return plain(view.problem, 400)
    if view.is_cut or cut_here:
        size = f" of {numbers.size(view.size_bytes)}" if view.size_bytes is not None else ""
        return f"This is the beginning{size}. Save it to have all."
    return ""


def nothing_to_see(view: ArtifactView) -> str:
    """Return why there is no preview."""
    if view.problem:
        return plain(view.problem, 400)
    if view.kind == "binary":
        return "This is no text and no picture, so there is nothing to read here. Save it to open it elsewhere."
    return "This file is empty." if view.size_bytes == 0 else "There is nothing to show of this file."


# The first rows of a table that somebody left as a file: as text, as many columns as one can look through.
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


CHOOSE_MILLISECONDS = 120  # chosen: who goes through the files by the arrow keys rests no longer


class ArtifactPreview(QWidget):
    """Shows one file at a time; what was asked for and is no longer wanted is not waited for."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._source: ArtifactSource | None = None
        self._path = ""
        self._task: Task | None = None
        self._seen: ArtifactView | None = None
        self._prose: list[ProseBlock] = []
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(CHOOSE_MILLISECONDS)
        self._soon.timeout.connect(self._ask)
        self.title = Label("", bold=True)
        self.caption = Label("", points=theme.CAPTION_POINTS, tone="muted")
        self.warning = Label("", tone="warning", wrap=True)
        self.rest = Label("", points=theme.CAPTION_POINTS, tone="muted", wrap=True)
        self.as_source = Button("As source", tip="Show the file as it was written")
        self.as_source.setCheckable(True)
        self.as_source.toggled.connect(lambda _on: self._show_again())
        self.lines = NumberedText("What the file holds")
        self.prose = ProseView("What the file says")
        self.picture = Picture()
        self.grid = ArtifactGrid(context)
        self.state = StateView(theme.LIST_WIDTH)
        self._layers = QStackedWidget()
        for view in (self.state, self.lines, self.prose, self.picture, self.grid):
            self._layers.addWidget(view)
        self._arrange()
        self.show_nothing("Choose a file", "What it holds will be here.")

    def _arrange(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(theme.SPACE_8)
        head.addWidget(self.title)
        head.addWidget(self.caption, 1)
        head.addWidget(self.as_source)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_4)
        column.addLayout(head)
        column.addWidget(self.warning)
        column.addWidget(self._layers, 1)
        column.addWidget(self.rest)

    def show_nothing(self, title: str, text: str) -> None:
        """Show no file, and say why."""
        self.stop()
        self._seen, self._path = None, ""
        self._head("", "", "", "")
        self.state.show_empty(Empty(title, text))
        self._layers.setCurrentWidget(self.state)

    def look_at(self, source: ArtifactSource, path: str) -> None:
        """Show a file as soon as the choice rests."""
        self.stop()
        self._source, self._path, self._seen = source, path, None
        self._head(path.rpartition("/")[2], "", "", "")
        self._soon.start()

    def stop(self) -> None:
        self._soon.stop()
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _ask(self) -> None:
        source, path = self._source, self._path
        if source is None:
            return
        self.state.show_loading(f"Reading {plain(path.rpartition('/')[2], 60)} …", "", self._cancel)
        self._layers.setCurrentWidget(self.state)

        def look(desk: ClientLike) -> "_Seen":
            view = source.view(desk, path)
            told = blocks(view.text) if view.kind == "markdown" and view.text else []
            return view, decoded(view.image) if view.image else None, told

        self._task = self._context.ask(f"look at {path}", look, self._take, self._fail)

    def _cancel(self) -> None:
        self.stop()
        self._fail(DeskError("Reading was cancelled.", "Choose the file again to go on."))

    def _fail(self, error: DeskError) -> None:
        self._task = None
        self.state.show_error("This file can't be shown", error, self._ask)
        self._layers.setCurrentWidget(self.state)

    def _take(self, answer: "_Seen") -> None:
        self._task = None
        self._seen, image, self._prose = answer
        self.picture.show_image(image, plain(self._path.rpartition("/")[2], 60))
        self._show_again()

    def _show_again(self) -> None:
        view = self._seen
        if view is None:
            return
        fits, cut = self._fill(view)
        self._layers.setCurrentWidget(fits)
        rest = "" if fits is self.state else left_out(view, cut_here=cut)  # which says it then
        self._head(view.path.rpartition("/")[2], caption(view), warning(view), rest)
        self.as_source.setVisible(view.kind == "markdown" and bool(view.text))

    def _fill(self, view: "ArtifactView") -> tuple[QWidget, bool]:
        """Put what there is to see into the widget for it; return that, and whether it does not show all it got."""
        if view.kind == "image" and view.image and not view.problem:
            return self.picture, False
        if view.table is not None:
            self.grid.show_table(view.table)
            return self.grid, False
        if view.kind == "markdown" and view.text and not self.as_source.isChecked():
            self.prose.show_blocks(self._prose)
            return self.prose, False
        text = view.text or "\n".join(view.listing)
        if not text:
            self.state.show_empty(Empty("Nothing to see", nothing_to_see(view)))
            return self.state, False
        lines, cut = shown(text)
        self.lines.show_lines(lines, numbered=view.text is not None)
        return self.lines, cut

    def _head(self, title: str, caption: str, warning: str, rest: str) -> None:
        self.title.show_text(title)
        self.caption.show_text(caption)
        self.as_source.hide()
        for label, text in ((self.warning, warning), (self.rest, rest)):
            label.show_text(text)
            label.setVisible(bool(text))
