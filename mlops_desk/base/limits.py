"""How many entries a list may be asked for."""

from mlops_desk.base.errors import Invalid

MOST = 10_000


def check_limit(limit: int, most: int = MOST) -> int:
    """Return ``limit`` if it lies between 1 and ``most``. Raises Invalid."""
    if not 1 <= limit <= most:
        raise Invalid(f"The limit must lie between 1 and {most:,}, not {limit}.", "Give --limit another number.")
    return limit
