"""The bar of the time axis in the title row: back, length, forward, and live or paused."""

from dataclasses import replace
from functools import partial

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QHBoxLayout, QWidget

from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.curves import spans
from mlops_desk.kit.window.curves.timeaxis import TimeAxis
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.roles import Role
from mlops_desk.kit.window.look.text import set_tip
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.choice import ChoiceBox

MOVE_SHARE = 0.5  # chosen: half of what was seen stays in sight
PAUSE_KEY = "Ctrl+P"  # works wherever the focus is; Space only where nobody else wants it, as on a chart


GO_TO = "Go to time …"


class _Lengths(ChoiceBox):
    """The listed lengths, and the way to a time; its list is as wide as what stands in it."""

    def showPopup(self) -> None:
        words = self.fontMetrics().horizontalAdvance(GO_TO)
        self.view().setMinimumWidth(words + 2 * theme.SPACE_24)
        super().showPopup()


class TimeBar(QWidget):
    """Shows and moves one axis. ``mode`` is the button that pauses and goes on; ``asked``: for a time."""

    accessible_role = Role.Grouping

    asked = Signal()

    def __init__(self, axis: TimeAxis) -> None:
        super().__init__()
        self._axis = axis
        self.has_curves = self.stops = True
        self._own: int | None = None
        self.back = Button("", symbol="back", tip="Back in time (Left)")
        self.forward = Button("", symbol="forward", tip="Forward in time (Right)")
        self.range = _Lengths("Time range")
        for seconds, title in spans.RANGES:
            self.range.addItem(title, seconds)
        self.range.addItem(GO_TO)
        self.range.setFixedWidth(self.range.fontMetrics().horizontalAdvance("12.5 min") + theme.SYMBOL + theme.SPACE_24)
        self.mode = Button("Pause", symbol="pause", tip="Let everything stand still (Ctrl+P)")
        self.mode.setCheckable(True)
        self.mode.accessible_role = Role.Button
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_4)
        for widget in (self.back, self.range, self.forward, self.mode):
            row.addWidget(widget)
        self.back.clicked.connect(lambda: axis.move(-MOVE_SHARE * axis.seconds))
        self.forward.clicked.connect(lambda: axis.move(MOVE_SHARE * axis.seconds))
        self.range.activated.connect(self._choose)
        self.mode.clicked.connect(axis.toggle)
        axis.changed.connect(self._say)
        self._say()

    def fit(self, *, curves: bool, stops: bool) -> None:
        """Show the range where the page has curves on the axis, and the pause where anything would stand still."""
        self.has_curves, self.stops = curves, stops
        for widget in (self.back, self.range, self.forward):
            widget.setVisible(curves)
        self.mode.setVisible(stops)

    def _choose(self, number: int) -> None:
        seconds = self.range.itemData(number)
        if seconds is not None:
            self._axis.choose(float(seconds))
        else:
            self._say_range(self._axis.seconds)
            self.asked.emit()

    def _say(self) -> None:
        axis = self._axis
        span = axis.span()
        self._say_range(axis.seconds)
        self.forward.setEnabled(not axis.live)
        title, symbol, tip = _MODES["live" if axis.live else "paused" if axis.paused else "history"]
        self.mode.setChecked(axis.paused)
        self.mode.setEnabled(not axis.in_history)
        self.mode.show_title(title)
        self.mode.set_symbol(symbol)
        set_tip(self.mode, tip)
        self.mode.updateGeometry()
        state = "live" if axis.live else f"{'paused' if axis.paused else 'history'}, {spans.told(span, axis.now)}"
        self.setAccessibleName(f"Time axis: {spans.range_title(axis.seconds)}, {state}")

    def _say_range(self, seconds: float) -> None:
        """Show a length that is in no list as an entry of its own, between its shorter and its longer neighbour."""
        listed = spans.listed(seconds)
        with QSignalBlocker(self.range):
            if self._own is not None:
                self.range.removeItem(self._own)
                self._own = None
            if listed is None:
                listed = self._own = sum(length < seconds for length, _ in spans.RANGES)
                self.range.insertItem(listed, spans.range_title(seconds), seconds)
            self.range.setCurrentIndex(listed)


def actions(axis: TimeAxis, bar: TimeBar) -> list[Action]:
    """Return what can be done with the axis; keys count where they do something and nobody else wants them."""
    palette, hidden = frozenset({"menu", "palette"}), frozenset[str]()
    longer, shorter = partial(axis.step_range, longer=True), partial(axis.step_range, longer=False)

    def stops() -> bool:
        return bar.stops

    def is_then() -> bool:
        return not axis.live

    ranges = [
        Action(f"time.{title}", f"Show {title} of time", partial(axis.choose, seconds), places=frozenset({"palette"}))
        for seconds, title in spans.RANGES
    ]
    every = [
        Action("pause", "Pause or go on with charts", axis.toggle, PAUSE_KEY, stops),
        Action("pause.space", "Pause or go on with charts", axis.toggle, "Space", stops, hidden, gentle=True),
        Action("time.live", "Back to live", axis.go_live, "L", is_then, palette, gentle=True),
        Action("time.home", "Back to live", axis.go_live, "Home", is_then, hidden, gentle=True),
        Action("time.back", "Back in time", lambda: axis.move(-MOVE_SHARE * axis.seconds), "Left", gentle=True),
        Action("time.forward", "Forward in time", lambda: axis.move(MOVE_SHARE * axis.seconds), "Right", gentle=True),
        Action("time.longer", "Show more time", longer, "-", gentle=True),
        Action("time.shorter", "Show less time", shorter, "+", gentle=True),
        *(Action(f"time.shorter.{key}", "Show less time", shorter, key, places=hidden, gentle=True)
          for key in ("=", "Shift++", "Shift+=")),
        *ranges,
    ]  # fmt: skip

    always = ("pause", "time.live", "time.home")
    return [one if one.id.startswith(always) else replace(one, when=lambda: bar.has_curves) for one in every]


_MODES = {
    "live": ("Pause", "pause", "Let everything stand still (Ctrl+P)"),
    "paused": ("Paused", "play", "Go on, with the newest numbers (Ctrl+P)"),
    "history": ("Pause", "pause", "What was stands still anyway; L leads back to now"),
}
