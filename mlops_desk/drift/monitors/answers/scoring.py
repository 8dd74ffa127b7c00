"""One window's answers scored: figures, what was expected of them, and how far Page's test has come in it. Pure.

All windows of a monitor are held against levels for one and the same number of rows, so that it makes no difference in
which order labels come; the band of three deviations widens where a window has fewer.
"""

import math
from dataclasses import replace

import numpy as np

from mlops_desk.drift.monitors.answers.asked import AnswersFacts, ScoredSpan, WatchLimit
from mlops_desk.drift.pair import Floats
from mlops_desk.drift.performance.alarms import LEAST_ROWS, beyond
from mlops_desk.drift.performance.change import ChangeWatch
from mlops_desk.drift.performance.fitted import FittedReference, fit, of_what
from mlops_desk.drift.performance.page_state import PageState
from mlops_desk.drift.performance.report import AnsweredData, window_of
from mlops_desk.drift.performance.rows import MOST_CLASSES
from mlops_desk.drift.performance.watching import watched_values
from mlops_desk.records.drift.performance import PerformanceWindow, ReferenceLevel

MOST_REFERENCE = 20_000  # chosen: their levels are known to a third of a percent, and taken in a second


def sampled(data: AnsweredData) -> AnsweredData:
    """Leave of a large reference every so many-th row, the same ones whenever it is asked."""
    n = data.n_reference
    if n <= MOST_REFERENCE:
        return data
    kept = np.unique(np.linspace(0, n - 1, MOST_REFERENCE).astype(np.int64))
    chosen = np.concatenate([kept, np.arange(n, len(data.rows))])
    inputs = None if data.inputs is None else data.inputs[chosen]
    return replace(data, rows=data.rows.part(chosen), n_reference=kept.size, inputs=inputs)


class Scorer:
    """Scores windows of some rows: the reference's first, then those of all windows, one after the other.

    ``known`` is what was learned of the reference before; where it is of something else, or there is none, it is
    learned anew, and ``learned`` is what to keep of it.
    """

    def __init__(self, data: AnsweredData, window_rows: int, known: FittedReference | None = None) -> None:
        self._data = data
        self._window_rows = max(LEAST_ROWS, window_rows)
        self._current = data.rows.part(slice(data.n_reference, None))
        self.learned: FittedReference | None = None
        if known is not None and known.of == of_what(data, self._window_rows):
            self._fitted, self._estimators = known, known.estimators
            return
        self._fitted, self._estimators, can_be_kept = fit(data, self._window_rows)
        self.learned = self._fitted if can_be_kept else None

    def window(self, name: str, labels: str, chosen: slice) -> ScoredSpan:
        """Score the current rows of one window; ``labels`` is the digest of what turned out of them."""
        rows = self._current.part(chosen)
        told = window_of(self._data, rows, chosen, dict(self._fitted.levels), self._estimators)
        values = dict(watched_values(rows))
        watched = {
            what: _flat(ChangeWatch().with_values(values[what], baseline))
            for what, baseline in self._fitted.baselines.items()
            if what in values
        }
        return ScoredSpan(
            name,
            labels,
            told.counts,
            told.figures,
            told.expected,
            told.outside,
            self._beyond(told),
            watched,
            {what: mean for what in watched if (mean := _mean(values[what])) is not None},
        )

    def facts(self) -> AnswersFacts:
        """Return what is the same for all windows."""
        rows = self._data.rows
        return AnswersFacts(
            kind=rows.kind,
            classes=rows.classes if len(rows.classes) <= MOST_CLASSES else (),
            positive=None if rows.positive is None else rows.classes[rows.positive],
            reference=self._fitted.levels,
            reference_counts=self._fitted.counts,
            calibrated=None if self._estimators.calibration is None else self._estimators.calibration.changes,
            limits={
                what: WatchLimit(one.mean, one.limit_up, one.limit_down) for what, one in self._fitted.baselines.items()
            },
            notes=(*self._data.notes, *self._fitted.notes),
        )

    def _beyond(self, told: PerformanceWindow) -> tuple[str, ...]:
        n = told.counts.n_used
        factor = math.sqrt(max(1.0, self._window_rows / n)) if n else 1.0
        return beyond(told.figures, {name: _widened(one, factor) for name, one in self._fitted.levels.items()}, n)


def _widened(level: ReferenceLevel, factor: float) -> ReferenceLevel:
    if level.mean is None or level.low is None or level.high is None:
        return level
    half = max(level.high - level.mean, level.mean - level.low) * factor
    return replace(level, low=level.mean - half, high=level.mean + half)


def _mean(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else None


def _flat(watch: ChangeWatch) -> tuple[float, ...]:
    return tuple(float(getattr(side, name)) for side in (watch.up, watch.down) for name in PageState.__slots__)
