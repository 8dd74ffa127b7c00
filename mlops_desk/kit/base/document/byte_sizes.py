"""Amounts of memory as people write them (10GiB, 4GB, 512Mi) and as the program counts them (bytes).

GiB and Gi are 2^30 bytes, GB are 10^9. What could mean either (10G, 10g) is refused with both readings.
"""

import re
from fractions import Fraction

from mlops_desk.kit.base.document.scalar_types import Unfit

EXPECTED = "an amount such as 10GiB (2^30 bytes each), 4GB (10^9 bytes each) or 512MiB"

_FACTORS = {
    "": 1,
    "B": 1,
    **{f"{letter}iB": 1024**power for power, letter in enumerate("KMGT", start=1)},
    **{f"{letter}i": 1024**power for power, letter in enumerate("KMGT", start=1)},
    **{f"{letter}B": 1000**power for power, letter in enumerate("KMGT", start=1)},
    "kB": 1000,
}
_LETTERS = frozenset("KMGT")
_AMOUNT = re.compile(r"([0-9]{1,19}(?:\.[0-9]{1,9})?) ?([A-Za-z]{0,3})", re.ASCII)
_LIMIT_BYTES = 1 << 60  # an exbibyte: more than any machine has, and well within the 64 bits that the engine reads


def parse_bytes(text: str) -> int:
    """Return the bytes that ``text`` names. Raises Unfit."""
    match = _AMOUNT.fullmatch(text)
    if match is None or match[2] not in _FACTORS:
        letter = "" if match is None else match[2][:1].upper()
        if match is not None and letter in _LETTERS and match[2].upper() in {letter, f"{letter}B", f"{letter}IB"}:
            raise Unfit(f"{match[1]}{letter}B (powers of 1000) or {match[1]}{letter}iB (powers of 1024)")
        raise Unfit(EXPECTED)
    amount = int(Fraction(match[1]) * _FACTORS[match[2]])
    if not 0 < amount <= _LIMIT_BYTES:
        raise Unfit(f"{EXPECTED}, more than nothing and less than an exbibyte")
    return amount


def format_bytes(amount: int) -> str:
    """Return exactly ``amount`` in the largest binary unit that divides it."""
    for power, letter in reversed(list(enumerate("KMGT", start=1))):
        if amount % 1024**power == 0:
            return f"{amount // 1024**power}{letter}iB"
    return str(amount)
