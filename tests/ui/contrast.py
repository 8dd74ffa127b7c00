"""How well what was painted can be told from its ground, from the pixels of a grabbed widget (WCAG's measure)."""

from collections.abc import Iterable

from PySide6.QtGui import QColor, QImage


def _luminance(colour: QColor) -> float:
    def linear(part: float) -> float:
        return part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4

    return 0.2126 * linear(colour.redF()) + 0.7152 * linear(colour.greenF()) + 0.0722 * linear(colour.blueF())


def contrast(one: QColor, other: QColor) -> float:
    """Return the contrast of two colours: 1 where they are as light, 21 for black on white."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def column(image: QImage, x: int, rows: Iterable[int]) -> list[QColor]:
    """Return the pixels of a column."""
    return [image.pixelColor(x, y) for y in rows]


def best(pixels: Iterable[QColor], ground: str) -> float:
    """Return the best contrast that one of ``pixels`` has with the colour ``ground``."""
    return max(contrast(pixel, QColor(ground)) for pixel in pixels)


def differing(one: QImage, other: QImage) -> int:
    """Return how many pixels differ."""
    assert one.size() == other.size()
    return sum(one.pixel(x, y) != other.pixel(x, y) for x in range(one.width()) for y in range(one.height()))
