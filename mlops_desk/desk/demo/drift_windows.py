"""Windows of requests that nobody sent: a window has as many rows as an endpoint is asked, and none is ever made.

What the rows of a column would be is known by 20,000 drawn ones; how many of a window lie in each bin is then one draw
of a multinomial distribution, however many rows that are. Weeks are made within a tenth of a second.
"""

import zlib
from dataclasses import dataclass, replace
from time import time as clock

import numpy as np

from mlops_desk.desk.demo import data
from mlops_desk.drift.columns import NumericSide
from mlops_desk.drift.profile.categories import CategorySketch, sketch_of_counts
from mlops_desk.drift.profile.frame import FrozenBins
from mlops_desk.drift.profile.numbers import NumericSketch, empty_numbers, sketch_numbers
from mlops_desk.drift.profile.profile import ColumnProfile, DataProfile, SegmentedRows, merged
from mlops_desk.drift.store.layout import WindowLayout
from mlops_desk.drift.store.windows import CutWindow, WindowStore
from mlops_desk.records.drift.monitors import Monitor

_DRAWN = 20_000  # chosen: shares of bins are within a hundredth of the reference's spread
_MOST_AT_ONCE = 50  # as many as the service judges at a look
_DAY = 86_400.0  # what it is, in seconds


@dataclass(frozen=True, slots=True)
class PlayedTraffic:
    """What is asked at a ``place`` since it ``began`` (Unix time): so many rows a second."""

    place: str
    rate: float
    began: float


@dataclass(frozen=True, slots=True)
class _Span:
    """The span of a window, how many rows it has, and how many days it lies after its source began."""

    start: float
    end: float
    n_rows: int
    days: float


def add_windows(
    store: WindowStore, monitor: Monitor, reference: DataProfile, digest: str, traffic: PlayedTraffic
) -> int:
    """Store the windows that are full by now and not there yet, and return the rows of the one that grows.

    ``digest`` is that of the ``reference``, by whose bins they are made. Raises DeskError.
    """
    seconds = monitor.window.seconds or (monitor.window.rows or 1) / traffic.rate
    now, known = clock(), store.windows(monitor.id, limit=1)
    full = int(now // seconds)
    first = max(int(traffic.began // seconds) + 1, full - _MOST_AT_ONCE)
    if known:
        first = max(first, int(known[-1].start // seconds) + 1)
    layout, drawn, made = WindowLayout(reference), _Drawn(), []
    for number in range(first, full):
        span = _span(monitor, number * seconds, seconds, traffic)
        made.append(CutWindow(span.start, span.end, layout.write(_window(reference, traffic.place, span, drawn))))
    if made:
        store.keep(monitor.id, digest, made, None, None)
    return int((now - full * seconds) * traffic.rate)


class _Drawn:
    """The rows that stand for a state of the requests; the newest is kept, for one lasts for many windows."""

    def __init__(self) -> None:
        self._moved: data.Moved | None = None
        self._table: data.Table = {}

    def table(self, moved: data.Moved) -> data.Table:
        if moved != self._moved:
            self._moved, self._table = moved, data.table_of(moved, data.generator(1), _DRAWN)
        return self._table


def _window(reference: DataProfile, place: str, span: _Span, drawn: _Drawn) -> DataProfile:
    random = data.generator(zlib.crc32(f"{place} {span.start:.0f}".encode()))
    moved = data.moved_at(place, span.days)
    table = drawn.table(replace(moved, lost=0.0))
    if reference.segments is None:
        return _rows(reference, table, span.n_rows, moved.lost, random)
    cut = reference.segments.cut
    values = np.asarray(table[cut.column.name])
    of_part = [np.flatnonzero(values == value) for _, value in cut.parts]
    counts = random.multinomial(span.n_rows, [one.size / values.size for one in of_part])
    parts = []
    for number, (rows, count) in enumerate(zip(of_part, counts.tolist(), strict=True)):
        some: data.Table = {name: np.asarray(column)[rows] for name, column in table.items()}
        lost = 0.0 if number else moved.lost * span.n_rows / max(1, count)  # the most frequent value loses for all
        parts.append(_rows(reference, some, count, lost, random))
    return replace(merged(parts), segments=SegmentedRows(cut, tuple(parts)))


def _rows(
    reference: DataProfile, table: data.Table, n_rows: int, lost: float, random: np.random.Generator
) -> DataProfile:
    return DataProfile(n_rows, tuple(_column(one, table, n_rows, lost, random) for one in reference.columns))


def _span(monitor: Monitor, start: float, seconds: float, traffic: PlayedTraffic) -> _Span:
    """Return the span that begins at a time: by count it has as many rows as asked, else about as many as ever."""
    apart = 1.0 / traffic.rate
    rows = monitor.window.rows or round(seconds / apart * (1.0 + 0.1 * np.sin(start / seconds)))
    return _Span(start + 0.1 * apart, start + seconds - 0.1 * apart, rows, (start - traffic.began) / _DAY)


def _column(
    one: ColumnProfile, table: data.Table, n_rows: int, lost: float, random: np.random.Generator
) -> ColumnProfile:
    """Sketch a column of so many rows by the drawn ones."""
    values = table.get(one.column.name)
    if one.sketch is None or values is None:
        return replace(one, sketch=None)
    if not n_rows:
        nothing = CategorySketch() if one.frame is None else empty_numbers(one.frame)
        return replace(one, sketch=nothing)
    if isinstance(one.sketch, CategorySketch):
        return replace(one, sketch=_categories(values, n_rows, random, tells_empty=one.sketch.tells_empty))
    missing = int(random.binomial(n_rows, lost)) if one.column.name == data.LOSES else 0
    return one if one.frame is None else replace(one, sketch=_numbers(one.frame, values, n_rows, missing, random))


def _numbers(
    frame: FrozenBins, values: data.Values, n_rows: int, missing: int, random: np.random.Generator
) -> NumericSketch:
    drawn = sketch_numbers(frame, NumericSide(np.asarray(values, dtype=np.float64)))
    counts = random.multinomial(n_rows - missing, drawn.counts / drawn.counts.sum()).astype(np.int64)
    sums = drawn.sums * counts / np.maximum(drawn.counts, 1)
    squares = drawn.squares * counts.sum() / drawn.counts.sum()
    return replace(drawn, counts=counts, sums=sums, squares=float(squares), n_missing=missing)


def _categories(values: data.Values, n_rows: int, random: np.random.Generator, *, tells_empty: bool) -> CategorySketch:
    labels, counts = np.unique(values, return_counts=True)
    drawn = random.multinomial(n_rows, counts / counts.sum())
    return sketch_of_counts(zip(labels.tolist(), drawn.tolist(), strict=True), tells_empty=tells_empty)
