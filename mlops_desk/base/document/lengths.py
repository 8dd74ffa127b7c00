"""Lengths of time as a document writes them: ``90m``, ``1h30m``, ``2d``; a bare number could be anything."""

import re
from fractions import Fraction

from mlops_desk.base.document.forms import Form, Unfit

_UNITS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
_AMOUNT = r"[0-9]{1,9}(?:\.[0-9]{1,3})?"
_LENGTH = re.compile("".join(rf"(?:(?P<{unit}>{_AMOUNT}){unit})?" for unit in _UNITS), re.ASCII)
BARE = re.compile(_AMOUNT, re.ASCII)
_LONGEST_SECONDS = 366 * 86_400  # chosen: a year, beyond which nobody plans


def read_length(text: str) -> float:
    """Return the seconds that ``text`` (``1h30m``) names. Raises Unfit."""
    if BARE.fullmatch(text):
        raise Unfit(f"{text}s (seconds), {text}m (minutes) or {text}h (hours)")
    found = _LENGTH.fullmatch(text)
    if found is None or not text:
        raise Unfit(LENGTH.wanted)
    seconds = sum(Fraction(found[unit]) * factor for unit, factor in _UNITS.items() if found[unit])
    if seconds > _LONGEST_SECONDS:
        raise Unfit(f"{LENGTH.wanted}, at most a year")
    return float(seconds)


def written_length(seconds: float) -> str:
    """Return a length of time as ``read_length`` takes it, to the millisecond."""
    left, parts = Fraction(round(seconds * 1000), 1000), []
    for unit, factor in _UNITS.items():
        whole = left // factor if unit != "s" else left
        if whole:
            parts.append(f"{float(whole):.15g}{unit}")
            left -= whole * factor
    return "".join(parts) or "0s"


_LENGTH_PATTERN = "^(?=[0-9])" + "".join(f"({_AMOUNT}{unit})?" for unit in _UNITS) + "$"
LENGTH = Form("a length of time such as 90m, 1h30m, 2d or 45s", read_length, written_length, pattern=_LENGTH_PATTERN)
