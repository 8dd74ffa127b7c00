"""What the demonstration watches: an endpoint whose data have moved, one whose model is old, a table that is fine.

The windows are real ones, judged by the real service: only their rows were never sent. The monitors of endpoints whose
models have no data set are left to the desk, which says so.
"""

import time
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from time import time as clock

import numpy as np

from mlops_desk.desk.demo import answers, data, seed_records
from mlops_desk.desk.drift_composition import DriftDesk, DriftHouse
from mlops_desk.desk.model_composition import ModelWiring
from mlops_desk.drift.columns import NumericSide
from mlops_desk.drift.live.log_rows import LogPlace
from mlops_desk.drift.live.windowing import PinnedAnswers, TakenWindows
from mlops_desk.drift.profile.bin_edges import FrozenBins
from mlops_desk.drift.profile.categories import CategorySketch, sketch_of_counts
from mlops_desk.drift.profile.numbers import NumericSketch, empty_numbers, sketch_numbers
from mlops_desk.drift.profile.profile import ColumnProfile, DataProfile, SegmentedRows, merged
from mlops_desk.drift.records.monitors import Monitor, WindowRule
from mlops_desk.drift.records.sources import Reference, ReferenceKind, Source, SourceKind
from mlops_desk.drift.store.layout import WindowLayout
from mlops_desk.drift.store.windows import CutWindow, WindowStore
from mlops_desk.kit.base.errors import NotFound
from mlops_desk.kit.base.process import run_worker

# Windows of requests that nobody sent: a window has as many rows as an endpoint is asked, and none is ever made.
# What the rows of a column would be is known by 20,000 drawn ones; how many of a window lie in each bin is then one
# draw of a multinomial distribution, however many rows that are. Weeks are made within a tenth of a second.
_DRAWN = 20_000  # chosen: shares of bins are within a hundredth of the reference's spread
_MOST_AT_ONCE = 50  # as many as the service judges at a look
_DAY_drift_windows = 86_400.0  # what it is, in seconds


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
    return _Span(start + 0.1 * apart, start + seconds - 0.1 * apart, rows, (start - traffic.began) / _DAY_drift_windows)


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


_HOUR, _DAY = 3600.0, 86_400.0  # what they are, in seconds
RETRAINED = "churn-prod"
"""The endpoint whose drift lets the rule retrain: its monitor waits until the demo's first version has been trained."""
_EXPORTS = "churn-exports"
_RATES = {"churn-prod": 42.0, "churn-eu": 7.5, _EXPORTS: 0.35}
"""Rows a second: those of the endpoints, and a table of 30,000 customers a day."""
_AGES = {"churn-prod": 7 * _DAY, "churn-eu": 14 * _DAY, _EXPORTS: 28 * _DAY}
"""As old as the version that answers; the table is older than any of them."""
_LABELLED = "churn-eu"
"""The endpoint of which it becomes known who has left."""
_ANSWERS = "answers"
_ANSWERS_SECONDS = 120.0  # chosen: fifty windows take some seconds
_WEIGHTS = {
    "tenure_months": 0.31, "monthly_charge": 0.22, "support_calls": 0.19, "data_usage_gb": 0.12, "age": 0.09,
    "plan": 0.07,
}  # fmt: skip
"""As a permutation of the columns of the churn model would have it: one that drifts matters most, the other little."""
_USUAL_RATE = 1.0  # of rows a second, where a person watches something else


def monitors(reference: Path, now: float) -> list[Monitor]:
    """Return what the small team watches; ``reference`` is the data that the model was trained on."""
    eight_hours, six_hours, a_day = (WindowRule(None, hours * _HOUR) for hours in (8, 6, 24))
    exports, trained_on = Source(SourceKind.FILE, "/srv/churn/exports"), Reference(ReferenceKind.FILE, str(reference))
    good = Reference(ReferenceKind.FILE, str(reference.parent / _ANSWERS / "good.csv"))
    labelled = _of_endpoint(_LABELLED, "churn/2", eight_hours, now)
    return [
        _of_endpoint("churn-prod", "churn/3", six_hours, now),
        replace(labelled, answers=answers.COLUMNS, answers_reference=good, segment="plan"),
        _of_endpoint("line-defects", None, WindowRule(), now),
        Monitor(seed_records.named(f"monitor.{_EXPORTS}"), _EXPORTS, exports, trained_on, window=a_day, created_at=now),
    ]


def _of_endpoint(name: str, model: str | None, window: WindowRule, now: float) -> Monitor:
    source = Source(SourceKind.LOG, name)
    return Monitor(
        seed_records.named(f"monitor.{name}"), name, source, endpoint=name, model=model, window=window, created_at=now,
        importance=_WEIGHTS if model is not None else {},
    )  # fmt: skip


class DemoDrift(DriftDesk):
    """The services about drift, whose sources are played."""

    def __init__(self, house: DriftHouse, wiring: ModelWiring) -> None:
        self._began = time.time()
        self._answered = house.folder.drift / "played"
        self._may_turn = Event()
        super().__init__(house, wiring)

    def let_turn(self) -> None:
        """Look at the monitor that lets the rule retrain. Raises DeskError where others are still being looked at."""
        self._may_turn.set()
        self.monitors.check(RETRAINED)

    def _take(self, monitor: Monitor, reference: DataProfile) -> TakenWindows:
        place = monitor.name if monitor.name in _AGES else monitor.source.place
        if place == RETRAINED and not self._may_turn.is_set():
            return TakenWindows()
        if place not in _AGES and monitor.source.kind is not SourceKind.LOG:
            return super()._take(monitor, reference)
        known = self.windows.reference(monitor.id)
        if known is None:
            return TakenWindows()  # it was removed a moment ago
        traffic = PlayedTraffic(place, _RATES.get(place, _USUAL_RATE), self._began - _AGES.get(place, _DAY))
        pending = add_windows(self.windows, monitor, reference, known[0], traffic)
        if place == _LABELLED:
            self._answer(monitor, traffic.began)
        return TakenWindows(pending_rows=pending)

    def _answer(self, monitor: Monitor, began: float) -> None:
        """Write what was answered in the windows, and what turned out by now. Raises DeskError."""
        windows = [[head.start, head.end] for head in self.windows.windows(monitor.id) if head.level == "window"]
        request = {"folder": str(self._answered), "windows": windows, "began": began, "now": time.time()}
        held = monitor.answers_reference
        if held is not None and held.path is not None and not Path(held.path).exists():
            Path(held.path).parent.mkdir(parents=True, exist_ok=True)
            request["good"] = held.path
        run_worker(answers.MODULE, request, _ANSWERS_SECONDS, ending=self._loop.ending)

    def _log_place(self, monitor: Monitor) -> LogPlace:
        if monitor.name == _LABELLED:
            return LogPlace(str(self._answered), (answers.REVISION,))
        return super()._log_place(monitor)

    def _pin(self, monitor: Monitor, _start: float, _end: float) -> PinnedAnswers:
        text = f"The demonstration has no answers of {monitor.name} by the row."
        raise NotFound(text, "What a real endpoint answers is in its log, and is judged.")
