"""Text as a person reads it.

Text from outside (container names, tags, logs, model names) is hostile: it is capped and made visible here. Quantities
inside sentences are said in one way: a narrow space that no line breaks at, then the unit.
"""

import unicodedata

NAME_LIMIT = 200  # chosen: two lines; file names have up to 255 bytes, container names 63 characters
LINE_LIMIT = 4096  # chosen: longer than what one reads of a line

THIN = "\u202f"
_LONGEST = 1e15
"""From here on a number is told by its power of ten: nobody counts a hundred digits."""
_LITTLE_BYTES = 2 << 30  # chosen: below it a tenth of a GiB is too coarse
_BINARY = ((1 << 50, "PiB"), (1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B"))
_DECIMAL = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"))

_KEPT = frozenset("\t")


def plain(text: str, limit: int = NAME_LIMIT) -> str:
    """Return ``text`` on one line, at most ``limit`` characters, with control and bidi characters escaped."""
    cut = text[: limit + 1]
    kept = cut[:limit]
    # Nearly every name is printable, which is to say that nothing in it is in one of the categories below. So is each
    # quantity, but for the space before its unit, which stays as it is.
    is_harmless = kept.isprintable() or kept.replace(THIN, " ").isprintable()
    shown = kept if is_harmless else "".join(map(_visible, kept))
    return shown + "…" if len(cut) > limit else shown


def is_storable(value: object, *, nul: bool = False) -> bool:
    """Tell whether every text in what JSON held can be written down: none has half of a character, nor (``nul``) a NUL.

    JSON can spell halves of surrogate pairs, which no database and no file takes; the system ends a name at a NUL.
    """
    waiting = [value]
    while waiting:
        some = waiting.pop()
        if isinstance(some, str):
            if ("\0" in some and not nul) or (not some.isascii() and any("\ud800" <= one <= "\udfff" for one in some)):
                return False
        elif isinstance(some, dict):
            waiting += [*some, *some.values()]
        elif isinstance(some, list):
            waiting += some
    return True


def _visible(character: str) -> str:
    if character in _KEPT:
        return " "
    if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}:
        return character.encode("unicode_escape").decode("ascii")
    return character


def amount(value: float, unit: str, digits: int = 0) -> str:
    """Return ``value`` (already in ``unit``) with ``digits`` decimals: ``650 W``."""
    number = f"{value:.{digits}f}" if abs(value) < _LONGEST else f"{value:g}"
    return f"{number}{THIN}{unit}"


def decimal_name(size_bytes: int) -> str | None:
    """Return a size as ``10 GB`` where powers of 1000 were meant: it is whole in them and not in those of 1024."""
    if size_bytes <= 0 or size_bytes % (1 << 20) == 0:
        return None
    named = ((factor, unit) for factor, unit in _DECIMAL if size_bytes % factor == 0)
    return next((f"{size_bytes // factor}{THIN}{unit}" for factor, unit in named), None)


def size_text(size_bytes: int) -> str:
    """Return room on a disk as everybody here tells it: ``78.3 GiB``, what is little in MiB, less in KiB or B."""
    if 0 < size_bytes < 1 << 20:
        return f"{size_bytes >> 10} KiB" if size_bytes >= 1 << 10 else f"{size_bytes} B"
    return f"{size_bytes / 2**30:.1f} GiB" if size_bytes >= _LITTLE_BYTES else f"{size_bytes >> 20} MiB"


def binary_size(size_bytes: float, digits: int = 4) -> str:
    """Return an amount of memory in the largest unit that it fills: ``40 GiB``, ``909.5 TiB``; no power of ten."""
    unit = next((one for one in _BINARY if abs(size_bytes) >= one[0]), _BINARY[-1])
    left = size_bytes / unit[0]
    number = f"{left:.{digits}g}" if abs(left) < 10**digits else f"{left:,.0f}" if abs(left) < _LONGEST else f"{left:g}"
    return f"{number} {unit[1]}"


def bytes_text(size_bytes: float) -> str:
    """Return how large a file is, in the unit it has most digits of: ``2.29 MiB``, ``812 B``."""
    left = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(left) < 1000.0:  # chosen: three digits, never four
            return f"{left:.3g}{THIN}{unit}"
        left /= 1024.0
    return f"{left:.3g}{THIN}TiB"


def duration_text(seconds: float) -> str:
    """Write a time that something lasts in one unit: 90 s, 90 min, 36 h."""
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"


def percent(ratio: float, digits: int = 0) -> str:
    """Return a ratio (0-1) in per cent: ``65 %``."""
    return amount(ratio * 100.0, "%", digits)


def span(low: float | None, high: float | None) -> str:
    """Return from where to where something may be, to the last digit: ``16 to 1,073,741,824``, ``5 or more``."""
    first, last = (None if end is None else f"{end:,.12g}" for end in (low, high))
    if first is not None and last is not None:
        return f"{first} to {last}"
    return f"{first} or more" if last is None else f"{last} or less"
