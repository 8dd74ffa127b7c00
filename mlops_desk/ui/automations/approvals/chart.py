"""Champion and challenger by one figure: a dot for each value, a line for its interval, both on one scale."""

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from mlops_desk.base.text import plain
from mlops_desk.records.jobs.spec import Goal
from mlops_desk.records.pipelines.comparison import ModelComparison, Scored
from mlops_desk.ui.automations import words
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.roles import Role
from mlops_desk.ui.words import numbers

_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
_NAMES_WIDTH = 96.0  # pixels: the longer of the two words
_VALUES_WIDTH = 190.0  # pixels: a value and its interval with four digits each
_DOT = 4.0  # pixels


class ComparisonChart(QWidget):
    """What decides an approval, at one look; it says the same in words."""

    accessible_role = Role.Chart

    def __init__(self) -> None:
        super().__init__()
        self._found: ModelComparison | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Chart: champion and challenger")

    def sizeHint(self) -> QSize:
        return QSize(theme.READING_WIDTH, 3 * theme.ROW_HEIGHT)

    def minimumSizeHint(self) -> QSize:
        return QSize(int(_NAMES_WIDTH + _VALUES_WIDTH), 3 * theme.ROW_HEIGHT)

    def show_comparison(self, found: ModelComparison | None) -> None:
        """Show how two models compare."""
        self._found = found
        self.setAccessibleDescription("" if found is None else told(found))
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        found = self._found
        if found is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        row, width = float(theme.ROW_HEIGHT), float(self.width())
        painter.setFont(theme.font(theme.CAPTION_POINTS))
        painter.setPen(theme.colour("muted"))
        better = "more is better" if found.goal is Goal.MAXIMIZE else "less is better"
        painter.drawText(QRectF(0, 0, width, row), _LEFT, f"{plain(found.metric, 60)}, {better}; line: 95 % interval")
        low, high = _span(found)
        for number, (name, one, slot) in enumerate(
            (("Champion", found.champion, 1), ("Challenger", found.challenger, 0))
        ):
            area = QRectF(0, row * (number + 1), width, row)
            painter.setFont(theme.font(bold=number == 1))
            painter.setPen(theme.colour("text"))
            painter.drawText(area, _LEFT, name)
            painter.drawText(area, _RIGHT, words.scored(one))
            scale = area.adjusted(_NAMES_WIDTH, 0, -_VALUES_WIDTH - theme.SPACE_8, 0)
            _paint_one(painter, scale, one, low, high, slot)


def _paint_one(painter: QPainter, area: QRectF, one: Scored, low: float, high: float, slot: int) -> None:
    y = area.center().y()
    painter.setPen(QPen(theme.colour("border"), theme.BORDER))
    painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
    if one.value is None or area.width() <= 0:
        return

    def place(value: float) -> float:
        return area.left() + (value - low) / (high - low or 1.0) * area.width()

    tint = theme.series(slot)
    painter.setPen(QPen(tint, theme.RING))
    if one.low is not None and one.high is not None:
        painter.drawLine(QPointF(place(one.low), y), QPointF(place(one.high), y))
    painter.setBrush(tint)
    painter.drawEllipse(QPointF(place(one.value), y), _DOT, _DOT)


def _span(found: ModelComparison) -> tuple[float, float]:
    """Return the scale that holds both values and intervals, with air at both ends."""
    known = [
        value
        for one in (found.champion, found.challenger)
        for value in (one.value, one.low, one.high)
        if value is not None
    ]
    if not known:
        return 0.0, 1.0
    air = (max(known) - min(known)) / 10 or abs(known[0]) / 10 or 1.0
    return min(known) - air, max(known) + air


def told(found: ModelComparison) -> str:
    """Say how two models compare."""
    better = "better" if found.better else "not better"
    return (
        f"{plain(found.metric, 60)} on {numbers.count(found.rows, 'row')} ({plain(found.data, 200)}): champion "
        f"{words.scored(found.champion)}, challenger {words.scored(found.challenger)}; the challenger is {better}."
    )
