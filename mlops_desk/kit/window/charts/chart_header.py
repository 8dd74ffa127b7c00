"""The line above a chart: its title at the left, at the right the values of its curves with their colours."""

from collections.abc import Sequence

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter

from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label

HEAD_HEIGHT = 20  # pixels: one line of the caption
_LEFT = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)


def paint_head(
    painter: QPainter, title: str, said: Sequence[tuple[str, int]], left: float, right: float, *, dots: bool
) -> None:
    """Paint title and values (text, colour slot or -1) between ``left`` and ``right``; what has no room is left out.

    The first values stay: they are the ones that tell most.
    """
    painter.setFont(theme.font(theme.CAPTION_POINTS, bold=True))
    painter.setPen(theme.colour("muted"))
    painter.drawText(QRectF(left, 0, right - left, HEAD_HEIGHT), _LEFT, title)
    least = left + QFontMetrics(painter.font()).horizontalAdvance(title) + theme.SPACE_16
    painter.setFont(theme.font(theme.CAPTION_POINTS))
    metrics = QFontMetrics(painter.font())
    wide = [metrics.horizontalAdvance(text) + (theme.SPACE_12 if dots and slot >= 0 else 0) for text, slot in said]
    shown = _fitting(wide, right - least)
    if shown < len(said):
        painter.drawText(QRectF(right - theme.SPACE_8, 0, theme.SPACE_12, HEAD_HEIGHT), _LEFT, "…")
        right -= theme.SPACE_16
    for (text, slot), width in reversed(list(zip(said[:shown], wide, strict=False))):
        mark = theme.SPACE_12 if dots and slot >= 0 else 0
        painter.setPen(theme.colour("text" if slot >= 0 else "muted"))
        painter.drawText(QRectF(right - width + mark, 0, width, HEAD_HEIGHT), _LEFT, text)
        if mark:
            square = QRectF(right - width, HEAD_HEIGHT / 2 - 4, theme.SPACE_8, theme.SPACE_8)
            painter.fillRect(square, theme.series(slot))
        right -= width + theme.SPACE_12


def _fitting(wide: Sequence[int], room: float) -> int:
    """Return how many values, from the first, fit into ``room``; an ellipsis too where some do not."""
    if sum(wide) + theme.SPACE_12 * (len(wide) - 1) <= room:
        return len(wide)
    shown, used = 0, float(theme.SPACE_16)
    while shown < len(wide) and used + wide[shown] <= room:
        used += wide[shown] + theme.SPACE_12
        shown += 1
    return shown


class LegendLabel(Label):
    """A square and a word in the colour of a slot."""

    def __init__(self, word: str, slot: int) -> None:
        self._slot = slot
        super().__init__(f"■ {word}", points=theme.CAPTION_POINTS, bold=True)

    def _colour(self) -> QColor:
        return theme.series_ink(self._slot)
