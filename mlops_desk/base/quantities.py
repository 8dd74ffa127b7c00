"""Quantities inside sentences, one way for all: a narrow space that no line breaks at, then the unit."""

THIN = "\u202f"


def amount(value: float, unit: str, digits: int = 0) -> str:
    """Return ``value`` (already in ``unit``) with ``digits`` decimals: ``650 W``."""
    return f"{value:.{digits}f}{THIN}{unit}"


def percent(ratio: float, digits: int = 0) -> str:
    """Return a ratio (0-1) in per cent: ``65 %``."""
    return amount(ratio * 100.0, "%", digits)
