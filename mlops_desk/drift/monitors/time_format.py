"""A moment as a person reads it in a sentence, by this machine's clock."""

import time

_LATEST = 253_402_300_799.0  # the last second of the year 9999, beyond which no calendar goes
_FORM = "%-d %b %Y %H:%M"


def at(moment: float) -> str:
    """Return a Unix time in words."""
    return time.strftime(_FORM, time.localtime(moment)) if 0 <= moment <= _LATEST else f"{moment:.0f}"
