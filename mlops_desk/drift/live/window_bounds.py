"""Where rows are cut into windows: by count, or by time in whole multiples since 1970 (so a day is UTC's).

Pure. Rows come in the order of their moments; the window that still grows from the last time is continued. By time a
window without rows is none, and a row of a window that is closed already is late: it is counted and left out.
"""

from dataclasses import dataclass

import numpy as np

from mlops_desk.drift.pair import Floats
from mlops_desk.drift.records.monitors import WindowRule


@dataclass(frozen=True, slots=True)
class GrowingWindow:
    """The window that is not full yet: the Unix times of its first and its last row, and how many it has."""

    start: float
    end: float
    n_rows: int


@dataclass(frozen=True, slots=True)
class RowPiece:
    """Rows ``first`` to ``last`` (the latter is not among them) of a batch, which are or continue one window."""

    first: int
    last: int
    is_full: bool
    continues: bool = False


@dataclass(frozen=True, slots=True)
class RowCut:
    """How a batch falls apart. ``ends_growing``: the window that grew is over without another row."""

    pieces: tuple[RowPiece, ...]
    ends_growing: bool = False
    n_late: int = 0


def cut_rows(moments: Floats, rule: WindowRule, growing: GrowingWindow | None, over_before: float | None) -> RowCut:
    """Cut rows by their moments (Unix times, ascending).

    ``over_before``: no row of an earlier moment will come, so that windows by time which end there are full; None where
    only a later row tells.
    """
    if rule.seconds is not None:
        return _by_time(moments, rule.seconds, growing, over_before)
    return _by_count(moments.size, rule.rows or 1, growing)


def _by_count(n: int, size: int, growing: GrowingWindow | None) -> RowCut:
    """Fill the growing window first. One that has as many rows already (the rule was made smaller) is over."""
    lacking = size - growing.n_rows if growing is not None else 0
    ends_growing = growing is not None and lacking <= 0
    pieces = []
    at = 0
    if lacking > 0 and n:
        at = min(lacking, n)
        pieces.append(RowPiece(0, at, is_full=at == lacking, continues=True))
    while at < n:
        last = min(at + size, n)
        pieces.append(RowPiece(at, last, is_full=last - at == size))
        at = last
    return RowCut(tuple(pieces), ends_growing)


def _by_time(moments: Floats, seconds: float, growing: GrowingWindow | None, over_before: float | None) -> RowCut:
    known = None if growing is None else float(np.floor(growing.start / seconds))
    numbers = np.floor(moments / seconds)
    n_late = 0 if known is None else int(np.searchsorted(numbers, known, "left"))
    changes = np.flatnonzero(np.diff(numbers[n_late:])) + 1 + n_late
    ends = [*changes.tolist(), moments.size] if moments.size > n_late else []
    pieces = []
    first = n_late
    for place, last in enumerate(ends):
        is_over = place < len(ends) - 1 or _is_over(float(numbers[first]), seconds, over_before)
        pieces.append(RowPiece(first, last, is_full=is_over, continues=bool(numbers[first] == known)))
        first = last
    ends_growing = known is not None and not any(piece.continues for piece in pieces)
    if ends_growing and not pieces:
        ends_growing = _is_over(known or 0.0, seconds, over_before)
    return RowCut(tuple(pieces), ends_growing, n_late)


def _is_over(number: float, seconds: float, over_before: float | None) -> bool:
    return over_before is not None and (number + 1) * seconds <= over_before
