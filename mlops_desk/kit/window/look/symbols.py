"""Small line drawings, in any colour and size: one table for what stands on buttons; a page brings its own."""

from PySide6.QtCore import QByteArray, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

PATHS = {
    "search": "M3.500 8.500a5 5 0 1 0 10 0a5 5 0 1 0-10 0M12.300 12.300L17 17",
    "pause": "M7 4v12M13 4v12",
    "play": "M6 4l10 6l-10 6z",
    "copy": "M7 7h9v10H7zM4 13V3h9",
    "menu": "M5 8l5 5l5-5",
    "more": "".join(f"M{x} 10a.6 .6 0 1 0 1.2 0a.6 .6 0 1 0-1.2 0" for x in (4, 9.4, 14.8)),
    "back": "M12 4l-6 6l6 6",
    "forward": "M8 4l6 6l-6 6",
}


def pixmap(path: str, tint: QColor, size: int, ratio: float = 1.0) -> QPixmap:
    """Draw ``path`` (SVG, in a box of 20 by 20) at ``size`` logical pixels, on a screen with ``ratio`` pixels each."""
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 20"><path fill="none" stroke-width="1.5" '
        f'stroke-linecap="round" stroke-linejoin="round" stroke="{tint.name()}" d="{path}"/></svg>'
    )
    drawn = QPixmap(QSize(round(size * ratio), round(size * ratio)))
    drawn.fill(Qt.GlobalColor.transparent)
    painter = QPainter(drawn)
    QSvgRenderer(QByteArray(svg.encode())).render(painter, QRectF(drawn.rect()))
    painter.end()
    drawn.setDevicePixelRatio(ratio)
    return drawn


def icon(path: str, tint: QColor, size: int) -> QIcon:
    """Return a symbol as an icon that is sharp on dense screens too."""
    made = QIcon()
    for ratio in (1.0, 2.0):
        made.addPixmap(pixmap(path, tint, size, ratio))
    return made
