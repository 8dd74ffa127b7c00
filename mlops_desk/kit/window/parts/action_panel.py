"""What can be done, at the right of something; below it where both don't fit beside each other."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QWidget

from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.widgets.button import Button


class ActsBeside(QBoxLayout):
    """The pane that has it calls ``fold`` when it is resized, and when other acts are shown."""

    def __init__(self, first: QWidget, acts: Sequence[Button], *, first_grows: bool) -> None:
        """``first_grows``: what is left over is the first one's; else it lies between both."""
        super().__init__(QBoxLayout.Direction.LeftToRight)
        self._acts = QWidget()
        row = QHBoxLayout(self._acts)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_4)
        row.addStretch(1)
        for act in acts:
            row.addWidget(act)
        self.setSpacing(theme.SPACE_4)
        # What does not grow stands at the left, also alone in its line: tabs would be spread over all of it.
        self.addWidget(first, int(first_grows), Qt.AlignmentFlag(0) if first_grows else Qt.AlignmentFlag.AlignLeft)
        self.addWidget(self._acts, int(not first_grows))

    def fold(self, room: int) -> None:
        """Lay the acts below where not so many pixels are left for them."""
        narrow = self._acts.sizeHint().width() > room
        self.setDirection(QBoxLayout.Direction.TopToBottom if narrow else QBoxLayout.Direction.LeftToRight)
