"""Facts about the selected thing: names at the left, values at the right, in the order given.

A value in words: wraps like any text, and breaks a name that is wider than its place instead of being cut off.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent, QTextLayout, QTextOption
from PySide6.QtWidgets import QGridLayout, QSizePolicy, QWidget

from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label, set_tip
from mlops_desk.kit.window.words import hints, numbers


class Value(Label):
    """Plain text that never asks for more width than a short word; ``fixed`` is for identifiers."""

    def __init__(self, text: str = "", *, tone: str = "text", fixed: bool = False) -> None:
        super().__init__(text, tone=tone, wrap=True, fixed=fixed)
        self.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)

    def minimumSizeHint(self) -> QSize:
        hint = super().minimumSizeHint()
        return QSize(min(hint.width(), theme.SPACE_24 * 4), self.fontMetrics().height())

    def heightForWidth(self, width: int) -> int:
        if self._fits(width):
            return super().heightForWidth(width)
        return len(self._lines(width)) * self.fontMetrics().lineSpacing()

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._fits(self.width()) or self.hasSelectedText():
            super().paintEvent(event)
            return
        painter = QPainter(self)
        painter.setPen(self._colour())
        metrics = self.fontMetrics()
        for number, line in enumerate(self._lines(self.width())):
            painter.drawText(QPointF(0, number * metrics.lineSpacing() + metrics.ascent()), line)

    def _fits(self, width: int) -> bool:
        return super().minimumSizeHint().width() <= width

    def _lines(self, width: int) -> list[str]:
        """Return the text broken between words where that is possible, within them where it is not."""
        option = QTextOption()
        option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        lines = []
        for paragraph in self.whole.splitlines():
            layout = QTextLayout(paragraph, self.font())
            layout.setTextOption(option)
            layout.beginLayout()
            while (line := layout.createLine()).isValid():
                line.setLineWidth(max(width, 1))
                begin = line.textStart()
                lines.append(paragraph[begin : begin + line.textLength()])
            layout.endLayout()
        return lines


_NAME_LIMIT = 200  # chosen: characters that somebody still listens to


@dataclass(frozen=True, slots=True)
class Fact:
    """One line. ``tone`` colours the value; ``fixed`` is for identifiers; ``moment`` is the time it tells."""

    name: str
    value: str
    tone: str = "text"
    fixed: bool = False
    tip: str = ""
    moment: float | None = None


def moment_fact(name: str, at: float | None) -> Fact:
    """Return a fact about a time: relative, with the absolute one in the tool tip."""
    if at is None:
        return Fact(name, numbers.NOTHING)
    return Fact(name, f"{numbers.ago(at)}, {numbers.day_and_clock(at)}", tip=numbers.absolute(at), moment=at)


class _Rows(QGridLayout):
    """A grid that takes the room it is given, but asks for no more than its rows need."""

    def expandingDirections(self) -> Qt.Orientation:
        return Qt.Orientation(0)


class FactGrid(QWidget):
    """A grid of plain labels; remakes itself only when the facts differ."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: tuple[Fact, ...] = ()
        self._grid = _Rows(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(theme.SPACE_12)
        self._grid.setVerticalSpacing(theme.SPACE_4)
        self._grid.setColumnStretch(1, 1)
        self._rows: list[tuple[Label, Value]] = []
        # Not Maximum: that would be the height at the width it likes best, and cut what wraps at the one it has.
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)

    @property
    def shown(self) -> tuple[Fact, ...]:
        """What is shown now."""
        return self._shown

    def show_facts(self, facts: Sequence[Fact]) -> None:
        if tuple(facts) == self._shown:
            return
        if [(fact.name, fact.fixed) for fact in facts] != [(fact.name, fact.fixed) for fact in self._shown]:
            self._remake(facts)
        self._shown = tuple(facts)
        for fact, (_, value) in zip(facts, self._rows, strict=True):
            value.show_text(fact.value)
            value.tint(fact.tone)
            if fact.tip:
                set_tip(value, fact.tip)
            value.setAccessibleName(f"{plain(fact.name, _NAME_LIMIT)}: {value.whole}")

    @property
    def names_width(self) -> int:
        """How wide the longest name is, in pixels."""
        return max((name.minimumWidth() for name, _ in self._rows), default=0)

    def widen_names(self, width: int) -> None:
        """Give the names at least this width: grids below one another have their values in one line then."""
        self._grid.setColumnMinimumWidth(0, width)

    def reword(self) -> None:
        """Word times anew, because time has passed."""
        self.show_facts([fact if fact.moment is None else moment_fact(fact.name, fact.moment) for fact in self._shown])

    def _remake(self, facts: Sequence[Fact]) -> None:
        for pair in self._rows:
            for label in pair:
                self._grid.removeWidget(label)
                label.hide()  # until it is deleted it would lie under the new ones
                label.deleteLater()
        self._grid.setRowStretch(len(self._rows), 0)
        self._grid.setRowStretch(len(facts), 1)  # room that is left over lies below, not between
        self._rows = []
        for row, fact in enumerate(facts):
            name = Label(fact.name, points=theme.CAPTION_POINTS, tone="muted")
            name.setMinimumWidth(name.sizeHint().width())
            value = Value(fixed=fact.fixed)
            # Both stand on one base line, though one is smaller.
            drop = QFontMetrics(value.font()).ascent() - QFontMetrics(name.font()).ascent()
            name.setContentsMargins(0, max(drop, 0), 0, 0)
            value.setContentsMargins(0, max(-drop, 0), 0, 0)
            self._grid.addWidget(name, row, 0, Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(value, row, 1)
            self._rows.append((name, value))


def reason_facts(reason: Reason | None) -> list[Fact]:
    """Say why something did not succeed, and what to do next; nothing where there is no reason to give."""
    if reason is None:
        return []
    sentence, command = hints.parts(reason.hint, reason.command)
    return [
        Fact("Why", reason.text),
        *([Fact("Evidence", reason.evidence, fixed=True)] if reason.evidence else []),
        *([Fact("What next", sentence)] if sentence else []),
        *([Fact("To paste", command, fixed=True)] if command else []),
    ]


def align(grids: Sequence[FactGrid], most: int) -> None:
    """Let grids that stand below one another begin their values in one line; names wider than ``most`` go beyond it."""
    width = max((grid.names_width for grid in grids if grid.names_width <= most), default=0)
    for grid in grids:
        grid.widen_names(width)
