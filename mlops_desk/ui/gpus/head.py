"""A title with controls: beside it where both find room, else below it, and at need below one another: none is cut."""

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QWidget

from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label


class Head(QWidget):
    """One row, or more on a narrow page; as narrow as the widest of its controls."""

    def __init__(self, title: Label, *controls: QWidget) -> None:
        super().__init__()
        self._title = title
        self._controls = QWidget()
        self._row = QBoxLayout(QBoxLayout.Direction.LeftToRight, self._controls)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(theme.SPACE_8)
        self._row.addStretch(1)
        for control in controls:
            self._row.addWidget(control, 0, Qt.AlignmentFlag.AlignRight)
        self._each = controls
        self._box = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._box.setContentsMargins(0, 0, 0, 0)
        self._box.setSpacing(theme.SPACE_8)
        self._box.addWidget(title, 1, Qt.AlignmentFlag.AlignVCenter)
        self._box.addWidget(self._controls)

    def is_stacked(self) -> bool:
        return self._box.direction() is QBoxLayout.Direction.TopToBottom

    def fit(self) -> None:
        """Look whether both find room beside each other; to be called when the title or a control changes."""
        words = self._title.fontMetrics().horizontalAdvance(self._title.whole)
        shown = [control.sizeHint().width() for control in self._each if not control.isHidden()]
        controls = sum(shown) + theme.SPACE_8 * len(shown)
        turned = [
            _turn(self._box, beside=words + theme.SPACE_8 + controls <= self.width()),
            _turn(self._row, beside=controls <= self.width()),
        ]
        if any(turned):
            self.updateGeometry()

    def minimumSizeHint(self) -> QSize:
        widest = max((control.minimumSizeHint().width() for control in self._each), default=0)
        return QSize(widest, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.fit()


def _turn(box: QBoxLayout, *, beside: bool) -> bool:
    """Put what is in ``box`` beside or below one another; tell whether that is a change."""
    wanted = QBoxLayout.Direction.LeftToRight if beside else QBoxLayout.Direction.TopToBottom
    if box.direction() is wanted:
        return False
    box.setDirection(wanted)
    return True
