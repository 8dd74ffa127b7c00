"""The tinted bar under the title while time is not now: what time is seen, the way to another one, and back to live.

It is made when it is first needed and does nothing while it is hidden.
"""

from PySide6.QtCore import QRectF, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from mlops_desk.kit.window.curves import spans
from mlops_desk.kit.window.curves.timeaxis import TimeAxis
from mlops_desk.kit.window.feature import PageSpec
from mlops_desk.kit.window.live.past import MachineThen
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.roles import Role
from mlops_desk.kit.window.look.text import Label, set_tip
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.words import numbers

TINT = 0.14  # chosen: seen at once, and its words are still readable
BELOW = theme.SPACE_8  # the page begins at its very top: this keeps it apart


class ThenBar(QWidget):
    """Says for one page at a time what it shows. ``asked``: another time is wanted; ``left``: it was live again."""

    accessible_role = Role.Grouping

    asked = Signal()
    left = Signal()

    def __init__(self, axis: TimeAxis, past: MachineThen) -> None:
        super().__init__()
        self._axis = axis
        self._past = past
        self._spec: PageSpec | None = None
        self._lead = Label()
        self.range = Button("")
        set_tip(self.range, "Go to another time … (Ctrl+G)")
        self.note = Label(tone="muted")
        self.live = Button("Live", symbol="play", tip="Back to now (L, Home or Ctrl+P)")
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.SPACE_16, theme.SPACE_4, theme.SPACE_16, theme.SPACE_4 + BELOW)
        row.setSpacing(theme.SPACE_8)
        row.addWidget(self._lead)
        row.addWidget(self.range)
        row.addWidget(self.note, 1)
        row.addWidget(self.live)
        self.range.clicked.connect(self.asked)
        self.live.clicked.connect(self._go_live)
        past.changed.connect(self._say)
        self.hide()

    @property
    def told(self) -> str:
        """What is said, in one sentence."""
        return f"{self._lead.whole} {self.range.text()}. {self.note.whole}".strip()

    def follow(self, spec: PageSpec) -> None:
        """Show what holds for a page; hidden where the time of charts means nothing, or is now."""
        self._spec = spec
        told = not self._axis.live and (spec.stops or spec.is_now)
        if told:
            self._say()
        elif self.isAncestorOf(self.focusWidget()):
            self.left.emit()
        self.setVisible(told)

    def _say(self) -> None:
        axis, spec = self._axis, self._spec
        if axis.live or spec is None:
            return
        self._lead.show_text(_lead(axis, spec))
        self.range.show_title(spans.told(axis.span(), axis.now))
        self.range.setAccessibleName(f"{self.range.text()}. Go to another time …")
        self.range.updateGeometry()
        self.note.show_text(self._noted(spec))
        self.setAccessibleName(self.told)

    def _noted(self, spec: PageSpec) -> str:
        """Say what is known of that time, or of when numbers are that no curve stands beside."""
        moment = self._past.moment
        if moment is None or spec.is_now:
            return ""
        of_when = "" if spec.curves else f"Numbers are of {numbers.day_and_clock(moment)}."
        return self._past.note or of_when

    def _go_live(self) -> None:
        self._axis.go_live()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        tint = theme.colour("paused")
        bar = self.rect().adjusted(0, 0, 0, -BELOW)
        painter.fillRect(bar, theme.blended(theme.colour("window"), tint, TINT))
        line = QRectF(0, bar.bottom() + 1 - theme.BORDER, self.width(), theme.BORDER)
        painter.fillRect(line, theme.blended(theme.colour("border"), tint, 0.5))


def _lead(axis: TimeAxis, spec: PageSpec) -> str:
    """Say what of the page is of that time."""
    if axis.paused and spec.stops:
        return "Paused: you see"
    return "This page shows now. Charts show" if spec.is_now else "You see"
