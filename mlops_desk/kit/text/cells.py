"""What texts for people are made of: tables, lists of facts, times and numbers; plain, aligned, capped."""

import time
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from mlops_desk.kit.base import agent_clock
from mlops_desk.kit.base.text import THIN, decimal_name, plain
from mlops_desk.machine.records.metric import Reading

_CELL = 60  # chosen: three columns of this fit into a wide terminal
_WHOLE = 4000  # chosen: a screen full of one text
_LINE = 100  # chosen: beside a name it fits into a wide terminal
_LAST_CELL = 400  # chosen: the last column may run over lines

Lines: TypeAlias = tuple[str, ...]
"""A fact of several lines: what a program has written."""

_SKEW_SECONDS = 5.0  # chosen: as the window has it; clocks of two machines differ by less


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return an aligned table; cells are made plain and capped."""
    cells = [[*(plain(cell, _CELL) for cell in row[:-1]), plain(row[-1], _LAST_CELL)] for row in rows]
    rows_with_heads = [list(heads), *cells]
    widths = [max(width_of(row[i]) for row in rows_with_heads) for i in range(len(heads))]
    return "\n".join(
        "  ".join(padded(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows_with_heads
    )


def width_of(text: str) -> int:
    """Return how many columns of a terminal a text takes: two for wide characters, none for combining ones."""
    return sum(_columns(character) for character in text)


def padded(text: str, width: int) -> str:
    """Return a text with blanks up to ``width`` columns."""
    return text + " " * max(0, width - width_of(text))


def cut(text: str, width: int) -> str:
    """Return as much of a text as fits into ``width`` columns."""
    taken = 0
    for at, character in enumerate(text):
        taken += _columns(character)
        if taken > width:
            return text[:at]
    return text


def _columns(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def facts(facts: Mapping[str, str | Lines]) -> str:
    """Return facts, one a line, their names aligned; what has lines of its own stands one below the other."""
    width = max(width_of(name) for name in facts)
    told = []
    for name, value in facts.items():
        first, *more = (value,) if isinstance(value, str) else value
        told += [f"{padded(name, width)}  {plain(first, _LAST_CELL)}"]
        told += [f"{' ' * width}  {plain(line, _LAST_CELL)}" for line in more]
    return "\n".join(told)


def in_full(texts: Mapping[str, str], shown: int) -> str:
    """Return, for below a table whose cells are cut, the texts that are longer than what was ``shown`` of them."""
    longer = {name: lines for name, text in texts.items() if len(text) > shown for lines in [_wrapped(text)]}
    return f"\n\n{facts(longer)}" if longer else ""


def _wrapped(text: str) -> Lines:
    import textwrap  # noqa: PLC0415 - what only long texts need

    return tuple(textwrap.wrap(plain(text, _WHOLE), _LINE)) or ("–",)


def lines_of(text: str | None) -> Lines:
    """Return what a program has written as lines of a fact; a dash for nothing."""
    return tuple((text or "").splitlines()) or ("–",)


def size(size_bytes: int) -> str:
    """Tell an amount in powers of 1024, and first in those of 1000 where it was asked for so."""
    told = f"{size_bytes / 2**30:.3g} GiB" if size_bytes >= 2**30 else f"{size_bytes / 2**20:.4g} MiB"
    if 0 < size_bytes < 2**20:
        told = f"{size_bytes / 2**10:.4g} KiB" if size_bytes >= 2**10 else f"{size_bytes} B"
    asked = decimal_name(size_bytes)
    return told if asked is None else f"{asked.replace(THIN, ' ')} ({told})"


def ago(at: float | None) -> str:
    """Return how long ago a Unix time was, or in how long it is, in one unit."""
    if at is None:
        return "–"
    passed = agent_clock.now() - at
    return f"in {span(-passed)}" if passed < -_SKEW_SECONDS else f"{span(max(0.0, passed))} ago"


def span(seconds: float) -> str:
    """Return a duration in one unit."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def step(seconds: float) -> str:
    """Return how far apart things are, to three digits: ``75 s``, ``7.81 h``, ``730 d``."""
    if seconds < 3600:
        return f"{number(seconds)} s"
    hours = seconds / 3600
    return f"{hours:.3g} h" if hours < 48 else f"{hours / 24:.3g} d"


def moment(at: float) -> str:
    """Return a Unix time as the clock on the wall shows it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def number(value: float | None, digits: int = 4) -> str:
    return "–" if value is None else f"{value:.{digits}g}"


def reading(metrics: Mapping[str, Reading], name: str, scale: float, form: str) -> str:
    """Return a reading in ``form``, or why it is missing."""
    found = metrics.get(name)
    if found is None or found.value is None:
        return "–" if found is None else found.state.replace("_", " ")
    return form.format(found.value * scale)
