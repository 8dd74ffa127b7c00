"""A title with controls: beside it where both find room, else below it, so that neither is cut."""

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QWidget

from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label


class Head(QWidget):
    """One row, or two on a narrow page; as narrow as its controls."""

    def __init__(self, title: Label, *controls: QWidget) -> None:
        super().__init__()
        self._title = title
        self._controls = QWidget()
        row = QHBoxLayout(self._controls)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_8)
        row.addStretch(1)
        for control in controls:
            row.addWidget(control)
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
        wide = words + theme.SPACE_8 + self._controls.sizeHint().width() <= self.width()
        wanted = QBoxLayout.Direction.LeftToRight if wide else QBoxLayout.Direction.TopToBottom
        if self._box.direction() is not wanted:
            self._box.setDirection(wanted)
            self.updateGeometry()

    def minimumSizeHint(self) -> QSize:
        return QSize(self._controls.minimumSizeHint().width(), super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.fit()
