"""Quantities inside sentences, one way for all: a narrow space that no line breaks at, then the unit."""

THIN = "\u202f"
_LONGEST = 1e15
"""From here on a number is told by its power of ten: nobody counts a hundred digits."""


def amount(value: float, unit: str, digits: int = 0) -> str:
    """Return ``value`` (already in ``unit``) with ``digits`` decimals: ``650 W``."""
    number = f"{value:.{digits}f}" if abs(value) < _LONGEST else f"{value:g}"
    return f"{number}{THIN}{unit}"


def percent(ratio: float, digits: int = 0) -> str:
    """Return a ratio (0-1) in per cent: ``65 %``."""
    return amount(ratio * 100.0, "%", digits)
