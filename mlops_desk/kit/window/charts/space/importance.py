"""Which parameters have most to do with a metric, as bars; what can't be told says so instead of having none."""

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.charts.gridlines import paint_focus
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.roles import Role
from mlops_desk.kit.window.look.text import set_tip
from mlops_desk.kit.window.words import numbers
from mlops_desk.registry.records.run_window import Importance

_ROW, _BAR = 30, 14  # pixels: a line of text and room; seen as a share
_NAME_SHARE, _WORDS = 0.28, 190  # chosen: of the width for names; pixels for the words behind the bar


class ImportanceBars(QWidget):
    """``show_bars`` says of what."""

    accessible_role = Role.Chart

    def __init__(self) -> None:
        super().__init__()
        self.bars: tuple[Importance, ...] = ()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)

    def show_bars(self, metric: str, bars: Sequence[Importance]) -> None:
        self.bars = tuple(sorted(bars, key=lambda one: -1.0 if one.importance is None else one.importance))[::-1]
        self.setAccessibleName(f"Chart: what {plain(metric)} hangs on")
        self.setAccessibleDescription("; ".join(f"{plain(one.name, 60)}: {words_of(one)}" for one in self.bars[:30]))
        set_tip(self, "ρ is Spearman's rank correlation: 1 rises with it, −1 falls")
        self.setMinimumHeight(max(len(bars), 1) * _ROW)
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(theme.READING_WIDTH, max(len(self.bars), 1) * _ROW)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        left = self.width() * _NAME_SHARE
        room = max(self.width() - left - _WORDS, 1.0)
        painter.setFont(theme.font())
        for number, one in enumerate(self.bars):
            row = QRectF(0, number * _ROW, self.width(), _ROW)
            painter.setPen(theme.colour("text"))
            name = painter.fontMetrics().elidedText(plain(one.name), Qt.TextElideMode.ElideMiddle, int(left - 12))
            painter.drawText(row.adjusted(0, 0, left - row.width() - 12, 0), _RIGHT, name)
            track = QRectF(left, row.center().y() - _BAR / 2, room, _BAR)
            painter.fillRect(track, theme.faded(theme.colour("text"), 0.06))
            if one.importance is not None:
                share = min(max(one.importance, 0.0), 1.0)
                falls = one.correlation is not None and one.correlation < 0
                tint = theme.series(1 if falls else 0)
                painter.fillRect(QRectF(track.left(), track.top(), room * share, _BAR), tint)
            painter.setPen(theme.colour("muted"))
            painter.drawText(row.adjusted(left + room + theme.SPACE_8, 0, 0, 0), _LEFT, words_of(one))
        paint_focus(painter, self)


_RIGHT = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)


def words_of(one: Importance) -> str:
    """Return a parameter's share and which way it goes; or that nobody can tell."""
    if one.importance is None:
        return "can't be told"
    way = "" if one.correlation is None else f"   ρ {one.correlation:+.2f}".replace("-", "−")
    return f"{numbers.percent(one.importance)}{way}"
