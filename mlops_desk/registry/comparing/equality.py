"""When two values are the same. Pure.

Parameters are kept as text: "0.1" and "0.10" are one learning rate, and "True" of Python is "true" of YAML. So is a
number of any size, which is why nothing is rounded to a float. Tags, versions and digests are what their text says:
"3.10" is another Python than "3.1", and "0e1" another hash than "0e2".
"""

import math
import re
from decimal import Decimal, InvalidOperation

Value = float | str | None

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_LONGEST = 400  # chosen: longer than any number that a program prints
_WORDS = {"true": True, "false": False}
_UNBOUND = {"nan": "nan", "inf": "inf", "infinity": "inf"}


def same_text(a: Value, b: Value) -> bool:
    """Tell whether two texts say the same; what is missing is not empty."""
    return a == b


def same_number(a: Value, b: Value) -> bool:
    """Tell whether two values of a metric are the same: NaN is NaN, and what is missing is nothing else."""
    if isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b):
        return True
    return a == b


def same_parameter(a: Value, b: Value) -> bool:
    """Tell whether two values of a parameter mean the same."""
    if a == b or not isinstance(a, str) or not isinstance(b, str):
        return a == b
    left = _meaning(a)
    return left is not None and left == _meaning(b)


def _meaning(text: str) -> tuple[str, object] | None:
    """Return what a text stands for, if it is more than a text: a number, a truth value, NaN or an infinity."""
    stripped = text.strip()
    lowered = stripped.lower()
    if lowered in _WORDS:
        return "truth", _WORDS[lowered]
    unsigned = lowered.lstrip("+-") if lowered[:1] in {"+", "-"} else lowered
    if unsigned in _UNBOUND:
        kind = _UNBOUND[unsigned]
        return kind, lowered.startswith("-") and kind == "inf"
    if len(stripped) > _LONGEST or _NUMBER.fullmatch(stripped) is None:
        return None
    try:
        return "number", Decimal(stripped)
    except InvalidOperation:
        return None
