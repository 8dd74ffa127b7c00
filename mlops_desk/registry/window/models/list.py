"""The list of models: a card of three lines each, narrow, so that the versions have the room."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, QSettings, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QFont, QPainter
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QVBoxLayout, QWidget

from mlops_desk.kit.base.errors import DeskError, Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.parts.caret import CaretLine
from mlops_desk.kit.window.tables.model import KEY_ROLE
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.words import numbers
from mlops_desk.registry.records.version_hit import ModelCard
from mlops_desk.registry.window.models import words
from mlops_desk.registry.window.models.poll_timer import AskAgain

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task
    from mlops_desk.registry.records.version_hit import VersionsFound

_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
_LINES = 3  # name; aliases and metric; what serves it
_LINE_HEIGHT = theme.ROW_HEIGHT * 2 // 3  # pixels: a line of the caption, with a little air
HEIGHT = _LINES * _LINE_HEIGHT + theme.SPACE_12


class ModelList(RecordTable[ModelCard]):
    """A table of one column whose rows are painted as cards."""

    def __init__(self, memory: QSettings) -> None:
        super().__init__("Models", COLUMNS, memory, words=_words)
        self.setItemDelegate(_CardDelegate(self))
        self.horizontalHeader().hide()
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.verticalHeader().setDefaultSectionSize(HEIGHT)
        self.sort_by_key("name", Qt.SortOrder.AscendingOrder)


class _CardDelegate(QStyledItemDelegate):
    """Paints name and newest version, aliases, and beneath them the metric and how its endpoints are."""

    def __init__(self, table: ModelList) -> None:
        super().__init__(table)
        self._table = table

    def sizeHint(self, _option: QStyleOptionViewItem, _index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(theme.TILE_MINIMUM_WIDTH, HEIGHT)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        card = self._table.records.record(str(index.data(KEY_ROLE)))
        if card is None:
            return
        area = QRectF(option.rect)
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        painter.save()
        if chosen:
            painter.fillRect(area, theme.colour("selection"))
        elif option.state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(area, theme.faded(theme.colour("text"), 0.04))
        area.adjust(theme.SPACE_12, theme.SPACE_4, -theme.SPACE_8, -theme.SPACE_8)
        for line, parts in enumerate(_lines(card)):
            place = QRectF(area.left(), area.top() + line * _LINE_HEIGHT, area.width(), _LINE_HEIGHT)
            _paint_line(painter, place, parts, first=line == 0, chosen=chosen)
        painter.restore()


def _paint_line(
    painter: QPainter, area: QRectF, parts: tuple[str, str, str, str], *, first: bool, chosen: bool
) -> None:
    """Paint a line: its words at the left and what is short at the right, each in its token's colour."""
    left, left_token, right, right_token = parts
    caption = theme.font(theme.CAPTION_POINTS)
    _pen(painter, caption, right_token, chosen=chosen)
    painter.drawText(area, _RIGHT, right)
    room = area.width() - painter.fontMetrics().horizontalAdvance(right) - theme.SPACE_8
    _pen(painter, theme.font(bold=True) if first else caption, left_token, chosen=chosen)
    shown = painter.fontMetrics().elidedText(left, Qt.TextElideMode.ElideRight, int(room))
    painter.drawText(area, _LEFT, shown)


def _pen(painter: QPainter, font: QFont, token: str, *, chosen: bool) -> None:
    ink = theme.colour(token)
    painter.setFont(font)
    painter.setPen(theme.on_selection(ink) if chosen else ink)


def _lines(card: ModelCard) -> list[tuple[str, str, str, str]]:
    newest = f"v{plain(card.latest_version, 20)}" if card.latest_version else "no version"
    said = "" if card.metric is None else f"{plain(card.metric[0], 20)} {words.metric(card.metric[1])}"
    owner = plain(card.author or "", 20)
    return [
        (plain(card.name), "text", newest, "muted"),
        (words.aliases(card) or "no alias", "muted", said, "muted"),
        (*_served(card), owner, "muted"),
    ]


def _served(card: ModelCard) -> tuple[str, str]:
    """Return what serves the model and how that drifts, with the colour of the graver of both."""
    if not card.endpoints:
        return "not served", "muted"
    names = ", ".join(plain(name, 40) for name in card.endpoints)
    if not words.is_watched(card):
        return f"{numbers.OK} {names}", "muted"
    mark = words.drift(card.drift)
    return f"{mark.shape} {names}: {mark.word}", mark.token


def _words(card: ModelCard) -> str:
    tags = " ".join(f"{key}={value}" for key, value in card.tags.items())
    return " ".join([card.name, *card.aliases, card.author or "", tags, *card.endpoints, card.description or ""])


def _cell(card: ModelCard) -> Cell:
    """Return the whole card in words: what a screen reader says, and what is copied."""
    said = [plain(card.name), f"version {plain(card.latest_version or numbers.NOTHING, 20)}", words.aliases(card)]
    if card.metric is not None:
        said.append(f"{plain(card.metric[0], 40)} {words.metric(card.metric[1])}")
    said += [_served(card)[0], plain(card.author or "", 40)]
    tip = f"{plain(card.name)}\n{card.description or ''}".strip()
    return Cell(", ".join(part for part in said if part), card.name.lower(), tip=tip)


COLUMNS: tuple[Column[ModelCard], ...] = (Column("name", "Model", _cell, stretch=True),)


# The one box over all models: what is typed is asked while one types, and only the newest answer counts.

FOUND_MOST = 500  # chosen: more are not looked through; one types another word
TYPING_MILLISECONDS = 40  # chosen: below what is felt; who types fast asks once
_HINT = "Search all versions:  auc>0.9  alias:champion  created:<30d  flavor:sklearn   ( / )"


class VersionSearch(QWidget):
    """``found`` carries what was found so far (VersionsFound), or None where nothing is searched for."""

    found = Signal(object)
    failed = Signal(object)

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._task: Task | None = None
        self.field = Field("Search all versions", _HINT)
        self.error = CaretLine()
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(TYPING_MILLISECONDS)
        self._soon.timeout.connect(self.ask)
        self.again = AskAgain(self, self.ask)
        self.field.textChanged.connect(self._typed)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_4)
        column.addWidget(self.field)
        column.addWidget(self.error)

    def query(self) -> str:
        return self.field.text().strip()

    def is_on(self) -> bool:
        return bool(self.query())

    def _typed(self) -> None:
        if self.is_on():
            self._soon.start()
            return
        self.stop()
        self.error.clear()
        self.found.emit(None)

    def stop(self) -> None:
        """Wait for no answer any more."""
        self._soon.stop()
        self.again.timer.stop()
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def ask(self) -> None:
        """Ask for what is typed; an older question is no longer waited for."""
        self.stop()
        query, uri = self.query(), self._context.store.models_uri
        if not query:
            return
        self._task = self._context.ask(
            "search versions",
            lambda desk: desk.models.find(query, uri=uri, limit=FOUND_MOST, wait=0.0),
            self._got,
            lambda error: self._refused(query, error),
        )

    def _got(self, found: "VersionsFound") -> None:
        self._task = None
        self.error.clear()
        self.again.told(found)
        self.found.emit(found)

    def _refused(self, query: str, error: DeskError) -> None:
        """Say what is wrong below the field; what was found before stays, for one is still typing."""
        self._task = None
        if isinstance(error, Invalid):
            self.error.show_error(query, error)
        else:
            self.error.clear()
            self.failed.emit(error)
