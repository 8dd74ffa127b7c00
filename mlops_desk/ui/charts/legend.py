"""What a colour means: a word in the colour of its bars or curves."""

from PySide6.QtGui import QColor

from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label


class LegendLabel(Label):
    """A square and a word in the colour of a slot."""

    def __init__(self, word: str, slot: int) -> None:
        self._slot = slot
        super().__init__(f"■ {word}", points=theme.CAPTION_POINTS, bold=True)

    def _colour(self) -> QColor:
        return theme.series_ink(self._slot)
