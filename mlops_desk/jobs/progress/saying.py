"""One statement of a program about how far it is, as it was written: what is not said is None."""

import re
from dataclasses import dataclass

NUMBER = r"\d[\d,]{0,24}(?:\.\d{1,9})?[kKMGTP]?"
_SUFFIXES = {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
_LARGEST = 1e18  # more than any counter of a training; a longer row of digits is none
_CLOCK = re.compile(r"(?:(\d+) days?, )?(?:(\d+):)?(\d+):(\d+)")


@dataclass(frozen=True, slots=True)
class Saying:
    """``step`` of ``total`` of the loop ``name``; ``rate`` in ``unit`` a second, ``left_seconds`` by its own reckoning.

    ``epoch`` of ``epochs`` as they are written, counted from 0 or 1; ``ended``: that epoch is over. ``passed`` are
    epochs that are over, where that is what is told (they may have a fraction). ``source`` is who writes so.
    """

    source: str
    name: str = ""
    step: float | None = None
    total: float | None = None
    unit: str | None = None
    rate: float | None = None
    left_seconds: float | None = None
    epoch: float | None = None
    epochs: float | None = None
    ended: bool = False
    passed: float | None = None


def number(text: str | None) -> float | None:
    """Return a number as bars write it: ``1,163``, ``1.20M``; None for ``?`` and for what is too long to be one."""
    if not text:
        return None
    factor = _SUFFIXES.get(text[-1], 1.0)
    digits = text.rstrip("kKMGTP").replace(",", "")
    try:
        found = float(digits) * factor
    except ValueError:
        return None
    return found if found <= _LARGEST else None


def clock(text: str | None) -> float | None:
    """Return seconds of ``01:02``, ``1:02:03``; None for what is none."""
    match = _CLOCK.fullmatch(text or "")
    if match is None:
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    found = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    return found if found <= _LARGEST else None
