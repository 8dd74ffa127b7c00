"""How large a window is: a number, and of what."""

from PySide6.QtWidgets import QHBoxLayout, QWidget

from mlops_desk.records.drift.monitors import WindowRule
from mlops_desk.ui.curves.spans import DAY, HOUR, MINUTE
from mlops_desk.ui.look import theme
from mlops_desk.ui.widgets.choice import ChoiceBox
from mlops_desk.ui.widgets.field import NumberField

_LEAST_ROWS, _MOST = 30, 10_000_000
"""DRIFT.md: fewer rows are not judged; chosen: more than one waits for."""
_UNITS = (("rows", None), ("minutes", MINUTE), ("hours", HOUR), ("days", DAY))


class WindowField(QWidget):
    """Rows, or a length of time."""

    def __init__(self) -> None:
        super().__init__()
        self.number = NumberField("Size of a window", 1, _MOST)
        self.unit = ChoiceBox("Windows are counted in")
        for title, seconds in _UNITS:
            self.unit.addItem(title, seconds)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_8)
        row.addWidget(self.number)
        row.addWidget(self.unit, 1)
        self.setFocusProxy(self.number)
        self.unit.currentIndexChanged.connect(lambda _index: self._bound())
        self.show_rule(WindowRule())

    def _bound(self) -> None:
        self.number.setMinimum(_LEAST_ROWS if self.unit.currentData() is None else 1)

    def show_rule(self, rule: WindowRule) -> None:
        """Show a rule, in the largest unit in which it is whole."""
        if rule.rows is not None or rule.seconds is None:
            self.unit.setCurrentIndex(0)
            self.number.setValue(rule.rows or _LEAST_ROWS)
            return
        seconds = rule.seconds
        whole = [at for at, (_, length) in enumerate(_UNITS) if length is not None and seconds % length == 0]
        self.unit.setCurrentIndex(whole[-1] if whole else 1)
        self.number.setValue(max(round(seconds / (_UNITS[self.unit.currentIndex()][1] or MINUTE)), 1))

    def rule(self) -> WindowRule:
        """Return the rule that is shown."""
        seconds = self.unit.currentData()
        count = self.number.value()
        return WindowRule(count, None) if seconds is None else WindowRule(None, count * float(seconds))
