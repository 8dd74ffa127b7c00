"""The small line drawings of the sidebar and the buttons: one table of paths, drawn in any colour and size."""

from PySide6.QtCore import QByteArray, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

_PATHS = {
    "overview": "M3 3h6v6H3zM11 3h6v6h-6zM3 11h6v6H3zM11 11h6v6h-6z",
    "gpus": "M3 5h14v8H3zM6 16v-3M10 16v-3M14 16v-3M8 9a2 2 0 1 0 4 0a2 2 0 1 0-4 0",
    "host": "M3 4h14v9H3zM7 17h6M10 13v4M6 7h5M6 10h3",
    "storage": "M4 5a6 2 0 1 0 12 0a6 2 0 1 0-12 0v10a6 2 0 0 0 12 0v-10M4 10a6 2 0 0 0 12 0",
    "events": "M4 14h12l-1.500-2.500V9a4.500 4.500 0 0 0-9 0v2.500zM8.500 16.500a1.600 1.600 0 0 0 3 0",
    "jobs": "M3 5h2M8 5h9M3 10h2M8 10h9M3 15h2M8 15h9",
    "endpoints": "M10 3v5M10 8L4 13M10 8l6 5M2.5 13h3v3h-3zM14.500 13h3v3h-3zM8.500 13h3v3h-3zM10 8v5",
    "models": "M10 2.500l7 3.800v7.400l-7 3.800l-7-3.800V6.300zM3 6.300l7 3.800l7-3.800M10 10.100v7.400",
    "drift": "M2 15c3 0 3-9 6-9s3 9 6 9M8 15c2.500 0 2.500-6 5-6s2.500 6 5 6",
    "settings": "M4 4v12M10 4v12M16 4v12M2 7h4M8 12h4M14 6h4",
    "search": "M3.500 8.500a5 5 0 1 0 10 0a5 5 0 1 0-10 0M12.300 12.300L17 17",
    "pause": "M7 4v12M13 4v12",
    "play": "M6 4l10 6l-10 6z",
    "copy": "M7 7h9v10H7zM4 13V3h9",
    "menu": "M5 8l5 5l5-5",
    "more": "M4.500 10h.01M10 10h.01M15.500 10h.01",
    "back": "M12 4l-6 6l6 6",
    "forward": "M8 4l6 6l-6 6",
}


def pixmap(name: str, tint: QColor, size: int, ratio: float = 1.0) -> QPixmap:
    """Draw a symbol at ``size`` logical pixels on a screen with ``ratio`` device pixels each."""
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 20"><path fill="none" stroke-width="1.5" '
        f'stroke-linecap="round" stroke-linejoin="round" stroke="{tint.name()}" d="{_PATHS[name]}"/></svg>'
    )
    drawn = QPixmap(QSize(round(size * ratio), round(size * ratio)))
    drawn.fill(Qt.GlobalColor.transparent)
    painter = QPainter(drawn)
    QSvgRenderer(QByteArray(svg.encode())).render(painter, QRectF(drawn.rect()))
    painter.end()
    drawn.setDevicePixelRatio(ratio)
    return drawn


def icon(name: str, tint: QColor, size: int) -> QIcon:
    """Return a symbol as an icon that is sharp on dense screens too."""
    made = QIcon()
    for ratio in (1.0, 2.0):
        made.addPixmap(pixmap(name, tint, size, ratio))
    return made
