"""Whose curves are on a plot: a click shows or hides one, the one under the pointer is lit everywhere.

Curves in words: where on the axis one reads, how each went, and how strong a place of the slider smooths.
"""

from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import QEvent, QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPen
from PySide6.QtWidgets import QFrame, QListWidget, QListWidgetItem, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.charts.overlay.grid import CLOCK, LASTING, POWERS
from mlops_desk.kit.window.charts.overlay.lines import RunLine, Subject
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import tip_text
from mlops_desk.kit.window.widgets.scroll import thin
from mlops_desk.kit.window.words import numbers

DIGITS = 5  # significant ones: as a loss is compared
_STRONGEST = 0.995  # chosen: more leaves a line that tells nothing


def weight(value: int) -> float:
    """Return the weight that a place of the slider stands for: finer where it is strong."""
    return 0.0 if value <= 0 else _STRONGEST * (1.0 - (1.0 - value / 100.0) ** 2)


def place(at: float, kind: str) -> str:
    if kind == CLOCK:
        return numbers.day_and_clock(at)
    if kind == LASTING:
        return numbers.duration(at) if at >= 1 else f"{at:.3g} s"
    return f"{10.0**at if kind == POWERS else at:,.6g}"


def told(line: RunLine) -> str:
    """Return a curve as a sentence."""
    known = line.ys[~(line.ys != line.ys)]
    if not known.size:
        return f"{plain(line.subject.title, 40)}: nothing that can be drawn"
    return f"{plain(line.subject.title, 40)}: from {known[0]:.{DIGITS}g} to {known[-1]:.{DIGITS}g}"


def in_groups(subjects: Sequence[Subject], groups: Sequence[str | None]) -> tuple[Subject, ...]:
    """Return subjects with the group of each."""
    return tuple(replace(subject, group=group) for subject, group in zip(subjects, groups, strict=True))


def brief(titles: Sequence[str]) -> list[str]:
    """Return titles without the "NAME = " that all of them begin with: a legend has room for what tells them apart."""
    begins = {title.partition(" = ")[0] if " = " in title else None for title in titles}
    if len(begins) != 1 or None in begins:
        return list(titles)
    return [title.partition(" = ")[2] for title in titles]


_SUBJECT = Qt.ItemDataRole.UserRole
_LIT = Qt.ItemDataRole.UserRole + 1
_ROW, _SQUARE = 22, 10  # pixels: a line of the caption; seen as a colour


class Legend(QListWidget):
    """``changed``: other curves are to be shown; ``pointed`` carries the key of the one that is meant, or None."""

    changed = Signal()
    pointed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        thin(self)
        self.setAccessibleName("Curves")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setItemDelegate(_Delegate(self))
        self.setMouseTracking(True)
        self.setUniformItemSizes(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._hidden: set[str] = set()
        self._subjects: tuple[Subject, ...] = ()
        self._lit: str | None = None
        self.currentRowChanged.connect(self._walk)

    def show_subjects(self, subjects: Sequence[Subject]) -> None:
        """List these; those that were hidden stay so."""
        if tuple(subjects) == self._subjects:
            return
        self._subjects = tuple(subjects)
        self.blockSignals(True)
        self.clear()
        for subject, title in zip(subjects, brief([one.title for one in subjects]), strict=True):
            item = QListWidgetItem(plain(title))
            item.setData(_SUBJECT, subject)
            item.setToolTip(tip_text(subject.title))
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(_state(shown=subject.key not in self._hidden))
            self.addItem(item)
        self.blockSignals(False)

    def is_shown(self, key: str) -> bool:
        return key not in self._hidden

    def light(self, key: str | None) -> None:
        """Light one, and bring it into sight."""
        if key == self._lit:
            return
        self._lit = key
        for row in range(self.count()):
            item = self.item(row)
            is_lit = item.data(_SUBJECT).key == key
            item.setData(_LIT, is_lit)
            if is_lit and not self.underMouse():
                self.scrollToItem(item)

    def toggle(self, row: int, *, alone: bool = False) -> None:
        """Show or hide one; ``alone``: hide all others, or show all again where it is alone already."""
        keys = [subject.key for subject in self._subjects]
        key = keys[row]
        if alone:
            others = set(keys) - {key}
            self._hidden = set() if others <= self._hidden else others
        elif key in self._hidden:
            self._hidden.discard(key)
        else:
            self._hidden.add(key)
        for place, each in enumerate(keys):
            self.item(place).setCheckState(_state(shown=each not in self._hidden))
        self.changed.emit()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        item = self.itemAt(event.position().toPoint())
        if item is not None:
            alone = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
            self.toggle(self.row(item), alone=alone)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        item = self.itemAt(event.position().toPoint())
        self.pointed.emit(None if item is None else item.data(_SUBJECT).key)

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self.pointed.emit(None)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in {Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter} and self.currentRow() >= 0:
            self.toggle(self.currentRow(), alone=bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier))
        else:
            super().keyPressEvent(event)

    def _walk(self, row: int) -> None:
        if self.hasFocus() and row >= 0:
            self.pointed.emit(self.item(row).data(_SUBJECT).key)


def _state(*, shown: bool) -> Qt.CheckState:
    return Qt.CheckState.Checked if shown else Qt.CheckState.Unchecked


class _Delegate(QStyledItemDelegate):
    """Paints a square in the curve's colour, full while it is shown, and its name."""

    def sizeHint(self, _option: QStyleOptionViewItem, _index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(theme.COLUMN_MINIMUM // 2, _ROW)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        subject: Subject = index.data(_SUBJECT)
        area = QRectF(option.rect)
        shown = Qt.CheckState(index.data(Qt.ItemDataRole.CheckStateRole)) is Qt.CheckState.Checked
        painter.save()
        tint = theme.series(subject.slot)
        if index.data(_LIT) or option.state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(area, theme.faded(tint, 0.16))
        if option.state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QPen(theme.colour("accent"), theme.BORDER))
            painter.drawRect(theme.edge(area))
        square = QRectF(area.left() + theme.SPACE_4, area.center().y() - _SQUARE / 2, _SQUARE, _SQUARE)
        painter.setPen(QPen(tint, theme.BORDER))
        painter.setBrush(tint if shown else Qt.BrushStyle.NoBrush)
        painter.drawRect(theme.edge(square))
        painter.setFont(theme.font(theme.CAPTION_POINTS, bold=bool(index.data(_LIT))))
        painter.setPen(theme.colour("text" if shown else "muted"))
        place = area.adjusted(_SQUARE + theme.SPACE_12, 0, -theme.SPACE_4, 0)
        words = painter.fontMetrics().elidedText(str(index.data()), Qt.TextElideMode.ElideRight, int(place.width()))
        painter.drawText(place, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), words)
        painter.restore()
